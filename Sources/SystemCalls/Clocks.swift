// The machine's clocks: the one that measures, and the one that people read.
import Glibc
import Model

package enum Clocks {
    /// Monotonic, exact to the nanosecond; a few tens of nanoseconds a call.
    package static func monotonic() -> MonotonicTime { read(CLOCK_MONOTONIC) }

    /// Monotonic, as of the last timer tick (1 to 10 ms); the cheapest there is.
    package static func coarse() -> MonotonicTime { read(CLOCK_MONOTONIC_COARSE) }

    /// Processor time that the calling thread has used.
    package static func threadTime() -> Duration { .nanoseconds(read(CLOCK_THREAD_CPUTIME_ID).nanoseconds) }

    package static func calendar() -> Timestamp {
        Timestamp(milliseconds: read(CLOCK_REALTIME).nanoseconds / 1_000_000)
    }

    private static func read(_ clock: clockid_t) -> MonotonicTime {
        var time = timespec()
        let result = clock_gettime(clock, &time)
        precondition(result == 0, "the kernel has this clock")
        return MonotonicTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
