// Where each number lies in the statistics segment: lines of 64 bytes, so that no two writers share a cache line.
import Model
import Synchronization

/// How many of each thing the segment has room for. Pages that nobody touches cost nothing.
@frozen package struct SegmentLayout: Equatable, Sendable {
    package let workers: Int
    package let slots: Int
    package let listeners: Int
    package let pools: Int

    @inlinable static var lineBytes: Int { 64 }

    package init(workers: Int, slots: Int, listeners: Int, pools: Int = 8) {
        precondition(workers > 0 && slots > 0 && listeners > 0 && pools > 0, "a segment has room for something")
        self.workers = workers
        self.slots = slots
        self.listeners = listeners
        self.pools = pools
    }

    // In this order: the process's ticket line, a ticket line a slot, one a listener, then for each worker its backend lines
    // (one a slot) and its listener lines; then for each worker the lifetimes of each pool's connections, and at last what became of each slot's.
    @inlinable var ticketsOffset: Int { SegmentLayout.lineBytes }
    @inlinable var listenerTicketsOffset: Int { ticketsOffset + slots * SegmentLayout.lineBytes }
    @inlinable var workersOffset: Int { listenerTicketsOffset + listeners * SegmentLayout.lineBytes }
    @inlinable var workerBytes: Int { (slots + listeners) * SegmentLayout.lineBytes }
    var lifetimesOffset: Int { workersOffset + workers * workerBytes }
    /// Whole lines.
    static var lifetimeBytes: Int {
        (LifetimeBuckets.count * MemoryLayout<UInt64>.size + lineBytes - 1) / lineBytes * lineBytes
    }
    /// Behind the lifetimes: for each worker two lines a slot, see Outcomes.
    var outcomesOffset: Int { lifetimesOffset + workers * pools * SegmentLayout.lifetimeBytes }
    package var bytes: Int { outcomesOffset + 2 * workers * slots * SegmentLayout.lineBytes }

    @inlinable func ticketOffset(slot: Int) -> Int {
        precondition((0..<slots).contains(slot), "no such slot")
        return ticketsOffset + slot * SegmentLayout.lineBytes
    }

    @inlinable func ticketOffset(listener: Int) -> Int {
        precondition((0..<listeners).contains(listener), "no such listener")
        return listenerTicketsOffset + listener * SegmentLayout.lineBytes
    }

    @inlinable func backendOffset(worker: Int, slot: Int) -> Int {
        precondition((0..<workers).contains(worker) && (0..<slots).contains(slot), "no such worker or slot")
        return workersOffset + worker * workerBytes + slot * SegmentLayout.lineBytes
    }

    @inlinable func listenerOffset(worker: Int, listener: Int) -> Int {
        precondition((0..<workers).contains(worker) && (0..<listeners).contains(listener), "no such worker or listener")
        return workersOffset + worker * workerBytes + (slots + listener) * SegmentLayout.lineBytes
    }
}

extension SegmentLayout {
    @usableFromInline func outcomesOffset(worker: Int, slot: Int) -> Int {
        precondition((0..<workers).contains(worker) && (0..<slots).contains(slot), "no such worker or slot")
        return outcomesOffset + 2 * (worker * slots + slot) * SegmentLayout.lineBytes
    }

    func lifetimesOffset(worker: Int, pool: Int) -> Int {
        precondition((0..<workers).contains(worker) && (0..<pools).contains(pool), "no such worker or pool")
        return lifetimesOffset + (worker * pools + pool) * SegmentLayout.lifetimeBytes
    }
}

/// Who holds something now, exact over all workers: a ticket is taken once a connection and given back once.
@usableFromInline struct TicketLine: ~Copyable {
    @usableFromInline let held: Atomic<Int>
    /// Somebody wants to know when the last ticket comes back.
    @usableFromInline let watched: Atomic<Bool>
    /// Somebody waits in line for a ticket: newcomers stand behind, and who gives one back hands it on.
    @usableFromInline let awaited: Atomic<Bool>
}

/// What one worker did with one backend. Written by that worker alone.
@usableFromInline struct BackendLine: ~Copyable {
    @usableFromInline let connections: Atomic<UInt64>
    @usableFromInline let connectFailures: Atomic<UInt64>
    @usableFromInline let backendResets: Atomic<UInt64>
    @usableFromInline let clientResets: Atomic<UInt64>
    @usableFromInline let bytesToBackend: Atomic<UInt64>
    @usableFromInline let bytesToClient: Atomic<UInt64>
    /// Of connects that were timed: how many, and their microseconds. See `ConnectTimes`.
    @usableFromInline let connectTimes: Atomic<UInt64>
}

/// What one worker did for one listener. Written by that worker alone.
@usableFromInline struct ListenerLine: ~Copyable {
    @usableFromInline let accepted: Atomic<UInt64>
    @usableFromInline let closed: Atomic<UInt64>
    /// Ended because no backend could be reached.
    @usableFromInline let refused: Atomic<UInt64>
}
