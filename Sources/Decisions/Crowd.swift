// When the last of several connections will have ended, judged by a survival curve.
import Model

/// The holders, those of about the same age together.
package struct Crowd: Sendable {
    private struct Group {
        var count = 0
        /// Of all of them, in nanoseconds.
        var ages = 0.0
        var age: Int64 { Int64(ages / Double(count)) }
    }

    private let curve: SurvivalCurve
    private var groups: [(age: Int64, count: Int, share: Double)] = []

    /// Nanoseconds; longer than this is never.
    private static let longest: Int64 = 10 * 366 * 86_400 * 1_000_000_000

    package init(_ curve: SurvivalCurve, _ holders: [Duration]) {
        self.curve = curve
        var byPlace: [Int: Group] = [:]
        for holder in holders {
            let age = max(0, holder.wholeNanoseconds)
            byPlace[LifetimeBuckets.place(of: age), default: Group()].count += 1
            byPlace[LifetimeBuckets.place(of: age), default: Group()].ages += Double(age)
        }
        // In a fixed order, so that the same question has the same answer to the last digit.
        groups = byPlace.sorted { $0.key < $1.key }.map(\.value).map { ($0.age, $0.count, max(curve.share(reaching: $0.age), .leastNormalMagnitude)) }
    }

    /// The first time at which all have ended with such a probability; nil: never.
    package func time(until wanted: Double) -> Duration? {
        var (low, high): (Int64, Int64) = (0, 1_000_000)
        while probability(ofEmptyIn: high) < wanted {
            (low, high) = (high, high * 2)
            guard high < Crowd.longest else { return nil }
        }
        for _ in 0..<24 {
            let middle = low + (high - low) / 2
            if probability(ofEmptyIn: middle) < wanted { low = middle } else { high = middle }
        }
        return .nanoseconds(high)
    }

    /// How many are likely to be open still.
    package func left(after time: Duration) -> Double {
        let time = max(0, time.wholeNanoseconds)
        return groups.reduce(0) { $0 + Double($1.count) * min(1, curve.share(reaching: $1.age + time) / $1.share) }
    }

    /// Each ends by itself: the product over all.
    private func probability(ofEmptyIn time: Int64) -> Double {
        groups.reduce(1) { product, group in
            product * (1 - curve.share(reaching: group.age + time) / group.share).raised(to: group.count)
        }
    }
}
