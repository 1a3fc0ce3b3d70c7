// What the balancer answers, as values: the same ones become JSON and text. Keys are camelCase, times RFC 3339,
// durations seconds.
import Model

package struct StatusReport: Codable, Equatable, Sendable {
    package var version: String
    package var pid: Int32
    /// Number of the routing that the workers follow; grows with every change.
    package var generation: UInt64
    package var startedAt: String
    /// Number of the last event: `events since=` this number tells everything that came after this status.
    package var eventSequence: UInt64
    package var stopping: Bool
    package var workers: Int
    /// Of the process, at all listeners.
    package var connections: Int
    /// Most at once: as configured, or what the descriptor limit carries.
    package var connectionsMax: Int
    package var listeners: [ListenerReport]
    package var pools: [PoolReport]
    /// Of the last reload, by a command or SIGHUP; absent: it took place, or there was none.
    package var reloadFailure: ReloadFailureReport?
    /// Changes by commands that are not in the file: a restart forgets them.
    package var unsavedChanges = 0

    package init(
        version: String, pid: Int32, generation: UInt64, startedAt: String, stopping: Bool, workers: Int,
        connections: Int, connectionsMax: Int, listeners: [ListenerReport], pools: [PoolReport], eventSequence: UInt64 = 0
    ) {
        self.eventSequence = eventSequence
        self.version = version
        self.pid = pid
        self.generation = generation
        self.startedAt = startedAt
        self.stopping = stopping
        self.workers = workers
        self.connections = connections
        self.connectionsMax = connectionsMax
        self.listeners = listeners
        self.pools = pools
    }
}

/// Nothing was changed by that reload.
package struct ReloadFailureReport: Codable, Equatable, Sendable {
    package var at: String
    package var by: String
    /// As `config check` tells them.
    package var errors: [String]

    package init(at: Timestamp, by: String, errors: [String]) {
        self.at = at.rfc3339
        self.by = by
        self.errors = errors
    }
}

package struct ListenerReport: Codable, Equatable, Sendable {
    package var name: String
    /// With the port that the kernel chose where the file says 0.
    package var bind: String
    package var pool: String
    package var connections: Int
    /// Most at once; absent: no limit of its own.
    package var connectionsMax: Int?
    package var connectionsTotal: UInt64
    /// Accepted, then reset because no backend could be reached.
    package var refused: UInt64
    /// Its rate has held clients up within the last second.
    package var rateReached: Bool
    /// Removed: nothing is accepted any more, and it goes when its last connection has ended.
    package var closing: Bool

    package init(
        name: String, bind: String, pool: String, connections: Int, connectionsMax: Int? = nil, connectionsTotal: UInt64, refused: UInt64,
        rateReached: Bool = false, closing: Bool = false
    ) {
        self.closing = closing
        self.rateReached = rateReached
        self.connectionsMax = connectionsMax
        self.refused = refused
        self.name = name
        self.bind = bind
        self.pool = pool
        self.connections = connections
        self.connectionsTotal = connectionsTotal
    }
}

package struct PoolReport: Codable, Equatable, Sendable {
    package var name: String
    package var balance: String
    package var drainDeadline: Double
    package var restart: RestartReport?
    /// Connections that wait for a backend with room.
    package var queued: Int
    /// Reset because every available backend was full; `queueTimeouts` of them after they had waited.
    package var refused: UInt64
    package var queueTimeouts: UInt64
    /// Backends that new connections go to; none: `whenNone` says what becomes of them.
    package var eligible: Int
    /// `refuse`, `hold` or `divert`.
    package var whenNone: WhenNone.Word
    /// Connections that wait because no backend is available.
    package var held: Int
    /// Reset because they had been held for too long.
    package var holdTimeouts: UInt64
    /// Sent on to another pool.
    package var diverted: UInt64
    /// It goes when its last connection has ended.
    package var removing: Bool
    package var backends: [BackendReport]
    /// Former addresses of backends that still have connections.
    package var leaving: [LeavingReport]
    /// Parts of their weights that backends get for a while; absent: all have all of it.
    package var shares: SharesReport?
    /// That restarts it, or has; absent: none, or none that tells.
    package var rollout: RolloutStanding?

    package init(
        name: String, balance: String, drainDeadline: Double, restart: RestartReport?, queued: Int = 0, refused: UInt64 = 0,
        queueTimeouts: UInt64 = 0, eligible: Int, whenNone: WhenNone.Word = .refuse, held: Int = 0, holdTimeouts: UInt64 = 0,
        diverted: UInt64 = 0, removing: Bool = false, backends: [BackendReport], leaving: [LeavingReport] = [], shares: SharesReport? = nil,
        rollout: RolloutStanding? = nil
    ) {
        (self.shares, self.rollout) = (shares, rollout)
        (self.whenNone, self.held, self.holdTimeouts, self.diverted) = (whenNone, held, holdTimeouts, diverted)
        (self.removing, self.leaving) = (removing, leaving)
        (self.queued, self.refused, self.queueTimeouts, self.eligible) = (queued, refused, queueTimeouts, eligible)
        self.name = name
        self.balance = balance
        self.drainDeadline = drainDeadline
        self.restart = restart
        self.backends = backends
    }
}

