// How the numbers are read: summed over the workers, without stopping them.
import Synchronization

package struct BackendTotals: Equatable, Sendable {
    package var connections: UInt64 = 0
    package var connectFailures: UInt64 = 0
    package var backendResets: UInt64 = 0
    package var clientResets: UInt64 = 0
    package var bytesToBackend: UInt64 = 0
    package var bytesToClient: UInt64 = 0
    package var connectTimes = ConnectTimes(word: 0)

    /// What came since.
    package static func - (now: BackendTotals, before: BackendTotals?) -> BackendTotals {
        guard let before else { return now }
        return BackendTotals(
            connections: now.connections &- before.connections, connectFailures: now.connectFailures &- before.connectFailures,
            backendResets: now.backendResets &- before.backendResets, clientResets: now.clientResets &- before.clientResets,
            bytesToBackend: now.bytesToBackend &- before.bytesToBackend, bytesToClient: now.bytesToClient &- before.bytesToClient,
            connectTimes: now.connectTimes.since(before.connectTimes))
    }
}

package struct ListenerTotals: Equatable, Sendable {
    package var accepted: UInt64 = 0
    package var closed: UInt64 = 0
    package var refused: UInt64 = 0
    /// Connections open now. `closed` is read first, so the difference is never negative.
    package var open: Int { accepted > closed ? Int(accepted - closed) : 0 }

    /// What came since.
    package static func - (now: ListenerTotals, before: ListenerTotals) -> ListenerTotals {
        ListenerTotals(
            accepted: now.accepted &- before.accepted, closed: now.closed &- before.closed, refused: now.refused &- before.refused)
    }
}

extension SegmentView {
    package func totals(slot: Int) -> BackendTotals {
        var totals = BackendTotals()
        // Of thousands most may be idle, and their lines have no memory.
        guard tickets(slot: slot).isUsed else { return totals }
        for worker in 0..<layout.workers {
            let line = backend(worker: worker, slot: slot).line
            totals.connections &+= line.pointee.connections.load(ordering: .relaxed)
            totals.connectFailures &+= line.pointee.connectFailures.load(ordering: .relaxed)
            totals.backendResets &+= line.pointee.backendResets.load(ordering: .relaxed)
            totals.clientResets &+= line.pointee.clientResets.load(ordering: .relaxed)
            totals.bytesToBackend &+= line.pointee.bytesToBackend.load(ordering: .relaxed)
            totals.bytesToClient &+= line.pointee.bytesToClient.load(ordering: .relaxed)
            totals.connectTimes.add(ConnectTimes(word: line.pointee.connectTimes.load(ordering: .relaxed)))
        }
        return totals
    }

    /// Connections of a listener that are open on one worker.
    package func open(worker: Int, listener: Int) -> Int {
        let line = self.listener(worker: worker, listener: listener).line
        var totals = ListenerTotals()
        totals.closed = line.pointee.closed.load(ordering: .acquiring)
        totals.accepted = line.pointee.accepted.load(ordering: .relaxed)
        return totals.open
    }

    package func totals(listener: Int) -> ListenerTotals {
        var totals = ListenerTotals()
        for worker in 0..<layout.workers {
            let line = self.listener(worker: worker, listener: listener).line
            totals.closed &+= line.pointee.closed.load(ordering: .acquiring)
            totals.accepted &+= line.pointee.accepted.load(ordering: .relaxed)
            totals.refused &+= line.pointee.refused.load(ordering: .relaxed)
        }
        return totals
    }
}
