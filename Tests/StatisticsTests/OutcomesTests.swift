// What became of a backend's connections, by histograms. Faults: a value in another's bucket, and a difference that is wrong
// when a counter has gone round.
import Model
import TestSupport
import Testing

@testable import Statistics

struct OutcomesTests {
    @Test func countersAreSummedOverWorkersAndKeptApart() async throws {
        let segment = try Segment(layout: SegmentLayout(workers: 3, slots: 2, listeners: 1))
        segment.view.tickets(slot: 1).take()
        try await onThread {
            try await onThreads(3) { worker in
                let counters = segment.view.outcomes(worker: worker, slot: 1)
                for _ in 0..<1000 {
                    counters.countFirstByte(after: 1_000_000)
                    counters.countEnd(age: 20_000_000, bytesToClient: 0)
                    counters.countEnd(age: 1_000_000_000_000, bytesToClient: 7)
                }
            }
        }
        var expected = ConnectionOutcomes()
        expected.firstBytes[3] = 3000
        expected.earlyEnds[1] = 3000
        expected.answers[0] = 3000
        #expect(segment.view.outcomes(slot: 1) == expected)
        #expect(segment.view.outcomes(slot: 0) == ConnectionOutcomes())
    }

    @Test func bucketsJoinWithoutAGap() {
        for bucket in 1..<FirstByteBuckets.count {
            let start = FirstByteBuckets.start(of: bucket).wholeNanoseconds
            let (below, at) = (FirstByteBuckets.index(of: start - 1), FirstByteBuckets.index(of: start))
            #expect(below == bucket - 1 && at == bucket)
        }
        #expect(FirstByteBuckets.index(of: -5) == 0 && FirstByteBuckets.index(of: .max) == 15)
        for bucket in 0..<EarlyEndBuckets.count {
            let end = EarlyEndBuckets.end(of: bucket).wholeNanoseconds
            let (below, at) = (EarlyEndBuckets.index(of: end - 1), EarlyEndBuckets.index(of: end))
            #expect(below == bucket && at == (bucket == 7 ? nil : bucket + 1), "\(bucket)")
        }
        for bucket in 0..<AnswerBuckets.count - 1 {
            let end = UInt64(AnswerBuckets.end(of: bucket))
            let (below, at) = (AnswerBuckets.index(of: end - 1), AnswerBuckets.index(of: end))
            #expect(below == bucket && at == bucket + 1, "\(bucket)")
        }
        #expect(AnswerBuckets.index(of: .max) == 7)
    }

    @Test func aDifferenceIsRightWhenACounterHasGoneRound() {
        var before = ConnectionOutcomes(), now = ConnectionOutcomes()
        before.firstBytes[2] = 0xFFFF_FFFE
        now.firstBytes[2] = 3
        #expect((now - before).firstBytes[2] == 5)
    }
}
