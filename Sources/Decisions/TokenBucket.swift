// A rate with a burst, as GCRA decides it (the generic cell rate algorithm of ITU-T I.371, in its virtual scheduling
// form). Pure.
import Model

/// The rule. What it knows of the past is one number, kept by the caller: the theoretical arrival time, when the
/// next would come if all came evenly. 0 at first; a time that has passed means a full bucket.
package struct TokenBucket: Equatable, BitwiseCopyable, Sendable {
    /// Nanoseconds from one token to the next, rounded up: never more than the rate.
    package let interval: Int64
    /// How much earlier than in theory one may come: the burst less the one that comes. Nanoseconds.
    package let tolerance: Int64

    package enum Verdict: Equatable, Sendable {
        case conforms(theoreticalArrival: Int64)
        /// The past is unchanged: whoever comes too early takes nothing from those who come in time.
        case tooEarly(until: Int64)
    }

    package init(_ rate: ConnectionRate) {
        precondition(rate.perSecond > 0 && rate.burst > 0, "a rate lets somebody through")
        interval = (1_000_000_000 + Int64(rate.perSecond) - 1) / Int64(rate.perSecond)
        tolerance = Int64(rate.burst - 1) * interval
    }

    /// `now` in monotonic nanoseconds. A `now` that lags behind is strict, never generous.
    package func judge(at now: Int64, theoreticalArrival: Int64) -> Verdict {
        guard now >= theoreticalArrival - tolerance else { return .tooEarly(until: theoreticalArrival - tolerance) }
        return .conforms(theoreticalArrival: max(now, theoreticalArrival) + interval)
    }
}
