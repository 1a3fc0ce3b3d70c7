// The verdict on a release. Faults: one that aborts on ten connections, one that sleeps through a failure of 5 %, and one
// that finds something when it only looks often enough.
import Model
import Rollout
import Testing

/// A pool of four, of which the first is restarted; each tick brings some connections.
private struct Pool {
    var random: SplitMix64
    var watch = ReleaseWatch()
    var counters = [ConnectionOutcomes](repeating: ConnectionOutcomes(), count: 4)
    var now = MonotonicTime(nanoseconds: 0)
    /// Of the restarted one.
    var resets = 0.0
    var failures = 0.0
    var slowness = 1.0
    var silence = 0.0
    /// Of all.
    var commonResets = 0.002
    let backends = (1...4).map { reference("web-\($0)") }

    init(seed: UInt64) { random = SplitMix64(state: seed) }

    private mutating func happens(_ chance: Double) -> Bool { Double.random(in: 0..<1, using: &random) < chance }

    private mutating func connection(_ index: Int, isNew: Bool) {
        guard !happens(0.001 + (isNew ? failures : 0)) else {
            counters[index].connectFailures += 1
            return
        }
        counters[index].connections += 1
        let milliseconds = Double.random(in: 0.2...20, using: &random) * (isNew ? slowness : 1)
        counters[index].firstBytes[FirstByteBuckets.index(of: Int64(milliseconds * 1e6))] += 1
        if happens(commonResets + (isNew ? resets : 0)) { counters[index].backendResets += 1 }
        // Lifetimes in seconds, most of them too long to be counted.
        let lifetime = Double.random(in: 0.01...100, using: &random)
        if let bucket = EarlyEndBuckets.index(of: Int64(lifetime * 1e9)) { counters[index].earlyEnds[bucket] += 1 }
        if lifetime < 2 {
            let bytes = isNew && happens(silence) ? 0 : UInt64.random(in: 100...100_000, using: &random)
            counters[index].answers[AnswerBuckets.index(of: bytes)] += 1
        }
    }

    mutating func tick(connections: Int) {
        now = now.advanced(by: .seconds(1))
        for _ in 0..<connections {
            let index = Int.random(in: 0..<4, using: &random)
            connection(index, isNew: index == 0 && isRestarted)
        }
        for index in 0..<4 { watch.read(backends[index], counters[index]) }
    }

    var isRestarted = false
    mutating func restart() {
        watch.note(out: backends[0])
        watch.note(restarted: backends[0], at: now)
        isRestarted = true
    }

    /// Connections of the restarted one until it is called worse; nil: it never is. Looked at each second.
    mutating func connectionsUntilStop(seconds: Int, perSecond: Int = 20) -> UInt64? {
        for _ in 0..<60 { tick(connections: perSecond) }
        restart()
        for _ in 0..<seconds {
            tick(connections: perSecond)
            if case .worse = watch.verdict(at: now).outcome { return watch.own.connections }
        }
        return nil
    }
}

struct ReleaseWatchTests {
    /// What was judged while a standby served is what the pool is compared with that comes back.
    @Test func trafficThatGoesElsewhereIsComparedWithWhereItWas() {
        let web = BackendReference(pool: PoolName(unchecked: "web"), backend: BackendName(unchecked: "1"))
        let idle = BackendReference(pool: PoolName(unchecked: "idle"), backend: BackendName(unchecked: "1"))
        func outcomes(_ connections: UInt64) -> ConnectionOutcomes {
            var outcomes = ConnectionOutcomes()
            outcomes.connections = connections
            return outcomes
        }
        var watch = ReleaseWatch()
        for count: UInt64 in [10, 40] { watch.read(web, outcomes(count)) }
        watch = ReleaseWatch(after: watch)
        watch.note(restarted: idle, at: MonotonicTime(nanoseconds: 0))
        for count: UInt64 in [500, 507] { watch.read(idle, outcomes(count)) }
        #expect(watch.before.connections == 40 && watch.own.connections == 7)
        watch = ReleaseWatch(after: watch)
        #expect(watch.before.connections == 7 && watch.own.connections == 0)
    }
}

struct ReleaseVerdictTests {
    @Test("200 rollouts of a release that is as good, each looked at every second for two minutes: at most 2 false stops")
    func sameRelease() {
        var stops: [UInt64] = []
        for seed in 1...200 as ClosedRange<UInt64> {
            var pool = Pool(seed: seed)
            pool.commonResets = [0, 0.002, 0.05][Int(seed % 3)]
            if pool.connectionsUntilStop(seconds: 120, perSecond: [2, 10, 30][Int(seed / 3 % 3)]) != nil { stops.append(seed) }
        }
        #expect(stops.count <= 2, "seeds \(stops)")
    }

    @Test("a release that resets 5 % of its connections is stopped within a few hundred of them, not within a hundred", arguments: 1...10 as ClosedRange<UInt64>)
    func resets(seed: UInt64) throws {
        var pool = Pool(seed: seed)
        pool.resets = 0.05
        let stopped = pool.connectionsUntilStop(seconds: 600)
        let seen = try #require(stopped)
        // Of the sample some connects have failed.
        #expect((90...600).contains(seen), "after \(seen)")
    }

