// Where a worker counts what became of a backend's connections: two lines a backend, touched with its first connection.
//
// Numbers of 32 bits that go round: a reader goes by differences. They are never taken back when a slot becomes
// another backend's, for the same reason.
import Model
import Synchronization

@frozen package struct OutcomeCounters: @unchecked Sendable {
    // Invariant: points into the segment, which outlives every user, at two lines of sixteen counters; written by one worker.
    @usableFromInline let first: UnsafeMutablePointer<Atomic<UInt32>>
    @inlinable init(first: UnsafeMutablePointer<Atomic<UInt32>>) { self.first = first }

    /// Nanoseconds from what the backend answers to.
    @inlinable package func countFirstByte(after nanoseconds: Int64) { count(FirstByteBuckets.index(of: nanoseconds)) }

    /// A connection of this age has ended, to which the backend had sent so many bytes.
    @inlinable package func countEnd(age: Int64, bytesToClient: UInt64) {
        if let bucket = EarlyEndBuckets.index(of: age) { count(FirstByteBuckets.count + bucket) }
        if age < AnswerBuckets.age { count(FirstByteBuckets.count + EarlyEndBuckets.count + AnswerBuckets.index(of: bytesToClient)) }
    }

    /// One writer: a load and a store.
    @inlinable func count(_ place: Int) {
        let counter = first + place
        counter.pointee.store(counter.pointee.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    }
}

extension SegmentView {
    @inlinable package func outcomes(worker: Int, slot: Int) -> OutcomeCounters {
        OutcomeCounters(first: memory(.outcomes, slot, worker: worker))
    }

    /// Over all workers: the histograms only.
    package func outcomes(slot: Int) -> ConnectionOutcomes {
        var sum = ConnectionOutcomes()
        guard tickets(slot: slot).isUsed else { return sum }
        for worker in 0..<layout.workers {
            let first = outcomes(worker: worker, slot: slot).first
            for place in 0..<FirstByteBuckets.count { sum.firstBytes[place].addGoingRound(first[place]) }
            for place in 0..<EarlyEndBuckets.count { sum.earlyEnds[place].addGoingRound(first[FirstByteBuckets.count + place]) }
            for place in 0..<AnswerBuckets.count {
                sum.answers[place].addGoingRound(first[FirstByteBuckets.count + EarlyEndBuckets.count + place])
            }
        }
        return sum
    }
}

extension UInt64 {
    fileprivate mutating func addGoingRound(_ counter: borrowing Atomic<UInt32>) {
        self = (self + UInt64(counter.load(ordering: .relaxed))) & 0xFFFF_FFFF
    }
}
