// What becomes of a connection when no backend is to be had, none being available or none that could be connected: it
// is refused, held in its pool's line until one is back, or diverted to another pool, as the pool's when-none says.
//
// A held connection is not read: what its client sends waits in the kernel, and goes to whichever backend it gets. Those
// who are held are released in order; how fast, see `PoolQueue.Pace`.
import Decisions
import Model
import SystemCalls

/// As a route has it.
enum Outage {
    case refuse
    /// Nanoseconds.
    case hold(lengthMax: Int, timeout: Int64)
    case divert(pool: Int)

    init(_ whenNone: PoolRouting.WhenNone) {
        self = switch whenNone {
        case .refuse: .refuse
        case .hold(let lengthMax, let timeout): .hold(lengthMax: lengthMax, timeout: timeout.wholeNanoseconds)
        case .divert(let pool): .divert(pool: pool)
        }
    }

    /// How many may be held; 0: nobody is.
    var lengthMax: Int {
        switch self {
        case .refuse, .divert: 0
        case .hold(let lengthMax, _): lengthMax
        }
    }

    var timeout: Int64 {
        switch self {
        case .refuse, .divert: 0
        case .hold(_, let timeout): timeout
        }
    }

    /// A failed connect is not the end.
    var helps: Bool {
        switch self {
        case .refuse: false
        case .hold, .divert: true
        }
    }
}

extension ConnectionHandle {
    /// More pools than that on its way mean that they send it round, which the configuration rules out.
    private static var divertsMax: UInt8 { 64 }

    /// `reason`: how it ends where the pool refuses.
    func meetOutage(_ first: FirstBytes, otherwise reason: CloseReason) {
        switch worker.route(of: record.pool).header.outage {
        case .refuse: close(reason)
        case .hold:
            // After the rest that a failed backend is given it may be tried again.
            (record.attempts, record.tried) = (0, ConnectionRecord.nothingTried)
            wait(first, isHeld: true)
        case .divert(let pool): divert(first, to: pool)
        }
    }

    /// Whether it will have to wait for an available backend: then it is not read before.
    var willBeHeld: Bool {
        let header = worker.route(of: record.pool).header
        return header.outage.lengthMax > 0 && (header.targetCount == 0 || worker.queue(of: record.pool).holdsAnybody)
    }

    // MARK: Divert

    /// From here on it is a connection of the other pool, with all that it has said.
    private func divert(_ first: FirstBytes, to pool: Int) {
        guard record.diverts < ConnectionHandle.divertsMax, worker.isRouted(pool) else { return close(.noBackend) }
        enter(pool)
        if record.sourceHash == nil, !record.cameByProxy, worker.route(of: pool).header.balance == .sourceHash {
            noteSource(Sockets.peerAddress(of: record.client.descriptor)?.address)
        }
        connectToBackend(first)
    }

    /// Before it is looked at at all: the pools on its way that have nobody.
    func followDiverts() {
        while case let header = worker.route(of: record.pool).header, header.targetCount == 0,
            case .divert(let pool) = header.outage, record.diverts < ConnectionHandle.divertsMax, worker.isRouted(pool) {
            enter(pool)
        }
    }

    private func enter(_ pool: Int) {
        worker.queue(of: record.pool).countDiverted()
        record.diverts += 1
        (record.attempts, record.tried) = (0, ConnectionRecord.nothingTried)
        // Of the other pool's line, in which somebody else may have this very place.
        (record.queuedAt, record.place) = (0, .none)
        worker.leavePool(record.pool)
        worker.state.poolConnections[pool] += 1
        record.pool = pool
        record.splice = worker.route(of: pool).header.splice
        beginLife()
    }

    /// With the PROXY header that the pool wants now in the place of the one that stands before the client's bytes: it is
    /// another pool, or its options have changed since. Nil: nobody knows any more who the client is.
    func announced(_ first: FirstBytes) -> FirstBytes? {
        let version = worker.route(of: record.pool).header.sendProxy
        guard record.announced != version else { return first }
        guard let origin = origin(announcedAs: record.announced, first) else { return nil }
        record.announced = version
        return replaceHeader(of: first, with: ProxyAnnouncement(origin, as: version))
    }

    private func origin(announcedAs version: SendProxy, _ first: FirstBytes) -> ProxyOrigin? {
        switch version {
        case .v1, .v2: return announcedOrigin(first)
        case .none:
            guard !record.cameByProxy else { return nil }
            return origin(of: Sockets.peerAddress(of: record.client.descriptor))
        }
    }
}

extension WorkerHandle {
    func isRouted(_ pool: Int) -> Bool { state.routes.indices.contains(pool) && state.routes[pool] != nil }

    /// Nobody of the pool takes connections any more: what becomes of those in its line.
    func meetOutage(pool: Int, _ route: Route) {
        switch route.header.outage {
        case .hold: queue(of: pool).slowDown()
        case .refuse, .divert: handle(.errand(LineDispersal(pool)))
        }
    }

    /// Some of those in line go their way; false: there are no more, or they may stay after all.
    fileprivate func disperseLine(of pool: Int, countMax: Int) -> Bool {
        guard isRouted(pool), case let header = route(of: pool).header, header.targetCount == 0 else { return false }
        var dispersed: [PoolQueue.Waiter] = []
        switch header.outage {
        case .hold: return false
        case .refuse:
            dispersed = queue(of: pool).remove(of: state.index, countMax: countMax)
            for waiter in dispersed { waiter.connection.close(.noBackend) }
        case .divert:
            dispersed = queue(of: pool).remove(of: state.index, countMax: countMax)
            for waiter in dispersed { waiter.connection.resumeChoice() }
        }
        return dispersed.count == countMax
    }
}

/// One worker's share of a line, in parts as with all errands: thousands of ends at once would hold up everybody else.
private final class LineDispersal: Errand {
    /// About 2 ms.
    private static let partMax = 50

    let progress = ErrandProgress(workers: 1)
    private let pool: Int

    init(_ pool: Int) { self.pool = pool }

    func perform(from position: Int, on worker: WorkerHandle) -> Int? {
        worker.disperseLine(of: pool, countMax: LineDispersal.partMax) ? position : nil
    }
}
