// When the last of a backend's connections will have ended, judged by how long the pool's connections live.
import Model

package struct TimeToEmpty: Equatable, Sendable {
    /// It is as likely to be empty by then as not; nil: never at this rate.
    package let median: Duration?
    /// It is empty by then in nine of ten cases.
    package let ninetieth: Duration?
    /// How many are likely to be open at the deadline; nil: there is none, or nothing has ended yet to judge by.
    package let leftAtDeadline: Int?
    /// How many connections of the pool have ended: what this is judged by.
    package let ended: UInt64
    /// No connection that has ended was older.
    package let longestEnded: Duration?

    package var isNever: Bool { ninetieth == nil }

    /// A holder so old that only this share would get there is none of those that end by themselves.
    private static let believed = 0.05
    /// And so many times as old as the oldest that has ended it is none of them in any case.
    private static let beyond = 4

    /// `open`: the ages of all open connections of the pool; `holders`: of those that hold the backend; `deadline`: until
    /// something is done about them.
    package init(completed: LifetimeCounts, open: LifetimeCounts, holders: [Duration], deadline: Duration? = nil) {
        ended = completed.total
        let longest = completed.longest
        longestEnded = longest
        guard !holders.isEmpty else {
            (median, ninetieth, leftAtDeadline) = (.zero, .zero, deadline == nil ? nil : 0)
            return
        }
        let curve = SurvivalCurve(completed: completed, open: open)
        let ends = { (age: Duration) in
            longest.map { age <= $0 * TimeToEmpty.beyond && curve.shareBeyond(reaching: age.wholeNanoseconds) > TimeToEmpty.believed } ?? false
        }
        let ending = holders.filter(ends)
        leftAtDeadline = longest == nil ? nil : deadline.map { holders.count - ending.count + Int(Crowd(curve, ending).left(after: $0).rounded()) }
        guard ending.count == holders.count else {
            (median, ninetieth) = (nil, nil)
            return
        }
        let crowd = Crowd(curve, holders)
        let ninetieth = crowd.time(until: 0.9)
        median = ninetieth == nil ? nil : crowd.time(until: 0.5)
        self.ninetieth = ninetieth
    }

    /// Whether a holder of this age is older than anything that has ended.
    package func blames(age: Duration) -> Bool { longestEnded.map { age > $0 } ?? true }
}
