// Which share of connections reaches an age: the product-limit estimate, and what lies beyond the oldest that has ended.
//
// Kaplan and Meier, "Nonparametric Estimation from Incomplete Observations": a connection that is still open says that
// its lifetime is at least its age. Each bucket's hazard counts one connection more than there were, as if one of
// them had lived on: without it the curve would be 0 behind the longest of a few hundred lifetimes, and the last of
// a hundred holders often lives longer than that. Beyond the last end the curve goes on as the last ends fell: half
// way between an exponential tail, which fat ones outlive, and Pareto's, by which hardly anything ever ends.
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
        var factor = last < 0 ? 1 : tailFactor(completed, last: last)
        // From place to place an eighth steeper than it began.
        let steepening = factor.squareRoot().squareRoot().squareRoot()
        while survivors.count < LifetimeBuckets.placesMax {
            factor *= steepening
            share *= factor
            survivors.append(share)
        }
    }

    /// By which the curve falls at the place behind the last end, judged by the last twentieth of all ends, ten at least.
    private func tailFactor(_ completed: LifetimeCounts, last: Int) -> Double {
        var before = last
        var counted: UInt64 = 0
        while before >= 0, counted < max(10, completed.total / 20) {
            counted += completed.counts[before]
            before -= 1
        }
        let fall = survivors[last] / (before < 0 ? 1 : survivors[before])
        let time = Double(longestEnded - LifetimeBuckets.start(of: before + 1))
        // By equal shares in equal times, and in equal doublings of the age.
        let exponential = Double(LifetimeBuckets.start(of: last + 2) - longestEnded) / time
        let pareto = 1 / Double(last - before)
        return fall.raised(to: (exponential * pareto).squareRoot())
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

    /// The fraction by repeated square roots, a bit each: pure code has no pow.
    fileprivate func raised(to power: Double) -> Double {
        var result = raised(to: Int(power))
        var (root, rest) = (self, power - power.rounded(.down))
        for _ in 0..<40 where rest > 0 {
            root = root.squareRoot()
            rest *= 2
            guard rest >= 1 else { continue }
            result *= root
            rest -= 1
        }
        return result
    }
}
