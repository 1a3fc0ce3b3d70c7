// The border between control plane and workers: messages one way, acknowledgements and rare news the other.
import Decisions
import Model
import Synchronization
import SystemCalls

/// From the control plane (and, for a Unix listener, from its accepting worker) to one worker. In order.
enum WorkerMessage: Sendable {
    case route(pool: Int, Route, PoolQueue)
    /// A backend's ticket is the waiting connection's, which is this worker's.
    case serve(PoolQueue.Waiter, place: WaitingPlace, slot: Int, pool: Int)
    /// A listener's rules and the pool of its clients to come, for every worker: a Unix listener's connections come by
    /// `adopt` to those without its socket.
    case rules(listener: Int, ListenerOrders, generation: UInt64)
    /// The worker owns the descriptor from here on.
    case listen(descriptor: Int32, listener: Int, handsOn: Bool)
    /// A ticket that a listener of this worker has waited for is its own now.
    case admit(listener: Int, holding: ConnectionLimit)
    /// Somebody waits for a place of lbd's own listener.
    case makeRoom
    /// A connection that another worker accepted; its tickets are taken.
    case adopt(client: Int32, listener: Int)
    case closeListeners(generation: UInt64)
    case closeConnections
    case errand(any Errand)
    /// Accepted to the end, then closed; its connections go on.
    case closeListener(Int, generation: UInt64)
    /// Nothing names the listener any more.
    case forgetListener(Int, generation: UInt64)
    /// No more connections will name the pool: the worker tells through `PoolRelease` when the last of its own has ended.
    case retirePool(Int, PoolRelease)
    /// Nothing names the pool any more.
    case forgetPool(Int, generation: UInt64)
    /// Most connections of the process.
    case connectionsMax(Int)
    /// Sent at this time (monotonic nanoseconds): how long it waited is the worker's lag.
    case beat(Int64)
    /// Changes nothing: all that the worker was told before has been done when it is acknowledged.
    case fence(generation: UInt64)
    case end

    /// The generation that is acknowledged by having read the message; nil for those that carry none.
    var generation: UInt64? {
        switch self {
        case .route(_, let route, _): route.header.generation
        case .rules(_, _, let generation), .closeListeners(let generation), .closeListener(_, let generation), .forgetListener(_, let generation),
            .forgetPool(_, let generation), .fence(let generation):
            generation
        case .listen, .admit, .makeRoom, .adopt, .serve, .retirePool, .connectionsMax, .closeConnections, .errand, .beat, .end: nil
        }
    }
}

/// One worker's inbox. Locked only to post and to take a batch, never per byte or per readiness event.
final class Mailbox: Sendable {
    private let messages = Mutex<[WorkerMessage]>([])
    /// Written under the lock of the messages.
    private let mail = Atomic<Bool>(false)
    private let wakeup: Wakeup
    /// Highest generation whose routing the worker follows.
    private let acknowledged = Atomic<UInt64>(0)

    init() throws(SystemError) { wakeup = try Wakeup() }

    /// Readable when there is something to take.
    var descriptor: Int32 { wakeup.number }

    /// What the worker accepts from here on is begun after it has read the message: so a routing holds for every client
    /// that comes after it was posted, however busy the worker is.
    func post(_ message: WorkerMessage) {
        messages.withLock {
            $0.append(message)
            mail.store(true, ordering: .sequentiallyConsistent)
        }
        wakeup.signal()
    }

    func take() -> [WorkerMessage] {
        wakeup.clear()
        return messages.withLock { waiting in
            defer { waiting = [] }
            mail.store(false, ordering: .sequentiallyConsistent)
            return waiting
        }
    }

    var hasMail: Bool { mail.load(ordering: .sequentiallyConsistent) }

    /// Releasing: whoever reads the generation also sees every ticket that was taken under an earlier one.
    func acknowledge(_ generation: UInt64) { acknowledged.store(generation, ordering: .releasing) }

    var acknowledgedGeneration: UInt64 { acknowledged.load(ordering: .acquiring) }
}

/// News from a worker.
package enum WorkerReport: Sendable {
    /// A worker follows a new generation.
    case acknowledged
    /// The last connection of a watched backend has ended, over all workers.
    case lastConnectionGone(slot: Int)
    /// The last connection of the process has ended (watched while stopping).
    case allConnectionsGone
    /// The last connection of a watched listener has ended, over all workers.
    case lastClientGone(listener: Int)
    /// The kernel has nothing left for a connection.
    case acceptPaused(worker: Int, errorNumber: Int32)
    case acceptResumed(worker: Int)
    /// All connections of the process are in use, as this worker has found.
    case processFull(worker: Int)
    /// It has not found so for a second.
    case processHasRoom(worker: Int)
    /// All connections of a listener are in use, as this worker has found.
    case listenerFull(listener: Int, worker: Int)
    /// It has not found so for a second.
    case listenerHasRoom(listener: Int, worker: Int)
    /// Clients were reset because every available backend of a pool was full, `timedOut` of them after waiting in
    /// line; since the last such report.
    case poolFull(pool: Int, refused: Int, timedOut: Int)
    /// Clients of a pool that holds were reset, since it held as many as it may or, `timedOut` of them, after they had
    /// been held; since the last such report.
    case holdLost(pool: Int, reset: Int, timedOut: Int)
    /// So many connects to a backend have failed since the last such report, at last with this error; `retried` of
    /// them were followed by another attempt.
    case connectsFailing(slot: Int, count: Int, errorNumber: Int32, retried: Int)
    /// So many connections were reset by a backend that had not said a byte yet; since the last such report.
    case earlyResets(slot: Int, count: Int)
    /// Clients were reset because no backend could be connected; since the last such report.
    case poolUnreachable(pool: Int, reset: Int)
    /// A client was cut off for want of a good PROXY header; `besides`: as many since the last such report.
    case headerRefused(listener: Int, peer: IPEndpoint?, HeaderRefusal, besides: Int)
    /// A client was turned away by the limits of its source; `besides` as above, over all workers.
    case sourceRefused(listener: Int, source: IPAddress, SourceRefusal, besides: Int)
    /// The listener's rate begins to hold clients up, at whichever worker.
    case rateReached(listener: Int, perSecond: Int)
    /// All workers are done with an errand.
    case errandDone
}

/// All workers' news, bounded. When it overflows the control plane is told to look at everything itself.
final class ReportQueue: Sendable {
    private struct Waiting {
        var reports: [WorkerReport] = []
        var overflowed = false
    }

    private static let countMax = 4096
    private let waiting = Mutex(Waiting())
    private let wakeup: Wakeup

    init() throws(SystemError) { wakeup = try Wakeup() }

    var descriptor: Int32 { wakeup.number }

    func post(_ report: WorkerReport) {
        waiting.withLock { waiting in
            if waiting.reports.count < ReportQueue.countMax {
                waiting.reports.append(report)
            } else {
                waiting.overflowed = true
            }
        }
        wakeup.signal()
    }

    func take() -> (reports: [WorkerReport], overflowed: Bool) {
        wakeup.clear()
        return waiting.withLock { waiting in
            defer { waiting = Waiting() }
            return (waiting.reports, waiting.overflowed)
        }
    }
}
