// How listeners, pools and backends leave a running worker, so that their numbers can be given to others.
//
// A listener's number is free when (1) every worker has closed its socket, (2) the listener's tickets are back: each
// connection holds one, also while it is handed from worker to worker, and (3) every worker has acknowledged
// `forgetListener`, which comes behind any message that still named it.
//
// A pool's number is named by listeners, by other pools that divert to it, by connections in any phase (before they hold a
// backend's ticket too), and by tickets on their way to somebody who waits in its line. It is free when (1) every worker has
// acknowledged that no listener and no other pool's routing names it and that its own is empty, (2) no backend of it holds a ticket, (3) each worker has said through
// `PoolRelease` that none of its connections names it, which it counts by itself, and (4) every worker has acknowledged
// `forgetPool`. A connection that lies in a mailbox (`adopt`) names its listener alone, and gets the pool that it has by then.
//
// A backend's slot is free when (1) every worker follows a routing without it, (2) its tickets are back, and (3) every
// worker has acknowledged a fence after that: then no news of it is to come. A connection may remember the slot as one
// that it has tried in vain; it then passes over whoever has it next, once.
import Glibc
import Synchronization

/// Told by each worker once: no connection of it names the pool.
final class PoolRelease: Sendable {
    private let workersLeft: Atomic<Int>

    init(workers: Int) { workersLeft = Atomic(workers) }

    func release() { workersLeft.subtract(1, ordering: .releasing) }

    var isComplete: Bool { workersLeft.load(ordering: .acquiring) == 0 }
}

/// Connections that are ended together.
package enum ConnectionGroup: Sendable {
    case slots(Set<Int>)
    case listener(Int)
    /// What a backend has taken. A connect to it that is under way fails by itself, and another backend is tried.
    case taken(slot: Int)
}

extension WorkerHandle {
    /// The connection has ended.
    func leavePool(_ pool: Int) {
        state.poolConnections[pool] -= 1
        guard state.poolConnections[pool] == 0, !state.releases.isEmpty else { return }
        releasePool(pool)
    }

    func retirePool(_ pool: Int, _ release: PoolRelease) {
        state.releases[pool] = release
        if state.poolConnections[pool] == 0 { releasePool(pool) }
    }

    private func releasePool(_ pool: Int) {
        guard let release = state.releases.removeValue(forKey: pool) else { return }
        release.release()
        report(.acknowledged)
    }

    func forgetPool(_ pool: Int) {
        precondition(state.poolConnections[pool] == 0, "a pool is forgotten when no connection names it")
        if let (refused, timedOut) = state.queues[pool]?.settle(now: now(), atOnce: true) {
            report(.poolFull(pool: pool, refused: refused, timedOut: timedOut))
        }
        if let (reset, timedOut) = state.queues[pool]?.settleHold(now: now(), atOnce: true) {
            report(.holdLost(pool: pool, reset: reset, timedOut: timedOut))
        }
        (state.routes[pool], state.queues[pool]) = (nil, nil)
        state.balancing[pool] = Balancing(cursor: UInt32(state.index))
        state.poolsResting.remove(pool)
        state.releases[pool] = nil
    }

    func closeListener(_ listener: Int) {
        // Out of the list first: the last accepts may run out and pause whatever still stands in it.
        let closing = state.listeners.filter { $0.listener == listener }
        state.listeners.removeAll { $0.listener == listener }
        state.acceptQueue.leave(worker: state.index, listener: listener)
        // As those that the close finds: the next message may be that their pool goes too.
        beginAccepted(at: listener)
        for handle in closing { handle.close() }
    }

    func forgetListener(_ listener: Int) {
        if let (refused, besides) = state.refusals[listener].settle(now: now(), atOnce: true) {
            report(.headerRefused(listener: listener, peer: refused.peer, refused.why, besides: besides))
        }
        state.refusals[listener] = ReportPacing()
        state.gates[listener] = nil
    }
}

/// In parts, as with all errands: thousands of ends at once would hold up everybody else of the worker.
final class GroupReset: Errand {
    private static let looksMax = 2000
    /// But for those of the same slab.
    private static let endsMax = 100

    let progress: ErrandProgress
    private let group: ConnectionGroup
    /// By worker: those that begin later are not meant. The number may be somebody else's by then, or its backend be back.
    private let lastSerials = Mutex<[Int: UInt64]>([:])

    init(_ group: ConnectionGroup, workers: Int) {
        progress = ErrandProgress(workers: workers)
        self.group = group
    }

    func perform(from position: Int, on worker: WorkerHandle) -> Int? {
        let slabs = worker.state.slabs
        let last = lastSerials.withLock { $0[worker.state.index] } ?? 0
        var (slab, looked, ended) = (position, 0, 0)
        while slab < slabs.count, looked < GroupReset.looksMax, ended < GroupReset.endsMax {
            for index in 0..<slabs[slab].count where isMeant(slabs[slab][index], upTo: last) {
                slabs[slab][index].close(.removed)
                ended += 1
            }
            looked += slabs[slab].count
            slab += 1
        }
        return slab < slabs.count ? slab : nil
    }

    func arrived(at worker: WorkerHandle) {
        // Nobody else has a backend before it has begun.
        if case .listener(let listener) = group { worker.beginAccepted(at: listener) }
        lastSerials.withLock { $0[worker.state.index] = worker.state.serial }
    }

    private func isMeant(_ connection: ConnectionHandle, upTo last: UInt64) -> Bool {
        guard connection.isLive, connection.record.row.serial <= last else { return false }
        return switch group {
        case .slots(let slots): slots.contains(connection.record.slot)
        case .listener(let listener): connection.record.listener == listener
        case .taken(let slot): connection.record.slot == slot && connection.isTaken
        }
    }
}

extension ConnectionHandle {
    fileprivate var isTaken: Bool {
        switch record.phase {
        case .relaying, .resetting: true
        case .free, .awaitingHeader, .awaitingRequest, .queued, .connecting, .closed: false
        }
    }
}
