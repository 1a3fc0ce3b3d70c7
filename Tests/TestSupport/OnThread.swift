// Blocking work in tests: on threads of its own, so that Swift's few pool threads stay free, yet in the test's own
// task, so that a failed expectation knows its test.
import Foundation

/// A thread for each job.
private final class ThreadPerJob: TaskExecutor {
    static let shared = ThreadPerJob()

    func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        Thread { [self] in unowned.runSynchronously(on: asUnownedTaskExecutor()) }.start()
    }
}

/// Runs `body`, which may block, on a thread that is not Swift's. A few at once: the others wait for their place.
package func onThread<Success: Sendable>(
    _ body: @Sendable @concurrent () async throws -> Success
) async throws -> Success {
    try await ThreadPlaces.shared.with { try await withTaskExecutorPreference(ThreadPerJob.shared, operation: body) }
}

/// Runs `body`, which may block, once for each of `0 ..< count`, all at the same time; returns when all have ended.
package func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) async throws {
    try await onThread {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<count { group.addTask { try body(index) } }
            try await group.waitForAll()
        }
    }
}

/// Waits for a descriptor to become readable; false after `seconds`, which no well test needs.
package func isReadable(_ descriptor: Int32, within seconds: Int32 = Int32(Patience.seconds)) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, seconds * 1000) == 1
}
