// A look at the connections of all workers: each copies what it has for whoever asked.
import Model
import Synchronization
import SystemCalls

/// One connection as it was when its worker came by.
package struct ConnectionSnapshot: Sendable {
    package let id: ConnectionID
    /// To the control plane it is only a name, to be handed back with the id.
    let connection: ConnectionName
    package let listener: Int
    package let pool: Int
    /// Of the backend that it holds.
    package let slot: Int?
    package let phase: ConnectionPhase
    /// Since its accept.
    package let age: Duration
    /// Since the last byte either way.
    package let idle: Duration
    package let bytesToBackend: UInt64
    package let bytesToClient: UInt64
    package let bytesInLastMinute: UInt64
    /// Bytes that were read and wait for their reader.
    package let unwritten: Int
}

/// The record behind a connection, as long as it still has that connection's serial. Read by its worker alone.
struct ConnectionName: @unchecked Sendable {
    // Invariant: records are never freed, and only their worker follows this one.
    private let handle: ConnectionHandle
    private let serial: UInt64

    init(_ handle: ConnectionHandle) {
        self.handle = handle
        serial = handle.record.row.serial
    }

    /// Nil: it has ended.
    var live: ConnectionHandle? { handle.record.row.serial == serial && handle.isLive ? handle : nil }
}

package final class ConnectionSurvey: Errand {
    /// Records that a worker looks at in one round: some 100 microseconds.
    private static let partMax = 2000

    let progress: ErrandProgress
    private let pool: Int?
    private let slot: Int?
    /// Wanted ones by id; nil: all.
    private let ids: Set<ConnectionID>?
    private let found = Mutex<[ConnectionSnapshot]>([])

    init(workers: Int, pool: Int?, slot: Int?, ids: Set<ConnectionID>?) {
        progress = ErrandProgress(workers: workers)
        (self.pool, self.slot, self.ids) = (pool, slot, ids)
    }

    /// Nil: not all workers have answered yet.
    package var connections: [ConnectionSnapshot]? { progress.isDone ? found.withLock { $0 } : nil }

    func perform(from position: Int, on worker: WorkerHandle) -> Int? {
        let slabs = worker.state.slabs
        var part: [ConnectionSnapshot] = []
        var slab = position
        var looked = 0
        while slab < slabs.count, looked < ConnectionSurvey.partMax {
            for index in 0..<slabs[slab].count where isWanted(slabs[slab][index], worker) { part.append(slabs[slab][index].snapshot) }
            looked += slabs[slab].count
            slab += 1
        }
        if !part.isEmpty { found.withLock { $0 += part } }
        return slab < slabs.count ? slab : nil
    }

    private func isWanted(_ connection: ConnectionHandle, _ worker: WorkerHandle) -> Bool {
        guard connection.isLive, connection.record.listener != worker.state.ownListener else { return false }
        if let pool, connection.record.pool != pool { return false }
        if let slot, connection.record.slot != slot { return false }
        if let ids { return ids.contains(ConnectionID(worker: worker.state.index, serial: connection.record.row.serial)) }
        return true
    }
}

/// Whom chosen connections serve: a system call each, so only for those that are shown.
package final class PeerInquiry: Errand {
    private static let partMax = 200

    let progress: ErrandProgress
    private let connections: [[ConnectionSnapshot]]
    private let found = Mutex<[ConnectionID: IPEndpoint]>([:])

    init(_ connections: [ConnectionSnapshot], workers: Int) {
        progress = ErrandProgress(workers: workers)
        self.connections = connections.grouped(byWorkers: workers)
    }

    /// Nil: not all workers have answered yet. Who has ended meanwhile, or came by a Unix socket, is not among them.
    package var peers: [ConnectionID: IPEndpoint]? { progress.isDone ? found.withLock { $0 } : nil }

    func perform(from position: Int, on worker: WorkerHandle) -> Int? {
        let mine = connections[worker.state.index]
        let end = min(position + PeerInquiry.partMax, mine.count)
        for connection in mine[position..<end] {
            guard let live = connection.connection.live, let peer = Sockets.peerAddress(of: live.record.client.descriptor) else { continue }
            found.withLock { $0[connection.id] = peer }
        }
        return end < mine.count ? end : nil
    }
}

extension [ConnectionSnapshot] {
    func grouped(byWorkers workers: Int) -> [[ConnectionSnapshot]] {
        var groups = [[ConnectionSnapshot]](repeating: [], count: workers)
        for connection in self { groups[connection.id.worker].append(connection) }
        return groups
    }
}

extension ConnectionHandle {
    var isLive: Bool {
        switch record.phase {
        case .free, .closed: false
        case .awaitingHeader, .awaitingRequest, .queued, .connecting, .relaying, .resetting: true
        }
    }

    fileprivate var snapshot: ConnectionSnapshot {
        let now = worker.now()
        return ConnectionSnapshot(
            id: ConnectionID(worker: worker.state.index, serial: record.row.serial), connection: ConnectionName(self),
            listener: record.listener, pool: record.pool, slot: record.slot >= 0 ? record.slot : nil, phase: shownPhase,
            // A wait is dated to the end of the tick in which it began.
            age: .nanoseconds(max(0, now - record.begunAt)), idle: .nanoseconds(max(0, now - max(record.lastActivity, record.begunAt))),
            bytesToBackend: record.row.bytesToBackend, bytesToClient: record.row.bytesToClient,
            bytesInLastMinute: record.traffic.inLastMinute(now: now, total: record.row.bytesToBackend &+ record.row.bytesToClient),
            unwritten: record.toBackend.unwritten + record.toClient.unwritten)
    }

    private var shownPhase: ConnectionPhase {
        switch record.phase {
        case .awaitingHeader, .awaitingRequest: .header
        case .queued: .queued
        case .connecting: .connecting
        case .resetting: .resetting
        case .relaying:
            switch (record.toBackend.hasSourceEnded, record.toClient.hasSourceEnded) {
            case (false, false): .relaying
            case (true, false): .halfClosedByClient
            case (false, true): .halfClosedByBackend
            case (true, true): .flushing
            }
        case .free, .closed: preconditionFailure("only live connections are shown")
        }
    }
}

extension Flow {
    var hasSourceEnded: Bool { isEnded || sourceEnd != .open }
    fileprivate var unwritten: Int { leftover.count + (pipe?.count ?? 0) }
}
