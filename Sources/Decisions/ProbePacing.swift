// When the next probe of a backend starts: spread over the interval where there are many, sooner while things change.
import Model

package enum ProbePacing {
    /// The first one, within min(interval, 1 s). `random`: 0 ..< 1.
    package static func first(interval: Duration, random: Double) -> Duration {
        min(interval, .seconds(1)) * random
    }

    /// The next one, from the start of the last: the interval less up to `jitter` per cent, so that probes drift apart and
    /// a dead backend is still found within fall x interval + timeout. `random`: 0 ..< 1.
    package static func next(interval: Duration, jitter: Int, random: Double) -> Duration {
        interval * (1 - Double(jitter) / 100 * random)
    }

    /// Starts are moved forward to a common tick: probes that are due within it share a wake-up, which costs more than
    /// a connect does, and a tick is too short for a burst.
    package static func aligned(_ time: MonotonicTime, interval: Duration) -> MonotonicTime {
        let tick = min(interval / 20, .milliseconds(20)).wholeNanoseconds
        return MonotonicTime(nanoseconds: time.nanoseconds / tick * tick)
    }

    /// Between two probes that were asked for. Not at once after a success either: a server that has been told to
    /// end may still accept for a moment, and `rise` successes within it would prove nothing.
    package static func confirming(interval: Duration, after result: ProbeResult) -> Duration {
        switch result {
        case .success: min(interval, .milliseconds(250))
        case .failure, .inconclusive: min(interval, .milliseconds(50))
        }
    }
}
