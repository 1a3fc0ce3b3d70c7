// The thread that a test runs on.
import Dispatch

/// Runs a test on a thread of its own, so that its blocking calls do not hold up the pool that all other
/// tests share.
final class TestThread: TaskExecutor {
    private let queue = DispatchQueue(label: "end-to-end test")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
