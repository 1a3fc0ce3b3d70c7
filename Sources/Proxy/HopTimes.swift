// What lbd itself adds to the way of a byte: from the moment a worker wakes up to the write, in some of its rounds.
import Statistics
import SystemCalls

struct HopSampling {
    /// Monotonic nanoseconds at which the round's first socket was ready.
    private var began = HopSampling.notSampled

    private static var notSampled: Int64 { -1 }
    private static var awaitsReady: Int64 { 0 }
    /// One round in so many: taking the time costs less than a thousandth of what moving bytes does.
    private static var interval: UInt64 { 32 }

    mutating func beginWait(round: UInt64) {
        began = round % HopSampling.interval == 0 ? HopSampling.awaitsReady : HopSampling.notSampled
    }

    /// What is done from here on is not an answer to what the wait found.
    mutating func endEvents() { began = HopSampling.notSampled }

    @inline(__always) mutating func noteReady() {
        if began == HopSampling.awaitsReady { began = Clocks.monotonic().nanoseconds }
    }

    /// Nanoseconds since then, in a round that is sampled.
    @inline(__always) var elapsed: Int64? { began > 0 ? Clocks.monotonic().nanoseconds - began : nil }
}

extension WorkerHandle {
    /// Bytes that were read in this round have been written.
    @inline(__always) func noteWritten() {
        guard let elapsed = state.hop.elapsed else { return }
        state.segment.hopTimes(worker: state.index).count(nanoseconds: elapsed)
    }
}
