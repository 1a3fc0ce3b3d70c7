// The scale of the histograms. Fault: a value that falls between two buckets or off the end.
import Model
import Testing

struct TimeBucketsTests {
    @Test func everyBucketBeginsWhereTheOneBeforeEnds() {
        for bucket in 0..<TimeBuckets.count {
            #expect(TimeBuckets.index(of: TimeBuckets.start(of: bucket)) == bucket)
            if bucket > 0 { #expect(TimeBuckets.index(of: TimeBuckets.start(of: bucket) - 1) == bucket - 1) }
        }
        #expect(TimeBuckets.index(of: -1) == 0)
        #expect(TimeBuckets.index(of: .max) == TimeBuckets.count - 1)
    }

    @Test func noBucketIsWiderThanAQuarterOfWhereItBegins() {
        for bucket in 4..<TimeBuckets.count - 1 {
            let (start, end) = (TimeBuckets.start(of: bucket), TimeBuckets.start(of: bucket + 1))
            #expect(end - start <= start / 4)
        }
    }

    @Test func aQuantileIsNeverBelowTheValuesItCovers() throws {
        var counts = TimeCounts()
        for microseconds in 1...1000 { counts.counts[TimeBuckets.index(of: Int64(microseconds) * 1000)] += 1 }
        let p99 = try #require(counts.quantile(0.99))
        #expect(p99 >= .microseconds(990) && p99 < .microseconds(1240))
        #expect(TimeCounts().quantile(0.5) == nil)
    }
}