/// A former address of a backend.
package struct LeavingReport: Codable, Equatable, Sendable {
    /// The backend's.
    package var name: String
    package var address: String
    package var connections: Int

    package init(name: String, address: String, connections: Int) {
        self.name = name
        self.address = address
        self.connections = connections
    }
}

package struct BackendReport: Codable, Equatable, Sendable {
    package var name: String
    package var address: String
    package var wish: Wish
    package var probe: ProbeFinding
    package var availability: Availability
    package var connections: Int
    /// Most at once; absent: no limit.
    package var connectionsMax: Int?
    package var connectionsTotal: UInt64
    package var connectFailures: UInt64
    /// Connections that the backend ended with a reset.
    package var resets: UInt64
    package var bytesToBackend: UInt64
    package var bytesToClient: UInt64
    package var weight: Int
    /// Held back after its return: what it may take at most, in per cent of its fair share; absent: it is not.
    package var share: Int?
    package var backup: Bool
    /// When the probes found what they find; absent: they have found nothing yet.
    package var probeSince: String?
    /// Finished probes since lbd started.
    package var probeSequence: UInt64
    package var probedAt: String?
    /// Why the last probe failed.
    package var probeFailure: String?
    package var drain: DrainReport?
    /// Removed: it takes no new connections, and goes when its last one has ended.
    package var removing: Bool

    package init(
        name: String, address: String, wish: Wish, probe: ProbeFinding, availability: Availability,
        connections: Int, connectionsMax: Int? = nil, connectionsTotal: UInt64, connectFailures: UInt64, resets: UInt64,
        bytesToBackend: UInt64, bytesToClient: UInt64, weight: Int, share: Int? = nil, backup: Bool,
        probeSince: String? = nil, probeSequence: UInt64, probedAt: String?, probeFailure: String?, drain: DrainReport?, removing: Bool = false
    ) {
        self.removing = removing
        self.name = name
        self.address = address
        self.wish = wish
        self.probe = probe
        self.availability = availability
        self.connections = connections
        self.connectionsTotal = connectionsTotal
        self.connectionsMax = connectionsMax
        self.connectFailures = connectFailures
        self.resets = resets
        self.bytesToBackend = bytesToBackend
        self.bytesToClient = bytesToClient
        self.weight = weight
        self.share = share
        self.backup = backup
        self.probeSince = probeSince
        self.probeSequence = probeSequence
        self.probedAt = probedAt
        self.probeFailure = probeFailure
        self.drain = drain
    }
}

package struct DrainReport: Codable, Equatable, Sendable {
    package var owner: String
    package var reason: String?
    package var since: String
    package var lease: Double?
    /// When the lease runs out, unless it is renewed.
    package var leaseUntil: String?
    /// When lbd does something about the connections that are left, and what.
    package var deadline: String?
    package var atDeadline: DrainEnd?

    package init(_ drain: DrainLease, leaseUntil: Timestamp? = nil) {
        deadline = drain.deadline?.rfc3339
        atDeadline = drain.atDeadline
        self.leaseUntil = leaseUntil?.rfc3339
        owner = drain.owner
        reason = drain.reason
        since = drain.since.rfc3339
        lease = drain.lease?.inSeconds
    }
}

/// A line of an answer that may carry a warning, which people read as a line of its own.
package protocol Warning {
    var warning: String? { get }
}

