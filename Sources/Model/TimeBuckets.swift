// The scale of every histogram of times: four buckets to a doubling, so that no value is off by more than a quarter.
//
// Log-linear, as in HdrHistogram with two bits of precision: the place is found by counting leading zeros.

@frozen package enum TimeBuckets {
    /// 2^10 ns: what is shorter falls into the first bucket.
    @inlinable static var unitShift: Int64 { 10 }
    /// The last holds all that is longer than 39 hours.
    @inlinable package static var count: Int { 145 }

    /// The bucket of a time in nanoseconds.
    @inlinable package static func index(of nanoseconds: Int64) -> Int {
        let units = max(0, nanoseconds) >> unitShift
        guard units >= 4 else { return Int(units) }
        let doubling = 63 - units.leadingZeroBitCount - 2
        return min(count - 1, doubling * 4 + Int(units >> Int64(doubling)))
    }

    /// Nanoseconds at which a bucket begins.
    package static func start(of bucket: Int) -> Int64 {
        guard bucket >= 4 else { return Int64(bucket) << unitShift }
        let (doubling, quarter) = (bucket - 4).quotientAndRemainder(dividingBy: 4)
        return Int64(4 + quarter) << (Int64(doubling) + unitShift)
    }
}

/// A histogram of times, on the scale of `TimeBuckets`.
package struct TimeCounts: Equatable, Sendable {
    package var counts: [UInt64]
    /// Nanoseconds of all together.
    package var sum: UInt64 = 0

    package init() { counts = [UInt64](repeating: 0, count: TimeBuckets.count) }

    package var total: UInt64 { counts.reduce(0, &+) }

    /// What came since.
    package static func - (now: TimeCounts, before: TimeCounts) -> TimeCounts {
        var rest = now
        for bucket in rest.counts.indices { rest.counts[bucket] &-= before.counts[bucket] }
        rest.sum &-= before.sum
        return rest
    }

    /// The end of the bucket in which a share of all lies, 0.99 say: none of those was longer. Nil: there was none.
    package func quantile(_ share: Double) -> Duration? {
        let total = total
        guard total > 0 else { return nil }
        let wanted = max(1, UInt64((Double(total) * share).rounded(.up)))
        var seen: UInt64 = 0
        for (bucket, count) in counts.enumerated() {
            seen &+= count
            if seen >= wanted { return .nanoseconds(TimeBuckets.start(of: bucket + 1)) }
        }
        return .nanoseconds(TimeBuckets.start(of: counts.count))
    }
}
