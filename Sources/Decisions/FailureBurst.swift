// Failures of clients' connections, counted until they are many enough to ask the backend itself.
//
// They decide nothing: a scanner that makes a backend reset, or one dead client, brings it a probe and no more. The
// probe's finding and the operator's wish alone make its availability.
import Model

package struct FailureBurst: Sendable {
    private var counts: [(at: MonotonicTime, failures: Int)] = []
    /// No further burst before: whoever goes on failing is probed at its pace, not with each report.
    private var quietUntil: MonotonicTime?

    package init() {}

    /// So many more have failed; how many there were of late where they are a burst, which is over with that.
    package mutating func count(_ failures: Int, at now: MonotonicTime, rule: PassiveHealth) -> Int? {
        if let quietUntil, now < quietUntil { return nil }
        counts.removeAll { $0.at.duration(to: now) > rule.within }
        counts.append((now, failures))
        let sum = counts.reduce(0) { $0 + $1.failures }
        guard sum >= rule.failures else { return nil }
        counts = []
        quietUntil = now.advanced(by: rule.within)
        return sum
    }
}
