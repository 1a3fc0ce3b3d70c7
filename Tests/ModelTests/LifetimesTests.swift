// Buckets of lifetimes: four to a doubling. Faults: a gap between two, a lifetime that falls off the end.
import Model
import Testing

struct LifetimesTests {
    @Test func bucketsFollowOneAnother() {
        for place in 0..<LifetimeBuckets.placesMax - 8 {
            let start = LifetimeBuckets.start(of: place), end = LifetimeBuckets.start(of: place + 1)
            #expect(start < end)
            #expect(LifetimeBuckets.place(of: start) == place)
            #expect(LifetimeBuckets.place(of: end - 1) == place)
        }
    }

    @Test func everyLifetimeHasAPlace() {
        for lifetime in [Int64.min, -1, 0, 1, 999_999, .max] {
            #expect((0..<LifetimeBuckets.placesMax).contains(LifetimeBuckets.place(of: lifetime)))
            #expect((0..<LifetimeBuckets.count).contains(LifetimeBuckets.index(of: lifetime)))
        }
        #expect(LifetimeBuckets.index(of: 900_000) == 0)
        // Sixty days still have a bucket of their own.
        #expect(LifetimeBuckets.index(of: 60 * 86_400 * 1_000_000_000) < LifetimeBuckets.count - 1)
    }

    @Test func theLongestIsABoundOfItsBucket() {
        #expect(LifetimeCounts().longest == nil)
        let counts = LifetimeCounts([.seconds(1), .seconds(10)])
        #expect(counts.total == 2)
        #expect(counts.longest.map { $0 >= .seconds(10) && $0 < .milliseconds(12_600) } == true)
    }
}
