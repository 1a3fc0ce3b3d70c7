// When a backend will be empty. Faults: a promise that is not kept, and an immortal connection that nobody names.
import Decisions
import Glibc
import Model
import TestSupport
import Testing

/// Lifetimes in seconds.
private enum Mix: CaseIterable {
    case exponential, lognormal, wide, bimodal, uniform, narrow, weibull, pareto, threeKinds, shortAndExponential

    func lifetime(_ random: inout SeededGenerator) -> Double {
        let unit = Double.random(in: 0.000_001..<1, using: &random)
        let coin = Int.random(in: 0..<10, using: &random)
        switch self {
        case .exponential: return -60 * log(unit)
        case .lognormal: return 30 * exp(1.0 * Mix.normal(&random))
        case .wide: return 10 * exp(1.8 * Mix.normal(&random))
        case .bimodal: return coin < 8 ? 2 + unit : 600 + 300 * unit
        case .uniform: return 1 + 299 * unit
        case .narrow: return 100 + 5 * unit
        case .weibull: return 60 * pow(-log(unit), 1.6)
        case .pareto: return 5 * pow(unit, -1 / 2.2)
        case .threeKinds: return coin < 5 ? -log(unit) : coin < 9 ? -60 * log(unit) : -1200 * log(unit)
        case .shortAndExponential: return coin < 9 ? 0.05 * unit : -300 * log(unit)
        }
    }

    private static func normal(_ random: inout SeededGenerator) -> Double {
        sqrt(-2 * log(Double.random(in: 0.000_001..<1, using: &random))) * cos(2 * .pi * Double.random(in: 0..<1, using: &random))
    }
}

/// A pool that has been running for a while: connections came evenly, some have ended, of the others a third hold our backend.
private struct Pool {
    var completed: [Duration] = []
    var open: [Duration] = []
    var holders: [Duration] = []
    /// Seconds until the last holder ends.
    var emptyIn = 0.0

    init(_ mix: Mix, _ random: inout SeededGenerator) {
        let mean = (0..<400).map { _ in mix.lifetime(&random) }.reduce(0, +) / 400
        let window = mean * Double.random(in: 6...20, using: &random)
        let arrivals = Int.random(in: 500...1200, using: &random)
        for _ in 0..<arrivals {
            let age = Double.random(in: 0..<window, using: &random)
            let lifetime = mix.lifetime(&random)
            guard lifetime > age else {
                completed.append(.seconds(lifetime))
                continue
            }
            open.append(.seconds(age))
            guard Int.random(in: 0..<3, using: &random) == 0 else { continue }
            holders.append(.seconds(age))
            emptyIn = max(emptyIn, lifetime - age)
        }
    }

    var time: TimeToEmpty { TimeToEmpty(completed: LifetimeCounts(completed), open: LifetimeCounts(open), holders: holders) }
}

struct TimeToEmptyTests {
    @Test("for 20 random lifetime mixes the P90 covers at least 17, and is no empty promise", arguments: [1, 2, 3, 4, 5] as [UInt64])
    func coverage(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var covered = 0, never = 0
        var missed: [String] = []
        for index in 0..<20 {
            let mix = Mix.allCases[index % Mix.allCases.count]
            let pool = Pool(mix, &random)
            let time = pool.time
            guard let ninetieth = time.ninetieth, let median = time.median else {
                never += 1
                missed.append("\(mix): never, really \(pool.emptyIn)")
                continue
            }
            #expect(median <= ninetieth)
            if ninetieth.inSeconds >= pool.emptyIn { covered += 1 } else { missed.append("\(mix): \(ninetieth.inSeconds) < \(pool.emptyIn)") }
            // Ten times too long would cover everything and help nobody.
            #expect(ninetieth.inSeconds <= max(10 * pool.emptyIn, 40 * (time.longestEnded?.inSeconds ?? 0)), "\(mix)")
        }
        #expect(covered >= 17, "seed \(seed): \(missed)")
        #expect(never <= 1, "seed \(seed): \(missed)")
    }

