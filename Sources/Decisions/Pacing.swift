// How fast connections may be closed whose clients come back at once: so that those who take them are not flooded.
import Model

package struct Pacing: Sendable {
    /// Most connects a second that the others are to see.
    package let budget: Double
    /// Connections that are closed a second, whatever else arrives: or it would never end.
    package let least: Double
    /// By the operator.
    private let isSet: Bool

    private struct Sample {
        let at: MonotonicTime
        let connects: UInt64
        let closed: Int
    }

    /// Of the last second or two, the oldest first.
    private var samples: [Sample] = []
    private var closed = 0
    private var allowance = 0.0
    private var lastAsked: MonotonicTime?

    /// No more than so many seconds' worth at once: a burst is a rate of its own.
    private static let burst = 0.05
    private static let memory = Duration.seconds(1)

    /// So many a second, as the operator says.
    package init(perSecond: Int) {
        budget = Double(perSecond)
        least = budget
        isSet = true
    }

    /// `busiest`: connects in the busiest second of those who take them back. Where they were not busy at all, all is
    /// to be over within five minutes, and ten a second hurt nobody.
    package init(busiest: Double, holders: Int) {
        budget = max(busiest, 10, Double(holders) / 300)
        least = budget / 10
        isSet = false
    }

    /// How many may be closed now. `connects`: that the others have seen so far. `closers`: how many close at this budget,
    /// us included. What the operator says is shared; else what others of them close arrives like any other connect.
    package mutating func allowed(at now: MonotonicTime, connects: UInt64, closers: Int = 1) -> Int {
        remember(Sample(at: now, connects: connects, closed: closed))
        let elapsed = (lastAsked ?? now).duration(to: now).inSeconds
        lastAsked = now
        let share = least / Double(closers)
        let rate = isSet ? share : arrivingAnyway.map { max(share, budget - $0) } ?? share
        allowance = min(allowance + rate * elapsed, max(1, rate * Pacing.burst))
        return Int(allowance)
    }

    package mutating func note(closed count: Int) {
        closed += count
        allowance -= Double(count)
    }

    private mutating func remember(_ sample: Sample) {
        samples.append(sample)
        while samples.count > 2, samples[1].at.duration(to: sample.at) >= Pacing.memory { samples.removeFirst() }
    }

    /// Connects a second that no closing of ours explains; nil: not watched for long enough.
    private var arrivingAnyway: Double? {
        guard let first = samples.first, let last = samples.last, first.at.duration(to: last.at) >= Pacing.memory else { return nil }
        // Fewer than before: one of the others was removed meanwhile.
        let unexplained = Double(max(last.connects, first.connects) - first.connects) - Double(last.closed - first.closed)
        return max(0, unexplained) / first.at.duration(to: last.at).inSeconds
    }
}
