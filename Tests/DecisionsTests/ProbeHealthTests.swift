// Rise and fall. Faults: one lost probe takes a node out, one lucky answer brings it back, a fresh balancer that
// refuses everybody for `rise` intervals.
import Decisions
import Model
import TestSupport
import Testing

private let failure = ProbeResult.failure(reason: "refused")

private func findings(_ health: inout ProbeHealth, _ results: [ProbeResult]) -> [ProbeFinding?] {
    results.map { health.handle($0) }
}

struct ProbeHealthTests {
    @Test func firstProbeDecides() {
        var good = ProbeHealth(rise: 5, fall: 5), bad = ProbeHealth(rise: 5, fall: 5)
        #expect(good.finding == .unknown)
        #expect(good.handle(.success) == .up)
        #expect(bad.handle(failure) == .down)
    }

    @Test func fallsAfterFallInARow() {
        var health = ProbeHealth(rise: 2, fall: 3)
        #expect(findings(&health, [.success, failure, failure, .success, failure, failure, failure])
            == [.up, nil, nil, nil, nil, nil, .down])
    }

    @Test func risesAfterRiseInARow() {
        var health = ProbeHealth(rise: 2, fall: 3)
        #expect(findings(&health, [failure, .success, failure, .success, .success, .success])
            == [.down, nil, nil, nil, .up, nil])
    }

    @Test func whatCouldNotBeMadeSaysNothing() {
        let none = ProbeResult.inconclusive(reason: "socket: Too many open files")
        var health = ProbeHealth(rise: 2, fall: 2)
        #expect(findings(&health, [none, .success, none, none, failure, none, failure, .success, none, .success])
            == [nil, .up, nil, nil, nil, nil, .down, nil, nil, .up])
    }

    /// Fault: new rules make a dead backend unknown, or forget how far it was.
    @Test func otherRulesGoOnFromWhatWasFound() {
        var health = ProbeHealth(rise: 2, fall: 5)
        #expect(findings(&health, [.success, failure, failure]) == [.up, nil, nil])
        health.follow(rise: 2, fall: 3)
        #expect(health.finding == .up)
        #expect(health.handle(failure) == .down)
        health.follow(rise: 1, fall: 3)
        #expect(health.finding == .down)
        #expect(health.handle(.success) == .up)
        var known = ProbeHealth(rise: 2, fall: 2, finding: .up)
        #expect(findings(&known, [failure, failure]) == [nil, .down])
    }

    @Test func oneIsAtOnce() {
        var health = ProbeHealth(rise: 1, fall: 1)
        #expect(findings(&health, [.success, failure, .success]) == [.up, .down, .up])
    }

    @Test func confirmedIsUpWhateverWasKnownAndSaysSoOnce() {
        var health = ProbeHealth(rise: 3, fall: 1)
        _ = health.handle(failure)
        _ = health.handle(.success)
        #expect(health.confirmUp() == .up)
        #expect(health.confirmUp() == nil)
        // The successes before do not count against it later.
        #expect(health.handle(failure) == .down)
    }

    @Test func hurriesWhileSomethingChanges() {
        var health = ProbeHealth(rise: 2, fall: 3)
        #expect(!health.isSettled)
        let settled = [.success, failure, .success, failure, failure, failure, failure, .success, failure, .success, .success].map {
            _ = health.handle($0)
            return health.isSettled
        }
        #expect(settled == [true, false, true, false, false, true, true, false, true, false, true])
    }

    @Test func otherNumbersKeepWhatWasFound() {
        var health = ProbeHealth(rise: 2, fall: 3)
        _ = findings(&health, [.success, failure, failure])
        health.follow(rise: 1, fall: 4)
        #expect(health.finding == .up)
        #expect(findings(&health, [failure, failure, .success]) == [nil, .down, .up])
    }

    /// The complaint behind rise and fall: nodes that flap on a lossy net. Of 10,000 probes with 30 % random loss the
    /// number of changes has an exact distribution (a Markov chain); it stays within four deviations of the mean, and
    /// far below the 4,200 of no hysteresis.
    @Test func flappingUnderRandomLossStaysWithinItsBound() {
        let probes = 10_000
        let bound = Changes(rise: 2, fall: 3, loss: 0.3, probes: probes)
        #expect((300...420).contains(bound.mean) && bound.deviation < 25, "\(bound)")
        for seed in 0..<20 {
            var random = SeededGenerator(seed: SeededGenerator.seed &+ UInt64(seed))
            var health = ProbeHealth(rise: 2, fall: 3)
            _ = health.handle(.success)
            var changes = 0
            for _ in 0..<probes {
                let result = Double.random(in: 0..<1, using: &random) < 0.3 ? failure : .success
                if health.handle(result) != nil { changes += 1 }
            }
            #expect(abs(Double(changes) - bound.mean) < 4 * bound.deviation, "SEED=\(SeededGenerator.seed) + \(seed): \(changes), \(bound)")
        }
    }
}

/// How often a finding changes in so many probes that fail at random: mean and deviation, exact, from the chain of
/// states 'up after n failures' and 'down after n successes'.
private struct Changes {
    let mean: Double
    let deviation: Double

    init(rise: Int, fall: Int, loss: Double, probes: Int) {
        // Of each state: its probability, and the number of changes and its square, weighted with it.
        typealias Moments = (probability: Double, first: Double, second: Double)
        var states = [Moments](repeating: (0, 0, 0), count: fall + rise)
        states[0].probability = 1
        for _ in 0..<probes {
            var next = [Moments](repeating: (0, 0, 0), count: fall + rise)
            for (state, moments) in states.enumerated() {
                for (contrary, chance) in [(true, state < fall ? loss : 1 - loss), (false, state < fall ? 1 - loss : loss)] {
                    let start = state < fall ? 0 : fall
                    let end = state < fall ? fall : fall + rise
                    let isChange = contrary && state + 1 == end
                    let target = isChange ? fall - start : contrary ? state + 1 : start
                    next[target].probability += chance * moments.probability
                    next[target].first += chance * (moments.first + (isChange ? moments.probability : 0))
                    next[target].second += chance * (moments.second + (isChange ? 2 * moments.first + moments.probability : 0))
                }
            }
            states = next
        }
        mean = states.reduce(0) { $0 + $1.first }
        deviation = (states.reduce(0) { $0 + $1.second } - mean * mean).squareRoot()
    }
}
