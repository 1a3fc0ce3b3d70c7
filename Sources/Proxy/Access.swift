// What the log is told of each connection that has ended: a small record in a queue of its worker, taken by the control
// plane, which knows the names. Nothing but one look at a flag where nobody asked for it.
//
// Invariants: one worker writes a queue and the control plane alone reads it. A place of the ring is its reader's from
// the store of `written` on until the store of `read` behind it, else its writer's. The memory is owned by the queue;
// what was never written is never touched, and so costs nothing.
//
// Numbers in a record are those of its time. A number is given to somebody else only when every worker has acknowledged
// that nothing of the old holder is to come (see Retire), and before it is given the control plane takes all records
// that were written until then and looks their names up.
import Model
import Synchronization
import SystemCalls

package struct AccessRecord: Sendable {
    /// Nil: it was turned away before it became a connection.
    package let serial: UInt64?
    package let client: IPEndpoint?
    package let ending: Ending
    package let listener: Int32
    /// -1: none.
    package let pool: Int32
    package let slot: Int32
    /// Milliseconds from the accept, to the backend's accept and to its first byte.
    private let connectedAfter: UInt32
    private let answeredAfter: UInt32
    /// Nanoseconds.
    package let duration: Int64
    package let bytesToBackend: UInt64
    package let bytesToClient: UInt64

    /// Nil: it never came to that.
    package var connected: UInt32? { connectedAfter == ConnectionRecord.never ? nil : connectedAfter }
    package var firstByte: UInt32? { answeredAfter == ConnectionRecord.never ? nil : answeredAfter }

    fileprivate init(_ connection: ConnectionRecord, client: IPEndpoint?, _ ending: Ending, now: Int64) {
        (serial, self.client, self.ending) = (connection.row.serial, client, ending)
        (listener, pool, slot) = (Int32(connection.listener), Int32(connection.pool), Int32(connection.slot))
        (connectedAfter, answeredAfter, duration) = (connection.connectedAfter, connection.answeredAfter, max(0, now - connection.begunAt))
        (bytesToBackend, bytesToClient) = (connection.row.bytesToBackend, connection.row.bytesToClient)
    }

    init(turnedAway client: IPEndpoint?, _ ending: Ending, listener: Int) {
        (serial, self.client, self.ending) = (nil, client, ending)
        (self.listener, pool, slot) = (Int32(listener), -1, -1)
        (connectedAfter, answeredAfter, duration) = (ConnectionRecord.never, ConnectionRecord.never, 0)
        (bytesToBackend, bytesToClient) = (0, 0)
    }
}

/// One worker's.
final class AccessQueue: @unchecked Sendable {
    static let capacity = 4096

    private let ring = UnsafeMutablePointer<AccessRecord>.allocate(capacity: AccessQueue.capacity)
    private let written = Atomic<Int>(0)
    private let read = Atomic<Int>(0)
    /// Records for which there was no room; counted by the writer.
    private let lost = Atomic<Int>(0)
    private let news: AccessNews

    init(_ news: AccessNews) { self.news = news }

    deinit { ring.deallocate() }

    @inline(__always) var isOn: Bool { news.isOn.load(ordering: .relaxed) }

    // MARK: The worker's

    func put(_ record: AccessRecord) {
        let end = written.load(ordering: .relaxed)
        guard end - read.load(ordering: .acquiring) < AccessQueue.capacity else { return lost.store(lost.load(ordering: .relaxed) + 1, ordering: .relaxed) }
        (ring + end % AccessQueue.capacity).initialize(to: record)
        written.store(end + 1, ordering: .sequentiallyConsistent)
        // It was empty: the reader may have gone to sleep. Else it still has something before this, and finds it.
        if read.load(ordering: .sequentiallyConsistent) == end { news.wakeup.signal() }
    }

    // MARK: The control plane's

    func take(_ countMax: Int, _ body: (AccessRecord) -> Void) -> Int {
        let start = read.load(ordering: .relaxed)
        let end = min(written.load(ordering: .sequentiallyConsistent), start + countMax)
        guard start < end else { return 0 }
        for position in start..<end { body(ring[position % AccessQueue.capacity]) }
        read.store(end, ordering: .sequentiallyConsistent)
        return end - start
    }

    var lostTotal: Int { lost.load(ordering: .relaxed) }
}

/// What all queues share.
final class AccessNews: Sendable {
    let isOn = Atomic<Bool>(false)
    let wakeup: Wakeup

    init() throws(SystemError) { wakeup = try Wakeup() }
}

/// The queues seen from the control plane, and confined to it.
package final class AccessQueues {
    private let news: AccessNews
    let queues: [AccessQueue]
    private var lostTold = 0
    /// With which queue the next part begins, so that none waits for another that is always full.
    private var first = 0

    init(workers: Int) throws(SystemError) {
        let news = try AccessNews()
        self.news = news
        queues = (0..<workers).map { _ in AccessQueue(news) }
    }

    package func turn(on isOn: Bool) { news.isOn.store(isOn, ordering: .relaxed) }

    /// Readable when there is something to take.
    package var descriptor: Int32 { news.wakeup.number }

    /// Before looking for what it announced.
    package func clearNews() { news.wakeup.clear() }

    /// The oldest of each worker, so many in all at most; how many there were.
    package func take(_ countMax: Int = .max, _ body: (_ worker: Int, AccessRecord) -> Void) -> Int {
        var taken = 0
        first = (first + 1) % queues.count
        for offset in queues.indices where taken < countMax {
            let worker = (first + offset) % queues.count
            // As many as there can be; more could come for ever.
            taken += queues[worker].take(min(countMax - taken, AccessQueue.capacity)) { body(worker, $0) }
        }
        return taken
    }

    /// Since the last time somebody asked.
    package func takeLost() -> Int {
        let total = queues.reduce(0) { $0 + $1.lostTotal }
        defer { lostTold = total }
        return total - lostTold
    }
}

extension ConnectionHandle {
    /// It ends, and is no connection of lbd's own listener. Its sockets are open still, and its tickets not given back.
    @inline(__always) func noteAccess(_ reason: CloseReason) {
        if worker.state.access.isOn, record.listener != worker.state.ownListener { recordAccess(reason) }
    }

    private func recordAccess(_ reason: CloseReason) {
        worker.state.access.put(AccessRecord(record, client: clientEndpoint, reason.ending, now: worker.accessNow))
    }

    var millisecondsSinceAccept: UInt32 { UInt32(clamping: (worker.accessNow - record.begunAt) / 1_000_000) }
}

extension WorkerHandle {
    /// Where lines are written, by the exact clock. The worker's own, which is read once a round, goes by ticks of up to
    /// 10 ms: more than many a connection lasts.
    var accessNow: Int64 { state.access.isOn ? Clocks.monotonic().nanoseconds : now() }

    /// A client was cut off before it became a connection. `peer`: where it was asked for.
    func noteTurnedAway(_ client: Int32, from peer: IPEndpoint?, listener: Int, _ reason: CloseReason) {
        guard state.access.isOn else { return }
        state.access.put(AccessRecord(turnedAway: peer ?? Sockets.peerAddress(of: client), reason.ending, listener: listener))
    }
}
