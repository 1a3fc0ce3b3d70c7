// The one line that a waiting drain shows.
import ControlProtocol
import Model
import Testing

@testable import lbctl

@Suite struct DrainBoardTests {
    private func record(_ backend: String, _ connections: Int, _ waited: Double, _ state: Availability = .draining, left: Double? = nil) -> DrainRecord {
        DrainRecord(backend: backend, availability: state, connections: connections, waited: waited, deadlineIn: left)
    }

    @Test func theBarFillsAsConnectionsEnd() {
        var board = DrainBoard()
        _ = board.take(record("web/web-1", 10, 0), key: "a")
        #expect(board.line == "[--------------------] web/web-1: 10 connections open, waited 0 ms")
        _ = board.take(record("web/web-1", 1, 4.5, left: 55.5), key: "a")
        #expect(board.line == "[##################--] web/web-1: 1 connection open, waited 4.5 s, 55 s left")
    }

    @Test func severalBackendsCountTogether() {
        var board = DrainBoard()
        _ = board.take(record("web/web-1", 3, 1), key: "a")
        _ = board.take(record("web/web-2", 1, 1, left: 0), key: "b")
        #expect(board.line == "[--------------------] 2 backends: 4 connections open, waited 1.0 s, the deadline has passed")
        _ = board.take(record("web/web-2", 0, 2, .drained), key: "b")
        #expect(board.line == "[#####---------------] web/web-1: 3 connections open, waited 2.0 s")
    }

    @Test func onlyTimeGoingByIsNoNews() {
        var board = DrainBoard()
        let news = [
            board.take(record("web/web-1", 3, 0), key: "a"),
            board.take(record("web/web-1", 3, 1), key: "a"),
            board.take(record("web/web-1", 2, 2), key: "a"),
            board.take(record("web/web-1", 2, 2, .drained), key: "a"),
            // The same backend at another balancer.
            board.take(record("web/web-1", 2, 2, .drained), key: "b"),
        ]
        #expect(news == [true, false, true, true, true])
    }
}
