// The loop as an executor. Faults: work from another thread that is forgotten or runs beside the loop, isolation that
// a check inside a C callback does not know.
import EventLoop
import Glibc
import TestSupport
import Testing

/// The calling thread: comparable only.
private func thread() -> UInt { UInt(pthread_self()) }

struct LoopTests {
    @Test func everythingRunsOnOneThread() async throws {
        let first = try await onLoop { thread() }
        let others = try await onLoop {
            var seen = [thread()]
            await pause(for: .milliseconds(1))
            seen.append(thread())
            seen.append(await nonisolatedHelper())
            let child = start { thread() }
            seen.append(await child.value)
            return seen
        }
        #expect(others.allSatisfy { $0 == first })
        #expect(thread() != first)
    }

    @Test func workFromManyThreadsIsAllDone() async throws {
        _ = try await onLoop { 0 }
        let done = Counter(), running = Counter()
        try await onThread {
            try await onThreads(4) { _ in
                for _ in 0..<2500 {
                    Loop.shared.perform {
                        // One at a time: nobody else is in here.
                        if running.add(1) != 1 { Issue.record("two at once") }
                        running.add(-1)
                        done.add(1)
                    }
                }
            }
        }
        // What was posted before is done before.
        _ = try await onLoop { 0 }
        #expect(done.value == 10_000)
    }

    @Test func performOnTheLoopIsAtOnce() async throws {
        try await onLoop {
            let log = Log()
            Loop.shared.perform { log.entries.append(1) }
            #expect(log.entries == [1])
        }
    }

    @Test func isolationIsKnown() async throws {
        #expect(Loop.shared.isIsolatingCurrentContext() == false)
        let inside = try await onLoop { Loop.shared.isIsolatingCurrentContext() }
        #expect(inside == true)
    }
}

/// Without `NonisolatedNonsendingByDefault` and the task executor this would start the global pool.
private func nonisolatedHelper() async -> UInt { thread() }
