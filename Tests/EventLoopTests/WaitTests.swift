// One wait for a descriptor or a time. Faults: a timer that ends early, a wait that its cancellation does not end, one
// that is resumed twice, a timeout of microseconds that is rounded to none.
import EventLoop
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

struct WaitTests {
    @Test func pausesNeverEndEarly() async throws {
        try await onLoop {
            let clock = LoopClock()
            for limit in [Duration.zero, .nanoseconds(1), .microseconds(300), .milliseconds(7), .milliseconds(30)] {
                let start = clock.now
                #expect(await pause(for: limit))
                let taken = start.duration(to: clock.now)
                #expect(taken >= limit && taken < limit + .seconds(60), "\(limit) took \(taken)")
            }
        }
    }

    @Test func manyPausesEndInTheOrderInWhichTheyAreOver() async throws {
        let ends = try await onLoop {
            let ended = Ends()
            let tasks = [5, 1, 4, 2, 3].map { step in
                start {
                    // Other tests may have the loop between the beginnings of two of them.
                    let end = LoopClock().now.advanced(by: .milliseconds(100 * step))
                    await pause(for: .milliseconds(100 * step))
                    ended.entries.append(end)
                }
            }
            for task in tasks { await task.value }
            return ended.entries
        }
        #expect(ends.count == 5)
        // The loop's clock is coarse.
        for (before, after) in zip(ends, ends.dropFirst()) { #expect(before.duration(to: after) > .milliseconds(-10)) }
    }

    @Test func cancellingEndsAPauseAtOnce() async throws {
        try await onLoop {
            let before = start { await pause(for: .seconds(3600)) }
            before.cancel()
            #expect(await before.value == false)
            let during = start { await pause(for: .seconds(3600)) }
            await pause(for: .milliseconds(5))
            during.cancel()
            #expect(await during.value == false)
        }
    }

    /// From another thread, at any moment of the wait: it ends once, and its memory outlives the race.
    @Test func cancellingFromAnotherThreadAtAnyMoment() async throws {
        for _ in 0..<500 {
            let task = try await onLoop { start { await pause(for: .microseconds(50)) } }
            task.cancel()
            _ = await task.value
        }
    }

    @Test func aDescriptorIsWaitedFor() async throws {
        let (peer, number) = try BlockingSocket.pair()
        let ours = Descriptor(owning: number)
        try await onLoop {
            #expect(await wait(for: .writable, on: number) == .ready)
            #expect(await wait(for: .readable, on: number, timeout: .milliseconds(5)) == .timedOut)
            let reader = start { await wait(for: .readable, on: number) }
            await pause(for: .milliseconds(2))
            try peer.send("x")
            #expect(await reader.value == .ready)
            // Level-triggered: what was not read is announced again.
            #expect(await wait(for: .readable, on: number, timeout: Patience.limit) == .ready)
            let cancelled = start { await pause(for: .seconds(1000)) ? WaitOutcome.timedOut : .cancelled }
            cancelled.cancel()
            #expect(await cancelled.value == .cancelled)
        }
        #expect(ours.number == number)
    }
}

/// When pauses should be over, in the order in which they were.
@ControlPlane private final class Ends {
    var entries: [MonotonicTime] = []
}

/// What happened, in order; on the loop only.
@ControlPlane final class Log {
    var entries: [Int] = []
}
