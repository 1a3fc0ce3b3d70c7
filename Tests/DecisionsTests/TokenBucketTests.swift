// GCRA as I.371 has it. Faults: a burst too many or too few, a rate that creeps above its limit, tokens saved up for
// longer than the burst, early ones that push everybody else back.
import Decisions
import Model
import Testing

/// A bucket and its one number.
private final class Kept {
    let bucket: TokenBucket
    private(set) var theoreticalArrival: Int64 = 0

    init(perSecond: Int, burst: Int) { bucket = TokenBucket(ConnectionRate(perSecond: perSecond, burst: burst)) }

    func takes(at now: Int64) -> Bool {
        switch bucket.judge(at: now, theoreticalArrival: theoreticalArrival) {
        case .tooEarly: return false
        case .conforms(let next):
            theoreticalArrival = next
            return true
        }
    }

    func takes(of count: Int, at now: Int64) -> Int { (0..<count).count { _ in takes(at: now) } }
}

struct TokenBucketTests {
    private let start: Int64 = 1_000_000_000_000

    @Test("a burst at once, then one an interval", arguments: [1, 2, 10])
    func burst(_ burst: Int) {
        let kept = Kept(perSecond: 50, burst: burst)
        #expect(kept.takes(of: 100, at: start) == burst)
        #expect(!kept.takes(at: start + 19_999_999))
        #expect(kept.takes(of: 100, at: start + 20_000_000) == 1)
        #expect(kept.takes(of: 100, at: start + 60_000_000) == min(burst, 2))
    }

    @Test("a quiet time saves up the burst and no more")
    func quiet() {
        let kept = Kept(perSecond: 10, burst: 4)
        #expect(kept.takes(of: 100, at: start) == 4)
        #expect(kept.takes(of: 100, at: start + 3_600_000_000_000) == 4)
    }

    @Test("'too early' says when it is not any more, and changes nothing")
    func until() {
        let kept = Kept(perSecond: 10, burst: 2)
        #expect(kept.takes(of: 2, at: start) == 2)
        for now in [start, start + 1, start + 99_999_999] {
            #expect(kept.bucket.judge(at: now, theoreticalArrival: kept.theoreticalArrival) == .tooEarly(until: start + 100_000_000))
        }
        #expect(kept.takes(at: start + 100_000_000))
    }

    @Test("never more than burst and rate allow, whenever somebody comes", arguments: [(1, 1), (3, 7), (999, 10), (1_000_000, 1_000_000)])
    func bound(_ limit: (perSecond: Int, burst: Int)) {
        var random = SplitMix64(seed: 7)
        let kept = Kept(perSecond: limit.perSecond, burst: limit.burst)
        var now = start
        var taken = 0
        for _ in 0..<20_000 {
            now += Int64(random.next() % UInt64(2_000_000_000 / limit.perSecond))
            taken += kept.takes(at: now) ? 1 : 0
            let seconds = Double(now - start) / 1e9
            #expect(Double(taken) <= Double(limit.burst) + seconds * Double(limit.perSecond) + 1e-6)
        }
        // Demand was as high as the rate: most of it is used.
        #expect(Double(taken) > 0.5 * Double(now - start) / 1e9 * Double(limit.perSecond))
    }

    @Test("a clock that lags behind lets nobody in too many")
    func lag() {
        let kept = Kept(perSecond: 10, burst: 1)
        #expect(kept.takes(at: start))
        #expect(!kept.takes(at: start - 50_000_000))
        #expect(kept.takes(at: start + 100_000_000))
    }
}