    @Test("at a deadline about half of those are left that live twice as long, and all that never end")
    func leftAtDeadline() throws {
        // Evenly 0 to 100 s.
        let completed = LifetimeCounts((1...1000).map { .milliseconds($0 * 100) })
        let holders = (0..<40).map { _ in Duration.milliseconds(1) }
        let half = TimeToEmpty(completed: completed, open: LifetimeCounts(holders), holders: holders, deadline: .seconds(50))
        let left = try #require(half.leftAtDeadline)
        #expect((15...25).contains(left), "\(half)")
        let immortal = holders + (0..<7).map { _ in Duration.seconds(86_400) }
        let stuck = TimeToEmpty(completed: completed, open: LifetimeCounts(immortal), holders: immortal, deadline: .seconds(200))
        let immortalLeft = try #require(stuck.leftAtDeadline)
        #expect(stuck.isNever && (7...9).contains(immortalLeft), "\(stuck)")
        #expect(TimeToEmpty(completed: completed, open: LifetimeCounts(holders), holders: holders).leftAtDeadline == nil)
        #expect(TimeToEmpty(completed: LifetimeCounts([]), open: LifetimeCounts(holders), holders: holders, deadline: .seconds(1)).leftAtDeadline == nil)
    }

    @Test("a planted immortal connection: never at this rate, and it alone is to blame", arguments: [1, 2, 3] as [UInt64])
    func immortal(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for mix in [Mix.exponential, .bimodal, .uniform, .narrow] {
            var pool = Pool(mix, &random)
            let planted = (pool.completed.max() ?? .zero) * 5
            pool.open.append(planted)
            pool.holders.append(planted)
            let time = pool.time
            #expect(time.isNever, "\(mix)")
            #expect(time.blames(age: planted))
            #expect(pool.holders.count(where: time.blames) <= 2, "\(mix)")
        }
    }

    @Test func nobodyHoldsIt() {
        let time = TimeToEmpty(completed: LifetimeCounts(), open: LifetimeCounts(), holders: [])
        #expect(time.ninetieth == .zero && time.median == .zero && !time.isNever)
    }

    @Test("where none has ended yet nothing can be promised, and every holder is to blame")
    func noneHasEnded() {
        let time = TimeToEmpty(completed: LifetimeCounts(), open: LifetimeCounts([.seconds(3)]), holders: [.seconds(3)])
        #expect(time.isNever && time.blames(age: .milliseconds(1)))
    }

    @Test("a neighbour's immortal connection does not make ours one")
    func neighbour() {
        let completed = LifetimeCounts((1...500).map { .milliseconds($0 * 10) })
        let time = TimeToEmpty(completed: completed, open: LifetimeCounts([.seconds(3600), .seconds(1)]), holders: [.seconds(1)])
        #expect(time.ninetieth.map { $0 > .seconds(1) && $0 < .seconds(8) } == true, "\(time)")
    }
}

struct SurvivalCurveTests {
    @Test func itFallsFromOneTowardsNothing() {
        let curve = SurvivalCurve(completed: LifetimeCounts((1...100).map { .seconds($0) }), open: LifetimeCounts())
        #expect(curve.share(reaching: 0) == 1)
        var last = 1.0
        for second in 1..<400 {
            let share = curve.share(reaching: Int64(second) * 1_000_000_000)
            #expect(share <= last && share > 0)
            last = share
        }
        #expect(abs(curve.share(reaching: 50_000_000_000) - 0.5) < 0.05)
        #expect(last < 0.01)
    }

    @Test("who is still open has lived at least so long: it raises the curve, it does not lower it")
    func censored() {
        let completed = LifetimeCounts((1...50).map { .seconds($0) })
        let open = LifetimeCounts((0..<50).map { _ in .seconds(100) })
        let without = SurvivalCurve(completed: completed, open: LifetimeCounts())
        let with = SurvivalCurve(completed: completed, open: open)
        #expect(with.share(reaching: 40_000_000_000) > without.share(reaching: 40_000_000_000) + 0.2)
    }
}
