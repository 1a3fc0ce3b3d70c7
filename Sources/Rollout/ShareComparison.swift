// Whether a thing happens to more of the one group than of the other, judged again and again while both grow.
//
// A test that is looked at after each connection and stops at the first 'significant' p-value stops nearly always. What may
// be looked at at any time is an e-value: under the hypothesis 'the same share in both' it exceeds 1 / a at any time at all
// with a probability of a at most (Ville's inequality; Ramdas, Gruenwald, Vovk and Shafer, "Game-theoretic statistics and
// safe anytime-valid inference", 2023). This one is that of universal inference (Wasserman, Ramdas and Balakrishnan, 2020):
// the likelihood of both groups, each by itself, under Krichevsky and Trofimov's mixture of all shares, over the highest
// likelihood of any share that both have in common. It depends on the counts alone, so nothing needs to be kept.
import Decisions

package struct ShareComparison: Equatable, Sendable {
    /// Of so many tries so many times.
    package struct Count: Equatable, Sendable {
        package let hits: UInt64
        package let tries: UInt64

        package init(_ hits: UInt64, of tries: UInt64) {
            // Counters are read one after the other: the hit may be seen before its try.
            self.hits = min(hits, tries)
            self.tries = tries
        }

        package var share: Double { tries == 0 ? 0 : Double(hits) / Double(tries) }

        /// Times to which it did not happen.
        package var others: Count { Count(tries - hits, of: tries) }
    }

    package let own: Count
    package let others: Count

    package init(own: Count, others: Count) {
        self.own = own
        self.others = others
    }

    /// ln of the e-value that it happens more often to our own; never for what happens less often.
    package var logEvidence: Double {
        guard own.share > others.share else { return -.infinity }
        let both = Count(own.hits + others.hits, of: own.tries + others.tries)
        return own.mixed + others.mixed - both.best
    }

    /// Of several e-values the mean is one too, however they depend on each other.
    package static func mean(_ evidence: [Double]) -> Double {
        guard let highest = evidence.max(), highest > -.infinity else { return -.infinity }
        let sum = evidence.reduce(0) { $0 + ($1 - highest).exponential }
        return highest + (sum / Double(evidence.count)).naturalLogarithm
    }
}

extension ShareComparison.Count {
    /// ln of the likelihood, mixed over all shares.
    fileprivate var mixed: Double {
        let ways = (Double(hits) + 0.5).logarithmOfGamma + (Double(tries - hits) + 0.5).logarithmOfGamma
        let all = (Double(tries) + 1).logarithmOfGamma
        // ln pi
        return ways - all - 1.144_729_885_849_400_2
    }

    /// ln of the likelihood at the share that fits best.
    fileprivate var best: Double {
        var sum = 0.0
        for count in [hits, tries - hits] where count > 0 {
            let times = Double(count)
            sum += times * (times / Double(tries)).naturalLogarithm
        }
        return sum
    }
}
