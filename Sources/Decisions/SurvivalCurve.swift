// Which share of connections reaches an age: the product-limit estimate, and what lies beyond the oldest that has ended.
//
// Kaplan and Meier, "Nonparametric Estimation from Incomplete Observations": a connection that is still open says that
// its lifetime is at least its age. Each bucket's hazard counts one connection more than there were, as if one of
// them had lived on: without it the curve would be 0 behind the longest of a few hundred lifetimes, and the last of
// a hundred holders often lives longer than that. Beyond the last end the curve goes on as steeply as it came, and a
// little steeper with each doubling of the age: between an exponential tail, which fat ones outlive, and Pareto's, by
// which nothing ever ends.
import Model

package struct SurvivalCurve: Sendable {
    /// At the end of each place of `LifetimeBuckets`.
    private var survivors: [Double] = []
    /// In nanoseconds; the curve beyond it is a guess.
    private let longestEnded: Int64

    /// `open`: the ages of those that have not ended.
    package init(completed: LifetimeCounts, open: LifetimeCounts) {
        var atRisk = Double(completed.total + open.total)
        var share = 1.0
        let last = completed.counts.lastIndex { $0 > 0 } ?? -1
        for bucket in 0..<(last + 1) {
            let ended = Double(completed.counts[bucket])
            let left = Double(open.counts[bucket])
            share *= 1 - ended / (atRisk - left / 2 + 1)
            survivors.append(share)
            atRisk -= ended + left
        }
        longestEnded = LifetimeBuckets.start(of: last + 1)
        var factor = tailFactor
        let steepening = SurvivalCurve.root(of: factor, degree: 8)
        while survivors.count < LifetimeBuckets.placesMax {
            factor *= steepening
            share *= factor
            survivors.append(share)
        }
    }

    /// By what the last tenth of all ends (or as many as there are) fell from place to place.
    private var tailFactor: Double {
        guard let end = survivors.last else { return 1 }
        let start = survivors.lastIndex { $0 >= min(1, 10 * end) } ?? -1
        let ratio = end / (start < 0 ? 1 : survivors[start])
        return SurvivalCurve.root(of: ratio, degree: max(1, survivors.count - 1 - start))
    }

    /// Of a number from 0 to 1, by halving: pure code has no pow.
    private static func root(of number: Double, degree: Int) -> Double {
        var (low, high) = (0.0, 1.0)
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if middle.raised(to: degree) < number { low = middle } else { high = middle }
        }
        return high
    }

    /// Of those that are as old as the oldest that has ended, the share that gets this old.
    package func shareBeyond(reaching age: Int64) -> Double {
        age <= longestEnded ? 1 : share(reaching: age) / share(reaching: longestEnded)
    }

    /// The share that reaches an age in nanoseconds.
    package func share(reaching age: Int64) -> Double {
        let place = LifetimeBuckets.place(of: age)
        let before = place == 0 ? 1 : survivors[place - 1]
        let start = LifetimeBuckets.start(of: place)
        let length = Double(LifetimeBuckets.start(of: place + 1) - start)
        return before + (survivors[place] - before) * Double(age - start) / length
    }
}

extension Double {
    /// By repeated squaring.
    func raised(to power: Int) -> Double {
        var (result, square, rest) = (1.0, self, power)
        while rest > 0 {
            if rest & 1 == 1 { result *= square }
            square *= square
            rest >>= 1
        }
        return result
    }
}
