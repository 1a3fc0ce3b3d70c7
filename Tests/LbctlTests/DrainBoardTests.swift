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

    private func forecast(_ p90: Double?, blamed: [UInt64] = []) -> TimeToEmptyReport {
        TimeToEmptyReport(
            p50: p90.map { .seconds($0 / 2) }, p90: p90.map { .seconds($0) }, ended: 40,
            toBlame: blamed.map {
                ConnectionReport(
                    id: ConnectionID(worker: 1, serial: $0), listener: "web", pool: "web", backend: "web-1", peer: "10.0.0.7:4444",
                    phase: .relaying, age: .seconds(7200), idle: .seconds(60), bytesToBackend: 0, bytesToClient: 0, bytesInLastMinute: 0,
                    unwritten: 0)
            })
    }

    @Test func theForecastIsOfTheOneThatTakesLongest() {
        var board = DrainBoard()
        var first = record("web/web-1", 3, 1, left: 60), second = record("web/web-2", 1, 1, left: 60)
        (first.timeToEmpty, second.timeToEmpty) = (forecast(130), forecast(20))
        _ = board.take(first, key: "a")
        _ = board.take(second, key: "b")
        #expect(board.line == "[--------------------] 2 backends: 4 connections open, empty in 1 m 5 s to 2 m 10 s, waited 1.0 s, 1 m 0 s left")
        second.timeToEmpty = forecast(nil, blamed: [4711])
        let isNews = board.take(second, key: "b")
        #expect(isNews, "that there is no end")
        #expect(board.line.contains("never at this rate"))
    }

    @Test func aDeadlineThatComesFirstIsSaidInPlaceOfTheForecast() {
        var board = DrainBoard()
        var closing = record("web/web-1", 3, 1, left: 60)
        (closing.timeToEmpty, closing.atDeadline) = (forecast(7200), .close)
        closing.timeToEmpty?.leftAtDeadline = 2
        _ = board.take(closing, key: "a")
        #expect(board.line == "[--------------------] web/web-1: 3 connections open, closed in 1 m 0 s: about 2 of 3, waited 1.0 s")
    }

    @Test func whoIsToBlameIsNamedOnce() {
        var board = DrainBoard()
        var blamed = record("web/web-1", 3, 1)
        var answers = [board.blames(blamed, key: "a")]
        blamed.timeToEmpty = forecast(nil, blamed: [4711])
        #expect(blamed.text == "web/web-1 draining: 3 connections hold it, never at this rate: 1-4711 from 10.0.0.7:4444, 2 h 0 m old, idle 1 m 0 s")
        answers += [board.blames(blamed, key: "a"), board.blames(blamed, key: "a")]
        blamed.timeToEmpty = forecast(nil, blamed: [4711, 4712])
        answers.append(board.blames(blamed, key: "a"))
        #expect(answers == [false, true, false, true])
    }
}
