// A backend's way back, simulated by seed. Faults: a share that grows by the clock while connects fail or hang, one that
// never grows again, nothing at all in a slow pool, a flood after the slow start, a hold-back that never ends.
import Decisions
import TestSupport
import Testing

/// A pool of four under steady load; `failing` and `slow` say how the one that is back answers.
private struct Pool {
    var ramp: ReturnRamp
    var now = 100.0
    var perSecond = 200.0
    var generator: SplitMix64
    var load = 0.0
    var peersLoad = 130.0
    private var credit = 0.0
    static let interval = 0.25

    init(_ slowStart: Duration, prefersEmpty: Bool = true, seed: UInt64) {
        ramp = ReturnRamp(slowStart: slowStart, prefersEmpty: prefersEmpty, now: now)
        generator = SplitMix64(seed: seed)
    }

    /// Connections that it was given.
    @discardableResult
    mutating func pass(failing: Double = 0, milliseconds: Double = 0.3, hangs: Bool = false) -> Int {
        let all = perSecond * Pool.interval * Double.random(in: 0.7...1.3, using: &generator)
        credit += all / 4 * min(ramp.share, 4)
        let given = credit.rounded(.down)
        credit -= given
        let failed = (0..<Int(given)).count { _ in Double.random(in: 0..<1, using: &generator) < failing }
        let good = hangs ? 0 : given - Double(failed)
        now += Pool.interval
        load += good
        ramp.step(ReturnRamp.Look(
            now: now, own: .init(connections: good, failures: Double(failed), timed: good, milliseconds: good * milliseconds),
            peers: .init(connections: all - given, failures: (all * 0.01).rounded(), timed: all - given, milliseconds: (all - given) * 0.3),
            fairShare: 0.25, load: load, peersLoad: peersLoad))
        return Int(given)
    }

    mutating func pass(_ seconds: Double, failing: Double = 0, milliseconds: Double = 0.3, hangs: Bool = false) -> Int {
        var given = 0
        for _ in 0..<Int(seconds / Pool.interval) { given += pass(failing: failing, milliseconds: milliseconds, hangs: hangs) }
        return given
    }
}

struct ReturnRampTests {
    private static let seeds = (0..<40 as Range<UInt64>).map { SeededGenerator.seed &+ $0 }

    @Test func growsOverTheSlowStartThenCatchesUp() {
        for seed in Self.seeds {
            var pool = Pool(.seconds(20), seed: seed)
            #expect(pool.ramp.share == 0.1 && pool.ramp.stage == .warming)
            var shares: [Double] = []
            while pool.ramp.stage == .warming, pool.now < 200 {
                pool.pass()
                shares.append(pool.ramp.share)
            }
            #expect(abs(pool.now - 120) < 1, "SEED=\(seed): warm after \(pool.now - 100) s")
            #expect(zip(shares, shares.dropFirst()).allSatisfy { $0 <= $1 } && shares.dropLast().allSatisfy { $0 <= 1 })
            #expect(pool.ramp.share == ReturnRamp.cap)
            let warm = pool.now
            while pool.ramp.stage != .over, pool.now < 300 { pool.pass() }
            #expect(pool.now - warm <= 21, "SEED=\(seed)")
        }
    }

    /// 30 s of slow connects, of refused ones, of resets, of connects that hang: the share stays small, every second
    /// brings something, and when it has recovered it grows.
    @Test(arguments: [(0.5, 0.3, false), (0, 40, false), (1, 0.3, false), (0, 0.3, true)])
    func aSickOneKeepsASmallShare(_ failing: Double, _ milliseconds: Double, _ hangs: Bool) {
        for seed in Self.seeds {
            var pool = Pool(.seconds(10), seed: seed)
            _ = pool.pass(2, failing: failing, milliseconds: milliseconds, hangs: hangs)
            for second in 2..<30 {
                let given = pool.pass(1, failing: failing, milliseconds: milliseconds, hangs: hangs)
                #expect(given > 0 && Double(given) < 0.35 * pool.perSecond / 4, "SEED=\(seed): \(given) in second \(second)")
            }
            #expect(pool.ramp.stage == .warming)
            let recovered = pool.now
            while pool.ramp.stage == .warming, pool.now < recovered + 60 { pool.pass() }
            #expect(pool.now < recovered + 20, "SEED=\(seed): \(pool.now - recovered) s after it was well")
        }
    }

    /// One bad connect among few is no reason.
    @Test func aLittleTroubleDoesNotHoldItUp() {
        for seed in Self.seeds {
            var pool = Pool(.seconds(20), seed: seed)
            _ = pool.pass(30, failing: 0.03, milliseconds: 0.5)
            #expect(pool.ramp.stage != .warming, "SEED=\(seed)")
        }
    }

    /// Three connections a second for four backends: a tenth would be one in 13 s.
    @Test func aSlowPoolSendsItSomethingAllTheSame() {
        var pool = Pool(.seconds(60), seed: 1)
        pool.perSecond = 12
        _ = pool.pass(2)
        for second in 2..<20 { #expect(pool.pass(2) > 0, "second \(second)") }
        #expect(pool.ramp.stage == .warming && pool.ramp.share <= 1)
        // Nothing comes at all: the clock goes on.
        pool.perSecond = 0
        _ = pool.pass(60)
        #expect(pool.ramp.stage != .warming)
    }

    @Test func withoutSlowStartNoFloodEither() {
        var pool = Pool(.zero, seed: 1)
        #expect(pool.ramp.share == ReturnRamp.cap)
        pool.peersLoad = 100_000
        var shares: [Double] = []
        for _ in 0..<120 {
            pool.pass()
            if pool.ramp.stage != .over { shares.append(pool.ramp.share) }
        }
        // 1.25, 2.5 after 10 s; 5 would be more than there is.
        #expect(Set(shares) == [1.25, 2.5] && shares.count == 79, "\(shares)")
        #expect(pool.ramp.stage == .over && pool.ramp.share == 1)
        // It ends when the load is like the peers', not before 10 s are over.
        var even = Pool(.zero, seed: 1)
        even.peersLoad = 20
        for _ in 0..<41 { even.pass() }
        #expect(even.ramp.stage == .over)
        #expect(ReturnRamp(slowStart: .zero, prefersEmpty: false, now: 0).stage == .over)
    }

    /// Without peers there is nobody to be like.
    @Test func aloneItGrowsByTheClock() {
        var ramp = ReturnRamp(slowStart: .seconds(4), prefersEmpty: true, now: 0)
        for step in 1...20 {
            let own = ReturnRamp.Results(connections: 10, failures: 5, timed: 10, milliseconds: 500)
            ramp.step(.init(now: Double(step) / 4, own: own, peers: .init(), fairShare: 1, load: 3, peersLoad: 0))
        }
        #expect(ramp.stage == .over && ramp.share == 1)
    }
}