    @Test("refuses connects, is slower, ends its answers early: each is found, and named", arguments: 1...5 as ClosedRange<UInt64>)
    func otherFaults(seed: UInt64) {
        for (quantity, breakIt): (ReleaseVerdict.Quantity, (inout Pool) -> Void) in [
            (.connectFailures, { $0.failures = 0.05 }), (.timeToFirstByte, { $0.slowness = 4 }), (.bytes, { $0.silence = 0.8 }),
        ] {
            var pool = Pool(seed: seed)
            breakIt(&pool)
            _ = pool.connectionsUntilStop(seconds: 1200)
            guard case .worse(let findings) = pool.watch.verdict(at: pool.now).outcome else {
                Issue.record("\(quantity) is not found")
                continue
            }
            #expect(findings.map(\.quantity) == [quantity])
        }
    }

    @Test("ten connections, all reset, are no verdict")
    func tooFew() {
        var own = ConnectionOutcomes(), before = ConnectionOutcomes()
        (own.connections, own.backendResets, before.connections) = (10, 10, 10_000)
        let verdict = ReleaseVerdict(own: own, before: before, meanwhile: ConnectionOutcomes(), watched: .seconds(60))
        #expect(verdict.outcome == .tooFew(missing: 90))
    }

    @Test("where the others have begun to fail as well, it is not the release")
    func commonFault() {
        var own = ConnectionOutcomes(), before = ConnectionOutcomes(), meanwhile = ConnectionOutcomes()
        (own.connections, own.backendResets, before.connections) = (1000, 80, 10_000)
        (meanwhile.connections, meanwhile.backendResets) = (300, 21)
        #expect(ReleaseVerdict(own: own, before: before, meanwhile: meanwhile, watched: .seconds(60)).outcome == .notWorse)
        meanwhile.backendResets = 1
        guard case .worse = ReleaseVerdict(own: own, before: before, meanwhile: meanwhile, watched: .seconds(60)).outcome else {
            Issue.record("the same without the others' resets is worse")
            return
        }
    }

    @Test("connections that have not had the time to end are no long-lived ones, and none that died young")
    func censoredLifetimes() {
        var own = ConnectionOutcomes(), before = ConnectionOutcomes()
        (own.connections, before.connections) = (1000, 10_000)
        // Up to 33 s, of which only 30 s have been watched.
        (own.earlyEnds[6], before.earlyEnds[6]) = (900, 100)
        #expect(ReleaseVerdict(own: own, before: before, meanwhile: ConnectionOutcomes(), watched: .seconds(30)).outcome == .notWorse)
        // Within half a second.
        (own.earlyEnds[3], before.earlyEnds[3]) = (900, 100)
        guard case .worse(let findings) = ReleaseVerdict(own: own, before: before, meanwhile: ConnectionOutcomes(), watched: .seconds(30)).outcome else {
            Issue.record("nine of ten end within half a second")
            return
        }
        #expect(findings.map(\.quantity) == [.lifetime])
        #expect(findings[0].text == "lifetime (ended within 536 ms): 900 of 1000 (90.0 %) of the restarted ones, 100 of 10000 (1.0 %) of the others")
    }

    @Test("counters that have begun anew, and those of a backend on its way out, do not count")
    func readings() {
        var watch = ReleaseWatch()
        var counters = ConnectionOutcomes()
        counters.connections = 500
        watch.read(reference("web-1"), counters)
        counters.connections = 510
        watch.read(reference("web-1"), counters)
        #expect(watch.before.connections == 10)
        counters.connections = 3
        watch.read(reference("web-1"), counters)
        #expect(watch.before.connections == 10)
        watch.note(out: reference("web-1"))
        counters.connections = 8
        watch.read(reference("web-1"), counters)
        #expect(watch.before.connections == 10)
    }
}

struct ShareComparisonTests {
    @Test("however often it is looked at: of 1,000 fair coins hardly any is called unfair")
    func fairCoins() {
        var random = SplitMix64(state: 3)
        var alarms = 0
        for _ in 0..<1000 {
            var hits: [UInt64] = [0, 0], tries: [UInt64] = [0, 0]
            var highest = -Double.infinity
            for _ in 0..<400 {
                let group = Int.random(in: 0..<2, using: &random)
                tries[group] += 1
                if Double.random(in: 0..<1, using: &random) < 0.1 { hits[group] += 1 }
                highest = max(highest, ShareComparison(own: .init(hits[0], of: tries[0]), others: .init(hits[1], of: tries[1])).logEvidence)
            }
            // e^3 = 20: a probability of 5 % at most.
            if highest > 3 { alarms += 1 }
        }
        #expect(alarms <= 50)
    }

    @Test func itGrowsWithTheDifferenceAndTheSample() {
        let evidence = { (hits: UInt64, tries: UInt64) in
            ShareComparison(own: .init(hits, of: tries), others: .init(10, of: 1000)).logEvidence
        }
        #expect(evidence(1, 100) < 0 && evidence(20, 100) > 10 && evidence(200, 1000) > evidence(20, 100))
        #expect(evidence(0, 100) == -.infinity)
    }
}
