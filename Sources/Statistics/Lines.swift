// Lines of 64 bytes, each with one kind of writer: what is counted at every connection.
import Model
import Synchronization

/// Who holds something now, exact over all workers: a ticket is taken once a connection and given back once.
@usableFromInline struct TicketLine: ~Copyable {
    @usableFromInline let held: Atomic<Int>
    /// Somebody wants to know when the last ticket comes back.
    @usableFromInline let watched: Atomic<Bool>
    /// Somebody waits in line for a ticket: newcomers stand behind, and who gives one back hands it on.
    @usableFromInline let awaited: Atomic<Bool>
    /// Some ticket has been taken, ever: what comes of it is counted elsewhere, in memory that nobody touches before.
    @usableFromInline let used: Atomic<Bool>
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

/// A worker's own.
@usableFromInline struct WorkerLine: ~Copyable {
    /// Nanoseconds that the last beat waited for it.
    @usableFromInline let lag: Atomic<Int64>
    /// Live connections for which the table had no memory.
    @usableFromInline let unlisted: Atomic<Int>
    /// Rows of the table that it has begun to use, from the first on.
    @usableFromInline let rows: Atomic<Int>
    /// Monotonic nanoseconds at which it took the last beat; 0: none yet.
    @usableFromInline let taken: Atomic<Int64>
}