/// One line of `drain`'s answer: at once, and with wait=yes again at every change and once a second.
package struct DrainRecord: Warning, Codable, Equatable, Sendable {
    package var backend: String
    package var availability: Availability
    package var connections: Int
    /// Seconds since the command was given.
    package var waited: Double
    /// What the command has done besides that may not have been meant.
    package var warning: String?
    /// Seconds until the drain's deadline, below 0 after it; what becomes of the connections then.
    package var deadlineIn: Double?
    package var atDeadline: DrainEnd?
    /// Absent: not known yet.
    package var timeToEmpty: TimeToEmptyReport?
    /// It was empty, and has been taken out of the configuration meanwhile; else absent.
    package var removed: Bool?

    package init(
        backend: String, availability: Availability, connections: Int, waited: Double, warning: String? = nil, deadlineIn: Double? = nil,
        atDeadline: DrainEnd? = nil, timeToEmpty: TimeToEmptyReport? = nil
    ) {
        (self.deadlineIn, self.atDeadline, self.timeToEmpty) = (deadlineIn, atDeadline, timeToEmpty)
        self.warning = warning
        self.backend = backend
        self.availability = availability
        self.connections = connections
        self.waited = waited
    }

    package var outlook: DrainOutlook { DrainOutlook(left: connections, timeToEmpty, atDeadline, deadlineIn: deadlineIn) }

    package var text: String {
        switch availability {
        case .drained: "\(backend) drained: no connection holds it" + (removed == true ? "; it was removed meanwhile" : "")
        case .draining:
            "\(backend) draining: \(connections) \(connections == 1 ? "connection holds" : "connections hold") it"
                + (timeToEmpty == nil ? "" : ", \(outlook.text)")
        case .available, .warming, .unknown, .down, .maintenance: "\(backend) \(availability.rawValue): the drain was ended"
        }
    }
}

/// The answer to `undrain`, `maintain` and `ready`, a line a backend.
package struct WishRecord: Warning, Codable, Equatable, Sendable {
    package var backend: String
    package var wish: Wish
    package var wishBefore: Wish?
    package var availability: Availability
    /// Those that hold it still, where it was taken out of rotation.
    package var connections: Int?
    /// As in `DrainRecord`.
    package var warning: String?

    package init(
        backend: String, wish: Wish, wishBefore: Wish? = nil, availability: Availability, connections: Int? = nil, warning: String? = nil
    ) {
        self.connections = connections
        self.warning = warning
        self.backend = backend
        self.wish = wish
        self.wishBefore = wishBefore
        self.availability = availability
    }

    /// Says what would surprise: that there was nothing to end, and that back in rotation is not yet under load.
    package var text: String {
        let states = "wish \(wish.rawValue), \(availability.rawValue)"
        guard wish == .ready else { return "\(backend) \(states)" + (connections.map(held) ?? "") }
        let start = wishBefore == .ready ? "\(backend) was not drained: \(states)" : "\(backend) \(states)"
        return start + (availability == .down ? "; it gets no connections until its probes pass" : "")
    }

    private func held(by connections: Int) -> String {
        connections == 0 ? "; no connection holds it" : "; \(counted(connections, "connection")) still \(connections == 1 ? "holds" : "hold") it"
    }
}

/// The answer to `config check`.
package struct ConfigCheckRecord: Codable, Equatable, Sendable {
    /// Each as `FILE:LINE:COLUMN: what is wrong`; none: the file is well.
    package var errors: [String]

    package init(errors: [String]) { self.errors = errors }

    package var lines: [String] { errors.isEmpty ? ["the file on disk is well"] : errors }
}

/// The answer to `probe`, a line a backend: every probe behind it began after the command.
package struct ProbeRecord: Codable, Equatable, Sendable {
    package var backend: String
    package var probe: ProbeFinding
    package var probeSequence: UInt64
    package var failure: String?

    package init(backend: String, probe: ProbeFinding, probeSequence: UInt64, failure: String?) {
        self.backend = backend
        self.probe = probe
        self.probeSequence = probeSequence
        self.failure = failure
    }

    package var text: String { "\(backend) \(probe.rawValue)" + (failure.map { ": \($0)" } ?? "") }
}

