// What becomes of those that hold a draining backend, and when: that which comes first, their own end or its deadline.
import Model

package struct DrainOutlook: Equatable, Sendable {
    private let left: Int
    /// Nil: not known yet.
    private let time: TimeToEmptyReport?
    private let end: DrainEnd?
    /// Seconds, below 0 after it.
    private let deadlineIn: Double?
    /// As a time of day, where somebody looks at a page that does not count.
    private let deadlineAt: String?

    package init(left: Int, _ time: TimeToEmptyReport?, _ end: DrainEnd?, deadlineIn: Double?, deadlineAt: String? = nil) {
        (self.left, self.time, self.end, self.deadlineIn, self.deadlineAt) = (left, time, end, deadlineIn, deadlineAt)
    }

    package init(left: Int, _ time: TimeToEmptyReport?, _ drain: DrainReport?, deadlineIn: Double?) {
        let clock = drain?.deadline.map { String($0.dropFirst(11).prefix(8)) }
        self.init(left: left, time, drain?.atDeadline, deadlineIn: deadlineIn, deadlineAt: clock)
    }

    /// For a line that is rewritten: `empty in 30 s to 2 m 10 s`, or `closed at 00:12:30 UTC, in 4 m 10 s: about 37 of 120`.
    package var short: String { words(time?.short ?? "it is not known yet when it will be empty") }

    /// Its estimate with its chances, and with those that are to blame.
    package var text: String {
        let estimate = words(time?.text ?? "it is not known yet when it will be empty")
        guard deadlineIsFirst, end != .keep, let time, !time.blamed.isEmpty else { return estimate }
        return estimate + "; older than any that has ended: \(time.blamed)"
    }

    /// As likely as not it is still held then.
    package var deadlineIsFirst: Bool {
        guard let deadlineIn, end != nil else { return false }
        guard let time, let p50 = time.p50 else { return true }
        return p50 > deadlineIn
    }

    private func words(_ estimate: String) -> String {
        guard let end, let deadlineIn else { return estimate }
        let done: String
        switch end {
        case .keep: return kept(estimate, deadlineIn)
        case .close: done = "closed"
        case .reset: done = "reset"
        }
        guard deadlineIn > 0 else { return "being \(done)\(deadlineAt.map { " since the deadline at \($0) UTC" } ?? " since the deadline")" }
        let cut = "\(done)\(deadlineAt.map { " at \($0) UTC," } ?? "") in \(spoken(deadlineIn))"
        guard let time, let p50 = time.p50, let p90 = time.p90 else {
            guard time?.never == true else { return "\(cut) what is not over by then" }
            return "\(cut): \(count(time))"
        }
        if p90 <= deadlineIn { return estimate }
        return p50 <= deadlineIn ? "empty in about \(spoken(p50)), or the rest \(cut)" : "\(cut): \(count(time))"
    }

    /// The deadline only ends the waiting of whoever waits.
    private func kept(_ estimate: String, _ deadlineIn: Double) -> String {
        guard deadlineIsFirst else { return estimate }
        return estimate + (deadlineIn > 0 ? ", kept beyond the deadline in \(spoken(deadlineIn))" : ", kept beyond the deadline")
    }

    private func count(_ time: TimeToEmptyReport?) -> String {
        guard let most = time?.leftAtDeadline, left > 1 else { return left == 1 ? "the last one" : "those of \(left) that are left" }
        let closed = min(left, max(1, most))
        return closed == left ? "all \(left)" : "about \(closed) of \(left)"
    }

    private func spoken(_ seconds: Double) -> String { Duration(reported: seconds).spoken }
}
