// Work on threads of its own: blocking clients and servers beside the test, and the test itself.
import Dispatch
import Foundation
import Synchronization
import Testing

/// A piece of work on its own thread, whose result is asked for later.
final class Background<Value: Sendable>: Sendable {
    private let outcome = Mutex<Result<Value, any Error>?>(nil)

    init(_ work: @escaping @Sendable () throws -> Value) {
        Thread.detachNewThread {
            let result = Result { try work() }
            self.outcome.withLock { $0 = result }
        }
    }

    var isFinished: Bool { outcome.withLock { $0 != nil } }

    /// Waits for the end of the work; rethrows what it threw.
    func result(within limit: Duration = .seconds(60)) throws -> Value {
        try eventually(within: limit, "the end of a background thread") { outcome.withLock { $0 } }.get()
    }
}

/// Runs `work` on `count` threads at once; their results in order.
func concurrently<Value: Sendable>(
    _ count: Int, within limit: Duration = .seconds(60), _ work: @escaping @Sendable (Int) throws -> Value
) throws -> [Value] {
    let running = (0..<count).map { index in Background { try work(index) } }
    return try running.map { try $0.result(within: limit) }
}

/// Tells background threads to stop.
final class StopFlag: Sendable {
    private let raised = Atomic(false)

    var isRaised: Bool { raised.load(ordering: .acquiring) }
    func raise() { raised.store(true, ordering: .releasing) }
}

/// Runs a test on a thread of its own, so that its blocking calls do not hold up the pool that all other
/// tests share.
final class TestThread: TaskExecutor {
    private let queue = DispatchQueue(label: "end-to-end test")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
