// Turns of requests and of the parts of long answers. Faults: a short answer that waits behind every part of long ones, work
// that was given up but keeps its place, and all that it holds, until its turn comes, and one that holds its turn while it
// waits for something else.
@testable import Daemon
import EventLoop
import Model
import SystemCalls
import TestSupport
import Testing

struct TurnsTests {
    /// Keeps the processor busy.
    @ControlPlane private func work(_ time: Duration) {
        let end = Clocks.threadTime() + time
        while Clocks.threadTime() < end {}
    }

    @Test func whoHasHadLeastGoesFirst() async throws {
        // Other tests use the same loop, and what they do in this one's turn counts as its own: not in every trial.
        var order: [String] = []
        for _ in 0..<50 where order != ["little", "much"] { order = try await orderOfMuchAndLittle() }
        #expect(order == ["little", "much"])
    }

    private func orderOfMuchAndLittle() async throws -> [String] {
        try await onLoop {
            let turns = Turns(), log = Order(), (much, little) = (TurnTaker(), TurnTaker())
            for (taker, time) in [(much, Duration.milliseconds(5)), (little, .microseconds(10))] {
                _ = await turns.next(for: taker)
                work(time)
                turns.end(of: taker)
            }
            let tasks = [("much", much), ("little", little)].map { name, taker in
                start {
                    if await turns.next(for: taker) { log.entries.append(name) }
                    turns.end(of: taker)
                }
            }
            for task in tasks { await task.value }
            return log.entries
        }
    }

    /// Fault: while some asked for one short answer after the other, a long one never ended.
    @Test func theLongOneEndsTooWhileOthersAskWithoutEnd() async throws {
        let parts = try await onLoop {
            let turns = Turns()
            let asking = (0..<4).map { _ in
                start {
                    let taker = TurnTaker()
                    while !Task.isCancelled, await turns.next(for: taker) {}
                }
            }
            let long = start {
                let taker = TurnTaker()
                var parts = 0
                while parts < 50, await turns.next(for: taker) {
                    parts += 1
                    work(.microseconds(100))
                }
                return parts
            }
            let impatience = start {
                // Other tests use the same loop.
                if await pause(for: Patience.limit) { long.cancel() }
            }
            let parts = await long.value
            impatience.cancel()
            for task in asking { task.cancel() }
            for task in asking { await task.value }
            return parts
        }
        #expect(parts == 50)
    }

    @Test func whoIsCancelledLeavesAtOnce() async throws {
        let order = try await onLoop {
            let turns = Turns(), log = Order(), busy = TurnTaker()
            _ = await turns.next(for: busy)
            work(.milliseconds(5))
            turns.end(of: busy)
            let patient = (0..<50).map { _ in
                start { await turns.next(for: TurnTaker()) ? log.entries.append("served") : log.entries.append("gone") }
            }
            let gone = start { await turns.next(for: busy) ? log.entries.append("served last") : log.entries.append("gone") }
            await Task.yield()
            gone.cancel()
            await gone.value
            let before = log.entries.count
            for task in patient { await task.value }
            return (before, log.entries)
        }
        #expect(order.0 < 50, "it left only when it was its turn")
        #expect(order.1.count { $0 == "gone" } == 1 && order.1.count { $0 == "served" } == 50, "\(order.1)")
    }

    @Test func whoWaitsForSomethingElseKeepsNobodyWaiting() async throws {
        let done = try await onLoop {
            let turns = Turns(), news = Broadcast(), log = Order()
            let waiting = start {
                _ = await turns.next(for: TurnTaker())
                _ = await news.next(after: 0, timeout: Patience.limit)
                log.entries.append("waited")
            }
            let other = start {
                _ = await turns.next(for: TurnTaker())
                log.entries.append("served")
                news.announce()
            }
            await other.value
            await waiting.value
            return log.entries
        }
        #expect(done == ["served", "waited"])
    }
}

@ControlPlane private final class Order {
    var entries: [String] = []
}
