// Deadlines. Faults: work that goes on behind a passed deadline, a deadline that hides the real error, a caller whose
// cancellation does not reach the work.
import EventLoop
import Model
import TestSupport
import Testing

private struct Broken: Error {}

struct LoopClockTests {
    @Test func sleepsUntilItsInstant() async throws {
        try await onLoop {
            let clock = LoopClock()
            let end = clock.now.advanced(by: .milliseconds(10))
            try await clock.sleep(until: end, tolerance: nil)
            #expect(clock.now >= end)
            // One that has passed is over at once.
            try await clock.sleep(until: end, tolerance: nil)
            let cancelled = startThrowing { try await LoopClock().sleep(until: end.advanced(by: .seconds(3600)), tolerance: nil) }
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.value }
        }
    }

    @Test func whatIsDoneInTimeIsReturned() async throws {
        let value = try await onLoop { try await withDeadline(.seconds(20)) { 7 } }
        #expect(value == 7)
    }

    @Test func aPassedDeadlineCancelsTheWorkAndWaitsForItsEnd() async throws {
        try await onLoop {
            let ended = Log()
            do {
                try await withDeadline(.milliseconds(10)) {
                    let paused = await pause(for: .seconds(3600))
                    ended.entries.append(paused ? 1 : 0)
                    throw CancellationError()
                }
                Issue.record("the deadline did not pass")
            } catch let passed as DeadlinePassed {
                #expect(passed.limit == .milliseconds(10) && passed.description == "not done within 10 ms")
            }
            #expect(ended.entries == [0])
        }
    }

    @Test func theWorksOwnErrorIsKept() async throws {
        await #expect(throws: Broken.self) {
            try await onLoop { try await withDeadline(.seconds(20)) { throw Broken() } }
        }
    }

    @Test func cancellingTheCallerCancelsTheWork() async throws {
        let task = try await onLoop {
            startThrowing {
                try await withDeadline(.seconds(3600)) {
                    guard await pause(for: .seconds(3600)) else { throw Broken() }
                }
            }
        }
        task.cancel()
        // Its own error: no deadline has passed.
        await #expect(throws: Broken.self) { try await task.value }
    }
}
