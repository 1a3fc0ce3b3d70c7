// How long connections lived, counted in buckets: four to a doubling, from 1 ms to 60 days.

package enum LifetimeBuckets {
    /// The first holds all that is shorter than 1 ms, the last all that is longer than 65 days.
    package static let count = 131
    /// Places on the same scale as far as time goes.
    package static let placesMax = 177

    /// 2^18 ns are a quarter of the first bucket.
    private static let unitShift: Int64 = 18

    /// The bucket of a lifetime in nanoseconds.
    package static func index(of nanoseconds: Int64) -> Int { min(place(of: nanoseconds), count - 1) }

    /// The same on a scale without a last bucket.
    package static func place(of nanoseconds: Int64) -> Int {
        let units = max(0, nanoseconds) >> unitShift
        guard units >= 4 else { return 0 }
        let doubling = 63 - units.leadingZeroBitCount - 2
        return 1 + doubling * 4 + Int(units >> Int64(doubling)) - 4
    }

    /// Nanoseconds at which a place begins.
    package static func start(of place: Int) -> Int64 {
        guard place > 0 else { return 0 }
        let (doubling, quarter) = (place - 1).quotientAndRemainder(dividingBy: 4)
        let start = Int64(4 + quarter).multipliedReportingOverflow(by: 1 << (Int64(doubling) + unitShift))
        return start.overflow ? .max : start.partialValue
    }
}

/// A histogram of lifetimes or ages.
package struct LifetimeCounts: Equatable, Sendable {
    /// By `LifetimeBuckets`.
    package var counts = [UInt64](repeating: 0, count: LifetimeBuckets.count)

    package init() {}

    package init(_ durations: some Sequence<Duration>) {
        for duration in durations { counts[LifetimeBuckets.index(of: duration.wholeNanoseconds)] += 1 }
    }

    /// Without what was counted before.
    package func since(_ before: LifetimeCounts) -> LifetimeCounts {
        var rest = self
        for bucket in counts.indices { rest.counts[bucket] &-= before.counts[bucket] }
        return rest
    }

    package var total: UInt64 { counts.reduce(0, +) }

    /// None was longer; nil: there was none.
    package var longest: Duration? {
        counts.lastIndex { $0 > 0 }.map { .nanoseconds(LifetimeBuckets.start(of: $0 + 1)) }
    }
}
