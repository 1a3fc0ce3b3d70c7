// 'Something has changed'. Fault: news between looking and waiting that nobody hears: a drain that waits for ever.
import EventLoop
import Model
import TestSupport
import Testing

struct BroadcastTests {
    @Test func newsBeforeTheWaitIsNotLost() async throws {
        try await onLoop {
            let broadcast = Broadcast()
            let seen = broadcast.version
            broadcast.announce()
            #expect(await broadcast.next(after: seen) == .ready)
            #expect(broadcast.version == seen + 1)
        }
    }

    @Test func everyWaiterIsTold() async throws {
        try await onLoop {
            let broadcast = Broadcast()
            let waiters = (0..<50).map { _ in start { await broadcast.next(after: 0) } }
            await pause(for: .milliseconds(2))
            broadcast.announce()
            for waiter in waiters { #expect(await waiter.value == .ready) }
        }
    }

    /// A follower that looks, then waits, sees the last state whatever the pace of the news.
    @Test func aFollowerEndsWithTheLastState() async throws {
        try await onLoop {
            let broadcast = Broadcast(), state = Log()
            let follower = start {
                while true {
                    let seen = broadcast.version
                    if state.entries.count == 1000 { return true }
                    guard await broadcast.next(after: seen, timeout: Patience.limit) == .ready else { return false }
                }
            }
            for step in 0..<1000 {
                state.entries.append(step)
                broadcast.announce()
                if step % 3 == 0 { await Task.yield() }
            }
            #expect(await follower.value)
        }
    }

    @Test func waitsEndByTimeAndByCancellation() async throws {
        try await onLoop {
            let broadcast = Broadcast()
            #expect(await broadcast.next(after: 0, timeout: .milliseconds(5)) == .timedOut)
            let waiter = start { await broadcast.next(after: 0) }
            waiter.cancel()
            #expect(await waiter.value == .cancelled)
            // Those that have ended are not told: this would resume them twice.
            broadcast.announce()
        }
    }
}
