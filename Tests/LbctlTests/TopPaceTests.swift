// Rates between two looks, and how drains empty. Faults: a rate over a restart of lbd; an estimate from nothing.
import Model
import Statistics
import Testing

@testable import lbctl

@Suite struct TopPaceTests {
    private func pace(_ looks: [TopLook]) -> TopPace {
        var pace = TopPace()
        for look in looks { pace.take(look) }
        return pace
    }

    @Test func ratesAreWhatCameBetweenTheLooks() {
        let now = MadeUp.backend(1, total: 130, failures: 5, resets: 1, bytes: 5000, rate: 7, byteRate: 9)
        let before = MadeUp.look(MadeUp.observation([MadeUp.backend(1, total: 100, failures: 3, bytes: 1000, rate: 7)]))
        let both = pace([before, MadeUp.look(MadeUp.observation([now]), after: 2)])
        #expect(both.rate(now) == 15 && both.byteRate(now) == 2000 && both.newFailures(now) == 3)
        // One look alone: lbd's own.
        let one = pace([MadeUp.look(MadeUp.observation([now]))])
        #expect(one.rate(now) == 7 && one.byteRate(now) == 9 && one.newFailures(now) == 0)
    }

    @Test func nothingIsComparedWithAnotherProcessOrAnotherBackend() {
        let now = MadeUp.backend(1, total: 130, rate: 7)
        let before = MadeUp.look(MadeUp.observation([MadeUp.backend(1, total: 100)]))
        var restarted = MadeUp.observation([now])
        restarted.process.pid = 4712
        #expect(pace([before, MadeUp.look(restarted, after: 1)]).rate(now) == 7)
        let renamed = MadeUp.backend(1, "api-1", total: 130, rate: 7)
        #expect(pace([before, MadeUp.look(MadeUp.observation([renamed]), after: 1)]).rate(renamed) == 7)
        let fewer = MadeUp.backend(1, total: 30, rate: 7)
        #expect(pace([before, MadeUp.look(MadeUp.observation([fewer]), after: 1)]).rate(fewer) == 7)
    }

    @Test func oneThatIsStoppedShowsHowItWas() {
        let now = MadeUp.backend(1, total: 100, rate: 7)
        let looks = [MadeUp.look(MadeUp.observation([now])), MadeUp.look(MadeUp.observation([now], liveness: .stopped(silent: .seconds(3))), after: 1)]
        #expect(pace(looks).rate(now) == 7)
        let hung = [looks[0], MadeUp.look(MadeUp.observation([now], liveness: .hung(silent: .seconds(3))), after: 1)]
        #expect(pace(hung).rate(now) == 0, "the workers of one that hangs go on, or not: that is measured")
    }

    private func departure(_ counts: [Int], every seconds: Double, drain: ObservedDrain? = MadeUp.drain()) -> TopDeparture {
        let backends = counts.map { MadeUp.backend(1, connections: $0, availability: .draining, drain: drain) }
        let looks = backends.enumerated().map { MadeUp.look(MadeUp.observation([$0.element]), after: Double($0.offset) * seconds) }
        return pace(looks).departure(backends.last!)
    }

    @Test func aDrainsEndFollowsFromThoseThatLeft() {
        #expect(departure([20], every: 1) == .unknown)
        #expect(departure([20, 18, 16], every: 1) == .perSecond(2, left: 16))
        #expect(departure([20, 18, 16], every: 1).text == "16 left, 2 a second: empty in about 8.0 s")
        #expect(departure([20, 18, 16], every: 1).words(deadline: .seconds(5)) == "16 left, 2 a second: about 6 of them left at the deadline")
        #expect(departure([20, 18, 16], every: 1).words(deadline: .seconds(9)) == "16 left, 2 a second: empty in about 8.0 s")
        #expect(departure([2, 0], every: 1) == .empty)
        #expect(departure([20, 20, 20], every: 5) == .stuck(.seconds(10), left: 20))
        #expect(departure([20, 20, 20], every: 5).text == "20 left, none ended in the last 10 s")
    }

    /// Those that left long ago promise nothing for the rest.
    @Test func whatLeftLongAgoIsForgotten() {
        let counts = [100, 20] + [Int](repeating: 20, count: 12)
        #expect(departure(counts, every: 5) == .stuck(.seconds(60), left: 20))
        #expect(departure(counts + [19], every: 5) != .stuck(.seconds(65), left: 19))
    }

    @Test func aDrainThatBeginsAgainIsCountedAnew() {
        var second = MadeUp.drain()
        second.since = MadeUp.calendar
        let looks = [(20, MadeUp.drain()), (10, second), (10, second)].enumerated().map { place, entry in
            MadeUp.look(MadeUp.observation([MadeUp.backend(1, connections: entry.0, availability: .draining, drain: entry.1)]), after: Double(place))
        }
        #expect(pace(looks).departure(MadeUp.backend(1, connections: 10, drain: second)) == .stuck(.seconds(1), left: 10))
    }

    @Test func sortsAreStable() {
        let backends = [MadeUp.backend(1, "b", connections: 1), MadeUp.backend(2, "a", connections: 5), MadeUp.backend(3, "d", connections: 1), MadeUp.backend(4, "c", connections: 1)]
        let slots = { (sort: TopSort) in sort.sorted(backends, TopPace()).map(\.slot) }
        #expect(slots(.connections) == [2, 1, 3, 4] && slots(.rate) == [1, 2, 3, 4] && slots(.name) == [2, 1, 4, 3])
        let failing = [MadeUp.backend(1, failures: 9), MadeUp.backend(2, failures: 1), MadeUp.backend(3)]
        let later = [MadeUp.backend(1, failures: 9), MadeUp.backend(2, failures: 2), MadeUp.backend(3)]
        let moving = pace([MadeUp.look(MadeUp.observation(failing)), MadeUp.look(MadeUp.observation(later), after: 1)])
        #expect(TopSort.failures.sorted(later, moving).map(\.slot) == [2, 1, 3], "who fails now stands before who once did")
    }
}
