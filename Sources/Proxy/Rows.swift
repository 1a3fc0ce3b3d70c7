// The connection's row in the table of live connections: begun with it, followed as it goes, free when it has ended.
import Model
import Statistics
import SystemCalls

/// Rows for records that are allocated together.
struct ConnectionRows {
    private let worker: WorkerHandle
    private var first: ConnectionRow
    private var taken = 0

    static func grow(_ worker: WorkerHandle) -> ConnectionRows {
        ConnectionRows(worker: worker, first: worker.state.segment.growRows(worker: worker.state.index))
    }

    mutating func next() -> ConnectionRow {
        if taken == SegmentLayout.slabRows { self = ConnectionRows.grow(worker) }
        defer { taken += 1 }
        return first.advanced(by: taken)
    }
}

extension WorkerHandle {
    /// Slabs that are listed at once: a second's work is some 10 microseconds.
    private static let listedMost = 8

    /// Once a second: records whose rows had no room in the table get some, where there is any now; whoever has them is listed.
    func listSlabs() {
        var rest = WorkerHandle.listedMost
        while rest > 0, let slab = state.unlistedSlabs.last, let rows = state.segment.growListedRows(worker: state.index) {
            state.unlistedSlabs.removeLast()
            rest -= 1
            let former = slab[0].record.row
            for index in 0..<slab.count { slab[index].takeRow(rows.advanced(by: index)) }
            state.segment.free(unlistedRows: former)
        }
    }
}

extension ConnectionRow {
    /// Free it becomes by `end`: what is told of a connection that is being closed still needs it.
    @inline(__always) func follow(_ phase: Phase) {
        switch phase {
        case .free, .closed: return
        case .awaitingHeader, .awaitingRequest: set(.header)
        case .queued: set(.queued)
        case .connecting: set(.connecting)
        case .relaying: set(.relaying)
        case .resetting: set(.resetting)
        }
    }
}

extension ConnectionHandle {
    /// Its listener and its pool are known. `peer`: nil for a Unix socket's client.
    func beginRow(_ peer: IPEndpoint?) {
        record.row.begin(serial: worker.state.serial, listener: record.listener, pool: record.pool, client: peer, now: record.begunAt)
        if !record.row.isListed { worker.state.segment.countUnlisted(1, worker: worker.state.index) }
    }

    /// A row of the table in the place of one besides.
    fileprivate func takeRow(_ row: ConnectionRow) {
        if !record.row.isFree { worker.state.segment.countUnlisted(-1, worker: worker.state.index) }
        row.takePlace(of: record.row)
        record.row = row
    }

    func endRow() {
        record.row.end()
        if !record.row.isListed { worker.state.segment.countUnlisted(-1, worker: worker.state.index) }
    }

    /// Which directions of a relaying connection have ended.
    func showEnds() {
        guard case .relaying = record.phase else { return }
        switch (record.toBackend.hasSourceEnded, record.toClient.hasSourceEnded) {
        case (false, false): record.row.set(.relaying)
        case (true, false): record.row.set(.halfClosedByClient)
        case (false, true): record.row.set(.halfClosedByBackend)
        case (true, true): record.row.set(.flushing)
        }
    }

    /// Who the client is, as a PROXY header said or the kernel; nil for one of a Unix socket.
    var clientEndpoint: IPEndpoint? {
        if let client = record.row.client { return client }
        return record.client.descriptor >= 0 ? Sockets.peerAddress(of: record.client.descriptor) : nil
    }
}
