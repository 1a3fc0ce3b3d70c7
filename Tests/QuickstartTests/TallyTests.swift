// Counting and quantiles: a load that reported too few failures or too small a delay would prove nothing.
import Testing

@testable import quickstart

struct TallyTests {
    @Test func countsAMoveOnlyWhereTheAnswererChanged() {
        var tally = Tally()
        let first = Answerer(name: "web-1", generation: 1), second = Answerer(name: "web-1", generation: 2)
        tally.cameBack(from: nil, to: first)
        tally.cameBack(from: first, to: first)
        #expect(tally.moved == 0)
        tally.cameBack(from: first, to: second)
        tally.cameBack(from: second, to: Answerer(name: "web-2", generation: 2))
        #expect(tally.moved == 2)
    }

    @Test func countsFailuresByReasonAndInAll() {
        var tally = Tally()
        tally.failed(LoadFailure(.reset, "a"))
        tally.failed(LoadFailure(.reset, "b"))
        tally.failed(LoadFailure(.refused, "c"))
        #expect(tally.failures == [.reset: 2, .refused: 1])
        #expect(tally.failed == 3)
    }

    @Test func keepsTheSlowestAnswer() {
        var tally = Tally()
        let web = Answerer(name: "web-1", generation: 1)
        for time in [2, 9, 4] { tally.answered(by: web, after: .milliseconds(time)) }
        #expect(tally.slowest == .milliseconds(9))
        #expect(tally.answers == [web: 3])
    }

    @Test func quantilesByNearestRank() {
        let hundred = (1...100).map { Duration.microseconds($0) }.shuffled()
        #expect(hundred.quantile(0.5) == .microseconds(50))
        #expect(hundred.quantile(0.99) == .microseconds(99))
        #expect(hundred.quantile(1) == .microseconds(100))
        #expect(hundred.quantile(0) == .microseconds(1))
        #expect([Duration.seconds(3)].quantile(0.99) == .seconds(3))
        #expect([Duration]().quantile(0.5) == nil)
    }
}
