// Locks for a table that all workers share: each guards a part of it, so that two workers seldom meet.
//
// Invariant: the memory lives from `init` to `free`, which comes when no thread uses it any more.
import Synchronization

/// Copying copies the reference. Taken once or twice a connection, and only where a limit wants it.
struct Stripes: @unchecked Sendable {
    /// A cache line each.
    private struct Lock: ~Copyable {
        let mutex = Mutex(())
        let rest = InlineArray<7, UInt64>(repeating: 0)
    }

    private let locks: UnsafeMutablePointer<Lock>
    /// A power of two.
    private static var count: Int { 64 }

    init() {
        locks = .allocate(capacity: Stripes.count)
        for index in 0..<Stripes.count { (locks + index).initialize(to: Lock()) }
    }

    /// `part`: any number that is the same for the same part of the table.
    func withLock<Result: Sendable>(_ part: Int, _ body: () -> Result) -> Result {
        locks[part & (Stripes.count - 1)].mutex.withLock { _ in body() }
    }

    func free() {
        locks.deinitialize(count: Stripes.count)
        locks.deallocate()
    }
}
