// Histograms of times: a worker's own, written by it alone, read as the sum of all.
import Model
import Synchronization

/// One histogram in the segment: a counter a bucket, then the sum.
@frozen package struct TimeLine: @unchecked Sendable {
    // Invariant: points into the segment, which outlives every user; written by one worker.
    @usableFromInline let first: UnsafeMutablePointer<Atomic<UInt64>>
    @inlinable init(first: UnsafeMutablePointer<Atomic<UInt64>>) { self.first = first }

    /// Whole lines.
    @inlinable static var bytes: Int {
        ((TimeBuckets.count + 1) * 8 + SegmentLayout.lineBytes - 1) / SegmentLayout.lineBytes * SegmentLayout.lineBytes
    }

    @inlinable package func count(nanoseconds: Int64) {
        add(1, to: (first + TimeBuckets.index(of: nanoseconds)).pointee)
        add(UInt64(max(0, nanoseconds)), to: (first + TimeBuckets.count).pointee)
    }

    fileprivate func accumulate(in sum: inout TimeCounts) {
        for bucket in 0..<TimeBuckets.count { sum.counts[bucket] &+= (first + bucket).pointee.load(ordering: .relaxed) }
        sum.sum &+= (first + TimeBuckets.count).pointee.load(ordering: .relaxed)
    }

    fileprivate func clear() {
        for place in 0...TimeBuckets.count { (first + place).pointee.store(0, ordering: .relaxed) }
    }
}

/// In the order in which they lie in a pool's entry; `lifetimes` come behind.
@frozen package enum PoolTimes: Int, CaseIterable, Sendable {
    /// From the connect's start to its end, in good.
    case connects
    /// From what the backend answers to, the client's last byte or the connect.
    case firstBytes
    /// From the accept to the end, of connections that had a backend.
    case durations
}

extension SegmentView {
    /// What lbd itself adds, from the wait's end to the write.
    @inlinable package func hopTimes(worker: Int) -> TimeLine {
        TimeLine(first: memory(.workers, 0, worker: worker, at: SegmentLayout.lineBytes))
    }

    @inlinable package func times(_ times: PoolTimes, worker: Int, pool: Int) -> TimeLine {
        TimeLine(first: memory(.poolTimes, pool, worker: worker, at: times.rawValue * TimeLine.bytes))
    }

    package func hopTimes() -> TimeCounts { sum { hopTimes(worker: $0) } }
    package func connectTimes(pool: Int) -> TimeCounts { sum { times(.connects, worker: $0, pool: pool) } }
    package func firstByteTimes(pool: Int) -> TimeCounts { sum { times(.firstBytes, worker: $0, pool: pool) } }
    package func durations(pool: Int) -> TimeCounts { sum { times(.durations, worker: $0, pool: pool) } }

    private func sum(_ line: (Int) -> TimeLine) -> TimeCounts {
        var sum = TimeCounts()
        for worker in 0..<layout.workers { line(worker).accumulate(in: &sum) }
        return sum
    }

    /// For a pool that has just got the number: no worker writes for it yet, nor for the one before any more.
    package func clearTimes(pool: Int) {
        for worker in 0..<layout.workers {
            for times in PoolTimes.allCases { self.times(times, worker: worker, pool: pool).clear() }
        }
    }
}

// Beats: whether a worker still takes its turns.
extension SegmentView {
    /// The worker takes a beat, `now`, that was sent at `sent`: monotonic nanoseconds.
    package func storeBeat(sent: Int64, now: Int64, worker: Int) {
        line(ofWorker: worker).pointee.lag.store(max(0, now - sent), ordering: .relaxed)
        line(ofWorker: worker).pointee.taken.store(now, ordering: .relaxed)
    }

    /// `beat`: the last one's time, in monotonic nanoseconds.
    package func lag(worker: Int, beat: Int64) -> Duration {
        let line = line(ofWorker: worker)
        return WorkerLag.at(beat: beat, taken: line.pointee.taken.load(ordering: .relaxed), lag: line.pointee.lag.load(ordering: .relaxed))
    }

    func line(ofWorker worker: Int) -> UnsafeMutablePointer<WorkerLine> { memory(.workers, 0, worker: worker) }
}

/// How long a worker leaves beats untaken: what the last one waited, or, of one that takes none, for how long there should
/// have been one. By the beats alone, so that a control loop that hangs blames no worker.
enum WorkerLag {
    /// Nanoseconds from one beat to the next.
    private static let pause: Int64 = 1_000_000_000

    static func at(beat: Int64, taken: Int64, lag: Int64) -> Duration {
        .nanoseconds(taken == 0 ? lag : max(lag, beat - taken - pause))
    }
}
