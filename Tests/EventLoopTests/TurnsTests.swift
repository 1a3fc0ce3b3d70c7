// Turns of long work. Faults: a short answer that waits behind every part of long ones, and work that was given up but
// keeps its place, and all that it holds, until its turn comes.
import EventLoop
import TestSupport
import Testing

struct TurnsTests {
    @Test func whoHasDoneFewestPartsGoesFirst() async throws {
        let order = try await onLoop {
            let turns = Turns(), log = Order()
            let tasks = [5, 1, 3, 1].enumerated().map { number, parts in
                start { if await turns.next(after: parts) { log.entries.append("\(parts)-\(number)") } }
            }
            for task in tasks { await task.value }
            return log.entries
        }
        #expect(order == ["1-1", "1-3", "3-2", "5-0"])
    }

    /// Fault: while some asked for one short answer after the other, a long one never ended.
    @Test func theLongOneEndsTooWhileOthersAskWithoutEnd() async throws {
        let parts = try await onLoop {
            let turns = Turns()
            let asking = (0..<4).map { _ in
                start { while !Task.isCancelled, await turns.next(after: 1) {} }
            }
            let long = start {
                var parts = 1
                while parts < 50, await turns.next(after: parts) { parts += 1 }
                return parts
            }
            let impatience = start {
                if await pause(for: .seconds(10)) { long.cancel() }
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
            let turns = Turns(), log = Order()
            let patient = (0..<50).map { _ in start { await turns.next(after: 1) ? log.entries.append("served") : log.entries.append("gone") } }
            let gone = start { await turns.next(after: 9) ? log.entries.append("served last") : log.entries.append("gone") }
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
}

@ControlPlane private final class Order {
    var entries: [String] = []
}
