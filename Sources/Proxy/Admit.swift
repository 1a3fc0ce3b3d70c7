// Whether one more connection may be accepted: a ticket of the process, and one of its listener.
import Statistics

/// How many connections the process carries: what its descriptor limit leaves after its own needs.
package struct ConnectionBudget: Equatable, Sendable {
    /// A connection needs two descriptors, one for each party.
    package let connectionsMax: Int
    /// Pipes for bulk directions, two descriptors each.
    package let pipesMax: Int
    /// Conversations on the control socket, a descriptor each.
    package let conversationsMax: Int
    /// The limit, where it is what bounds the connections; nil: `connectionsMax` is as configured.
    package let descriptorLimit: Int?
    /// Where the descriptor limit carries fewer than were configured: so many, and the limit that would carry them.
    package let shortfall: Shortfall?

    /// Where there are descriptors enough, whoever asks need not wait until somebody else has gone.
    private static let conversationsOfMany = 128
    /// Logs, saved states, restarts of backends.
    private static let files = 24
    private static let reserveMost = conversationsOfMany + files

    package struct Shortfall: Equatable, Sendable {
        package let wanted: Int
        package let limit: Int
        package let limitWanted: Int
    }

    /// `limit`: soft descriptor limit; `open`: descriptors in use before the first connection. The reserve serves
    /// control connections, files and a probe for each of `backends`; it is never lent to the data path.
    /// `connectionsMax`: as configured, if at all.
    package init(limit: Int, open: Int, backends: Int, connectionsMax wanted: Int? = nil) {
        conversationsMax = limit < 4096 ? 40 : ConnectionBudget.conversationsOfMany
        let reserve = min(conversationsMax + ConnectionBudget.files + backends, limit / 4)
        pipesMax = min(256, limit / 32)
        let carried = max(1, (limit - open - reserve - 2 * pipesMax) / 2)
        connectionsMax = min(wanted ?? .max, carried)
        descriptorLimit = wanted.map { $0 <= carried } ?? false ? nil : limit
        shortfall = wanted.flatMap { wanted in
            // The reserve and the pipes at their most.
            wanted > carried ? Shortfall(wanted: wanted, limit: limit, limitWanted: 2 * wanted + open + ConnectionBudget.reserveMost + backends + 2 * 256) : nil
        }
    }
}

/// Whether a worker accepts. Times in monotonic nanoseconds.
enum AcceptPause {
    case none
    case paused(at: Int64)
    /// Accepting again, but not yet for long enough to say that it is over.
    case resumed(pausedAt: Int64)

    var isPaused: Bool {
        switch self {
        case .paused: true
        case .none, .resumed: false
        }
    }
}

/// A limit that is reached again and again: said once when it begins, once when it has been over for a second.
struct LimitNotice {
    /// Nanoseconds (monotonic) of the last time; nil: not since the end was said.
    private var reachedAt: Int64?

    var isOpen: Bool { reachedAt != nil }

    /// Whether to say so.
    mutating func reached(now: Int64) -> Bool {
        defer { reachedAt = now }
        return reachedAt == nil
    }

    /// Whether to say that it is over.
    mutating func settle(now: Int64, isWaiting: Bool) -> Bool {
        guard let reachedAt else { return false }
        if isWaiting { self.reachedAt = now }
        guard !isWaiting, now - reachedAt > 1_000_000_000 else { return false }
        self.reachedAt = nil
        return true
    }
}

extension WorkerHandle {
    /// Takes the tickets for a connection that is about to be accepted, but for one that is `held` already. Nil: it
    /// has both; else it has none, and this is the one that is missing.
    func admit(listener: Int, holding held: ConnectionLimit? = nil) -> ConnectionLimit? {
        let own = ConnectionLimit.listener(listener)
        guard held == own || take(own) else {
            if held == .process { giveBack(.process) }
            return own
        }
        guard listener == state.ownListener || held == .process || take(.process) else {
            giveBack(own)
            return .process
        }
        return nil
    }

    /// Takes the tickets for one from the backlog of a listener that closes: beyond the listener's own connections-max,
    /// as there it can wait no longer; never beyond the process's. False: that has none.
    func admitAtClose(listener: Int) -> Bool {
        guard state.segment.tickets(listener: listener).take(below: .max) else { return false }
        if listener == state.ownListener || take(.process) { return true }
        giveBack(.listener(listener))
        return false
    }

    /// Gives the tickets back: of a connection that has ended, or of an accept that found nobody.
    func dismiss(listener: Int) {
        giveBack(.listener(listener))
        if listener != state.ownListener { giveBack(.process) }
    }

    /// Most connections; without a limit more than there can be.
    func most(_ limit: ConnectionLimit) -> Int {
        switch limit {
        case .process: state.connectionsMax
        case .listener(let listener): gate(of: listener).connectionsMax
        }
    }

    /// Newcomers do not overtake those who wait.
    private func take(_ limit: ConnectionLimit) -> Bool {
        let tickets = state.segment.tickets(of: limit)
        return !tickets.isAwaited && tickets.take(below: most(limit))
    }

    /// To the next who waits, else it is free.
    func giveBack(_ limit: ConnectionLimit) {
        let tickets = state.segment.tickets(of: limit)
        // More than the limit are out where it was lowered: then one less.
        if tickets.isAwaited, tickets.held <= most(limit), state.acceptQueue.hand(limit) { return }
        free(limit)
        // Somebody may have come to wait just before.
        serveAwaiting(limit)
    }

    /// Hands free tickets to those who wait as long as there are both.
    func serveAwaiting(_ limit: ConnectionLimit) {
        let tickets = state.segment.tickets(of: limit)
        while tickets.isAwaited, tickets.take(below: most(limit)) {
            if !state.acceptQueue.hand(limit) { free(limit) }
        }
    }

    private func free(_ limit: ConnectionLimit) {
        guard state.segment.tickets(of: limit).give() else { return }
        switch limit {
        case .process: report(.allConnectionsGone)
        case .listener(let listener): report(.lastClientGone(listener: listener))
        }
    }

    // MARK: Said

    func noteReached(_ limit: ConnectionLimit, _ listener: ListenerHandle) {
        state.hasNotices = true
        switch limit {
        case .process:
            guard state.processNotice.reached(now: now()) else { return }
            report(.processFull(worker: state.index))
        case .listener: listener.noteReached()
        }
    }

    /// At every tick while something is still to be said.
    func settleNotices() {
        guard state.hasNotices else { return }
        let isWaiting = state.listeners.contains { $0.waitsFor == .process }
        if state.processNotice.settle(now: now(), isWaiting: isWaiting) { report(.processHasRoom(worker: state.index)) }
        for listener in state.listeners { listener.settleNotice() }
        settleReports()
        state.hasNotices = state.processNotice.isOpen || state.listeners.contains { $0.hasNotice } || owesReports
    }
}