/// One event; `from` and `to` where a state changed.
package struct EventRecord: Codable, Equatable, Sendable {
    package var sequence: UInt64
    package var time: String
    package var event: String
    package var subject: String
    package var from: String?
    package var to: String?
    package var by: String?
    package var reason: String?
    /// Of connections at a drain's deadline: ended by lbd since then, and left; `to` says what becomes of them.
    package var closed: Int?
    package var left: Int?
    /// Of those that were closed: by a reset.
    package var reset: Int?
    /// Chosen connections that were closed: id and peer of each.
    package var connections: [String]?
    /// Of a change of the configuration, as in `ChangeRecord`; `from` and `to` are its old and new values.
    package var change: String?
    package var key: String?
    /// Where the subject stands now; of a backend's former address, that one.
    package var address: String?
    /// Of a backend that is new; its availability is `to`.
    package var wish: Wish?
    package var probe: ProbeFinding?
    /// Whose the wish is now; absent in an event of the wish: nobody's.
    package var drain: DrainReport?
    /// Of a pool; absent in an event of them: every backend has all of its weight.
    package var shares: SharesReport?
    /// Whose state is `to`.
    package var rollout: RolloutTurnReport?
    /// Of connects that failed a `ConnectFailureReason`, of connections that were refused an `EndReason`: the most of them.
    package var failure: String?
    /// As in the log: debug, info, warning or error.
    package var level: String
    package var text: String

    package init(_ event: Event, level: String) {
        self.level = level
        sequence = event.sequence
        time = event.time.rfc3339
        self.event = event.change.kind
        subject = event.change.subject
        text = event.change.text
        switch event.change {
        case .wish(_, let from, let to, let by, let reason, let drain):
            (self.from, self.to, self.by, self.reason) = (from.rawValue, to.rawValue, by, reason)
            self.drain = drain.map { DrainReport($0) }
        case .wishKept(_, let wish, let drain, _):
            (self.to, self.by, self.reason) = (wish.rawValue, drain?.owner, drain?.reason)
            self.drain = drain.map { DrainReport($0) }
        case .leased(_, let drain, let until): (by, self.drain) = (drain.owner, DrainReport(drain, leaseUntil: until))
        case .shared(_, let shares, _): (by, reason, self.shares) = (shares.owner, shares.reason, SharesReport(shares))
        case .unshared(_, let by, let reason): (self.by, self.reason) = (by, reason)
        case .probe(_, let from, let to, let reason):
            (self.from, self.to, self.reason) = (from.rawValue, to.rawValue, reason)
        case .availability(_, let from, let to): (self.from, self.to) = (from.rawValue, to.rawValue)
        case .acceptPaused(_, let reason): self.reason = reason
        case .connectsFailing(_, _, let failure, let reason, _, _): (self.failure, self.reason) = (failure.rawValue, reason)
        case .headerRefused(_, _, let reason, _): (failure, self.reason) = (EndReason.badHeader.rawValue, reason)
        case .sourceRefused(_, _, let reason, _): (failure, self.reason) = (EndReason.sourceLimit.rawValue, reason)
        case .poolFull(_, let refused, let timedOut): failure = (2 * timedOut > refused ? EndReason.queueTimeout : .poolFull).rawValue
        case .holdLost(_, let reset, let timedOut): failure = (2 * timedOut > reset ? EndReason.holdTimeout : .holdFull).rawValue
        case .poolUnreachable: failure = EndReason.connectFailed.rawValue
        case .poolRefuses: failure = EndReason.noBackend.rawValue
        case .drainDeadline(_, let end, let holders, _): (self.to, self.left) = (end.rawValue, holders)
        case .drainClosing(_, let end, let closed, let reset, let left):
            (self.to, self.closed, self.reset, self.left) = (end.rawValue, closed, reset, left)
        case .connectionsClosed(let names, let reset, let by):
            (self.to, closed, connections, self.by) = (reset ? "reset" : "close", names.count, names, by)
        case .poolDiverts(_, let other): to = other.text
        case .rollout(_, let turn): (from, to, by, rollout) = (turn.from?.rawValue, turn.to.rawValue, turn.owner, RolloutTurnReport(turn))
        case .configurationChanged(let change, let by):
            let record = ChangeRecord(change)
            (self.change, key, from, to, self.by) = (record.change, record.key, record.old, record.new, by)
        case .listenerOpened(_, let endpoint), .backendTakenBack(_, let endpoint), .backendLeft(_, let endpoint):
            address = endpoint.description
        case .listenerMoved(_, let from, let to), .backendMoved(_, let from, let to):
            (self.from, self.to, address) = (from.description, to.description, to.description)
        case .listenerRedirected(_, let pool): to = pool.text
        case .backendAdded(_, let endpoint, let wish, let probe, let availability, _):
            (address, self.wish, self.probe, to) = (endpoint.description, wish, probe, availability.rawValue)
        case .listenerRemoved, .poolAdded, .poolRemoving, .poolTakenBack, .poolRemoved, .backendRemoving, .backendRemoved: break
        case .started, .listenerClosed, .poolServes, .poolHolds, .suspected, .connectionsReset, .listenerFull, .listenerHasRoom,
            .processFull, .processHasRoom, .acceptResumed, .rateReached, .stopping, .stopped:
            break
        }
    }

    /// `2026-11-21T08:33:04.120Z web/web-1 availability available -> draining`
    package var line: String { "\(time) \(subject) \(text)" }
}
