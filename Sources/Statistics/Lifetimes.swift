// How long each pool's connections lived: a histogram a worker, written by it alone, read as the sum of all.
import Model
import Synchronization

package struct LifetimeCounters: @unchecked Sendable {
    // Invariant: points into the segment, which outlives every user, at one counter a bucket; written by one worker.
    fileprivate let first: UnsafeMutablePointer<Atomic<UInt64>>

    /// Nanoseconds.
    package func count(_ lifetime: Int64) { add(1, to: (first + LifetimeBuckets.index(of: lifetime)).pointee) }
}

extension SegmentView {
    package func lifetimes(worker: Int, pool: Int) -> LifetimeCounters {
        LifetimeCounters(first: memory(.poolTimes, pool, worker: worker, at: PoolTimes.allCases.count * TimeLine.bytes))
    }

    /// Over all workers.
    package func lifetimes(pool: Int) -> LifetimeCounts {
        var sum = LifetimeCounts()
        for worker in 0..<layout.workers {
            let first = lifetimes(worker: worker, pool: pool).first
            for bucket in 0..<LifetimeBuckets.count {
                sum.counts[bucket] &+= (first + bucket).pointee.load(ordering: .relaxed)
            }
        }
        return sum
    }
}
