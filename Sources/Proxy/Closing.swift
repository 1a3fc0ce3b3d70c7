// Connections that the control plane ends: chosen ones, at once or at a quiet moment.
import Model
import Synchronization
import SystemCalls

package enum ClosingManner: Equatable, Sendable {
    /// Told as a clean end, unless bytes would be lost.
    case end
    case reset
    /// A clean end, and only of those that have been quiet for so long: no byte is on its way anywhere. Others go on.
    case endWhenQuiet(for: Duration)
}

package final class ClosingOrder: Errand {
    /// Connections that a worker ends in one round: some milliseconds, most of it the kernel's.
    private static let partMax = 100

    let progress: ErrandProgress
    private let connections: [[ConnectionSnapshot]]
    private let manner: ClosingManner
    private let ended = Mutex<Set<ConnectionID>>([])

    init(_ connections: [ConnectionSnapshot], _ manner: ClosingManner, workers: Int) {
        progress = ErrandProgress(workers: workers)
        self.connections = connections.grouped(byWorkers: workers)
        self.manner = manner
    }

    /// Those that it has ended; nil: not all workers have answered yet.
    package var closed: Set<ConnectionID>? { progress.isDone ? ended.withLock { $0 } : nil }

    func perform(from position: Int, on worker: WorkerHandle) -> Int? {
        let mine = connections[worker.state.index]
        let end = min(position + ClosingOrder.partMax, mine.count)
        for connection in mine[position..<end] {
            guard let live = connection.connection.live, close(live) else { continue }
            _ = ended.withLock { $0.insert(connection.id) }
        }
        return end < mine.count ? end : nil
    }

    private func close(_ connection: ConnectionHandle) -> Bool {
        switch manner {
        case .end: connection.close(.ordered)
        case .reset: connection.close(.orderedReset)
        case .endWhenQuiet(let time):
            guard connection.isQuiet(for: time.wholeNanoseconds) else { return false }
            connection.close(.ordered)
        }
        return true
    }
}

extension ConnectionHandle {
    /// Nothing has moved for so many nanoseconds, nothing waits in our hands, and nothing in the kernel's: a close
    /// that finds unread bytes in a socket would be told as a reset.
    fileprivate func isQuiet(for time: Int64) -> Bool {
        guard case .relaying = record.phase, worker.now() - record.lastActivity >= time, !record.toBackend.hasPending,
            !record.toClient.hasPending
        else { return false }
        return isQuiet(.client) && isQuiet(.backend)
    }

    private func isQuiet(_ party: Party) -> Bool {
        // What was sent and is not acknowledged yet is the kernel's to repeat: a delayed acknowledgement may take 40 ms.
        Sockets.notSentBytes(record[party].descriptor) == 0 && !Sockets.hasBytes(record[party].descriptor)
    }
}
