// How long connections lived: each worker's counts, summed. Fault: one pool's lifetimes in another's histogram.
import Model
import Testing

@testable import Statistics

struct LifetimesTests {
    @Test func eachPoolHasItsOwnOverAllWorkers() throws {
        let segment = try Segment(layout: SegmentLayout(workers: 2, slots: 1, listeners: 1, pools: 3))
        for worker in 0..<2 {
            segment.view.lifetimes(worker: worker, pool: 1).count(1_000_000_000)
            segment.view.lifetimes(worker: worker, pool: 2).count(.max)
        }
        segment.view.lifetimes(worker: 1, pool: 1).count(0)
        let counts = segment.view.lifetimes(pool: 1)
        #expect(counts.total == 3)
        #expect(counts.counts[LifetimeBuckets.index(of: 1_000_000_000)] == 2)
        #expect(counts.counts[0] == 1)
        #expect(segment.view.lifetimes(pool: 2).counts.last == 2)
        #expect(segment.view.lifetimes(pool: 0).total == 0)
    }
}
