// Failed connections as a reason to look. Faults: one dead client or a scanner that flips a backend, a probe with every
// report while clients go on failing.
import Decisions
import Model
import Testing

private func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

struct FailureBurstTests {
    private let rule = PassiveHealth(failures: 3, within: .seconds(5))

    @Test func fewAreNone() {
        var burst = FailureBurst()
        #expect(burst.count(1, at: at(0), rule: rule) == nil)
        #expect(burst.count(1, at: at(5000), rule: rule) == nil)
        // The first is forgotten by now.
        #expect(burst.count(1, at: at(5001), rule: rule) == nil)
        #expect(burst.count(1, at: at(5002), rule: rule) == 3)
    }

    @Test func manyAreOneAtOnce() {
        var burst = FailureBurst()
        #expect(burst.count(412, at: at(0), rule: rule) == 412)
    }

    @Test func afterABurstThereIsQuiet() {
        var burst = FailureBurst()
        var bursts = 0
        // A scanner: ten resets a second, for a minute.
        for tick in 0..<600 where burst.count(1, at: at(Int64(tick) * 100), rule: rule) != nil { bursts += 1 }
        #expect((10...12).contains(bursts), "\(bursts) probes asked for in a minute")
    }

    /// The rules of the table: nothing but a probe's finding and the wish are in it.
    @Test func aBurstAloneTakesNothingOut() {
        var burst = FailureBurst()
        var health = ProbeHealth(rise: 2, fall: 3)
        #expect(health.handle(.success) == .up)
        for second in 0..<1000 {
            let asked = burst.count(50, at: at(Int64(second) * 1000), rule: rule) != nil
            if asked { #expect(health.handle(.success) == nil) }
        }
        #expect(Availability(wish: .ready, finding: health.finding, isEmpty: false) == .available)
    }
}
