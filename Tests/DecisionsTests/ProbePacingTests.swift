// When probes start. Faults: a thousand backends probed in one burst, a wake-up for each of them, a first probe that
// waits for a long interval, `down` later than promised.
import Decisions
import Model
import TestSupport
import Testing

struct ProbePacingTests {
    /// A pool of new backends must not wait a long interval for its first probe, nor be probed all at once.
    @Test func firstWithinASecondAndSpread() {
        #expect(ProbePacing.first(interval: .seconds(60), random: 0.999) < .seconds(1))
        #expect(ProbePacing.first(interval: .milliseconds(100), random: 0.999) < .milliseconds(100))
        #expect(ProbePacing.first(interval: .seconds(60), random: 0) == .zero)
        #expect(ProbePacing.first(interval: .seconds(60), random: 0.5) == .milliseconds(500))
    }

    /// `down` is promised within fall x interval + timeout: jitter may only shorten.
    @Test func jitterNeverLengthens() {
        for random in [0, 0.5, 0.999_999] {
            let next = ProbePacing.next(interval: .seconds(2), jitter: 10, random: random)
            #expect(next >= .milliseconds(1800) && next <= .seconds(2))
        }
        #expect(ProbePacing.next(interval: .seconds(2), jitter: 0, random: 0.9) == .seconds(2))
        #expect(ProbePacing.next(interval: .seconds(2), jitter: 50, random: 0.999_999) > .seconds(1))
    }

    /// Nor may the common tick: it only moves forward, by less than a twentieth of the interval and never 20 ms.
    @Test func ticksNeverLengthen() {
        for interval in [Duration.milliseconds(50), .milliseconds(333), .seconds(2), .seconds(3600)] {
            for nanoseconds in [Int64(0), 1, 19_999_999, 20_000_000, 7_777_777_777] {
                let time = MonotonicTime(nanoseconds: nanoseconds)
                let early = ProbePacing.aligned(time, interval: interval).duration(to: time)
                #expect(early >= .zero && early < min(interval / 20, .milliseconds(20)))
            }
        }
    }

    /// A server told to end accepts for a moment more: two successes within a millisecond prove nothing.
    @Test func confirmingHurriesButNotBlindly() {
        #expect(ProbePacing.confirming(interval: .seconds(2), after: .success) == .milliseconds(250))
        #expect(ProbePacing.confirming(interval: .seconds(2), after: .failure(reason: "refused")) == .milliseconds(50))
        #expect(ProbePacing.confirming(interval: .milliseconds(10), after: .failure(reason: "refused")) == .milliseconds(10))
    }

    /// 1,000 backends every 2 s are 500 a second; all at once would be 1,000 connects in a millisecond. Simulated for ten
    /// minutes: no 100 ms hold more than three times their share, and no two probes of a backend are further apart than
    /// the interval.
    @Test func aThousandBackendsAreNotProbedInOneBurst() {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        let interval = Duration.seconds(2)
        var starts = [Int](repeating: 0, count: 6001)
        var ticks: Set<Int64> = []
        for _ in 0..<1000 {
            var last = MonotonicTime(nanoseconds: 0)
            var next = last.advanced(by: ProbePacing.first(interval: interval, random: .random(in: 0..<1, using: &random)))
            while next.nanoseconds < 600_000_000_000 {
                let start = ProbePacing.aligned(next, interval: interval)
                #expect(last.duration(to: start) <= interval)
                starts[Int(start.nanoseconds / 100_000_000)] += 1
                ticks.insert(start.nanoseconds)
                last = start
                next = start.advanced(by: ProbePacing.next(interval: interval, jitter: 10, random: .random(in: 0..<1, using: &random)))
            }
        }
        // The share is 50 in 100 ms; the first second holds each backend's first probe, which is twice that.
        #expect(starts.max()! <= 150, "SEED=\(SeededGenerator.seed): \(starts.max()!) in 100 ms")
        // And they share their wake-ups: 50 a second at most.
        #expect(ticks.count <= 30_000)
    }
}
