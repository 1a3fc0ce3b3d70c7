// Histograms of times, endings and failures by reason. Faults: one pool's times in another's histogram, a sum that does
// not fit its counts, one word counted as another, a number's new owner with the counts of the one before.
import Model
import TestSupport
import Testing

@testable import Statistics

struct TimesTests {
    @Test func timesAreSummedOverWorkersAndKeptApart() async throws {
        let view = try Segment(layout: SegmentLayout(workers: 3, slots: 1, listeners: 1, pools: 2))
        try await onThread {
            try await onThreads(3) { worker in
                for _ in 0..<1000 {
                    view.view.times(.connects, worker: worker, pool: 1).count(nanoseconds: 50_000)
                    view.view.times(.durations, worker: worker, pool: 1).count(nanoseconds: 3_000_000_000)
                    view.view.hopTimes(worker: worker).count(nanoseconds: 20_000)
                }
                view.view.times(.firstBytes, worker: worker, pool: 0).count(nanoseconds: .max)
                // A clock that went back.
                view.view.times(.firstBytes, worker: worker, pool: 0).count(nanoseconds: -1)
            }
        }
        let connects = view.view.connectTimes(pool: 1)
        #expect(connects.total == 3000 && connects.sum == 150_000_000)
        #expect(connects.counts[TimeBuckets.index(of: 50_000)] == 3000)
        #expect(view.view.durations(pool: 1).sum == 9_000_000_000_000)
        #expect(view.view.hopTimes().total == 3000)
        let firstBytes = view.view.firstByteTimes(pool: 0)
        #expect(firstBytes.total == 6 && firstBytes.counts[0] == 3 && firstBytes.counts.last == 3)
        #expect(view.view.connectTimes(pool: 0).total == 0 && view.view.firstByteTimes(pool: 1).total == 0)
        #expect(view.view.lifetimes(pool: 1).total == 0, "lifetimes lie behind, and apart")
    }

    @Test func aPoolsNewOwnerBeginsAtNothing() throws {
        let segment = try Segment(layout: SegmentLayout(workers: 2, slots: 1, listeners: 1, pools: 2))
        for pool in 0..<2 { for times in PoolTimes.allCases { segment.view.times(times, worker: 1, pool: pool).count(nanoseconds: 1) } }
        segment.view.clearTimes(pool: 0)
        #expect(segment.view.connectTimes(pool: 0) == TimeCounts() && segment.view.durations(pool: 0) == TimeCounts())
        #expect(segment.view.connectTimes(pool: 1).total == 1)
    }

    @Test func everyEndingHasACounterOfItsOwn() throws {
        let segment = try Segment(layout: SegmentLayout(workers: 2, slots: 1, listeners: 2))
        var expected: [Ending: UInt64] = [:]
        var count = 0
        for by in Culprit.allCases {
            for reason in EndReason.allCases {
                count += 1
                for turn in 0..<count { segment.view.countEnding(Ending(by: by, reason), worker: turn % 2, listener: 1) }
                expected[Ending(by: by, reason)] = UInt64(count)
            }
        }
        #expect(segment.view.endings(listener: 1) == expected)
        #expect(segment.view.endings(listener: 0) == [:])
        #expect(count * 8 <= SegmentArea.endings.stride)
        segment.view.clearEndings(listener: 1)
        #expect(segment.view.endings(listener: 1) == [:])
    }

    @Test func everyFailureHasACounterOfItsOwn() throws {
        let segment = try Segment(layout: SegmentLayout(workers: 2, slots: 2, listeners: 1))
        segment.view.tickets(slot: 1).take()
        for (count, reason) in ConnectFailureReason.allCases.enumerated() {
            for turn in 0...count { segment.view.countConnectFailure(reason, worker: turn % 2, slot: 1) }
        }
        let counted = segment.view.connectFailures(slot: 1)
        #expect(counted == Dictionary(uniqueKeysWithValues: ConnectFailureReason.allCases.enumerated().map { ($1, UInt64($0 + 1)) }))
        #expect(segment.view.connectFailures(slot: 0) == [:])
        #expect(ConnectFailureReason.allCases.count * 8 <= SegmentArea.connectFailures.stride)
        segment.view.clearConnectFailures(slot: 1)
        #expect(segment.view.connectFailures(slot: 1) == [:])
    }

    @Test func aWorkersLagIsItsOwn() throws {
        let segment = try Segment(layout: SegmentLayout(workers: 2, slots: 1, listeners: 1))
        segment.view.storeBeat(sent: 1_000_000, now: 2_500_000, worker: 1)
        #expect(segment.view.lag(worker: 1, beat: 1_000_000) == .microseconds(1500) && segment.view.lag(worker: 0, beat: 1_000_000) == .zero)
        // The next beat has just been sent: it may still be on its way. After ten it hangs.
        #expect(segment.view.lag(worker: 1, beat: 1_001_000_000) == .microseconds(1500))
        #expect(segment.view.lag(worker: 1, beat: 10_001_000_000) == .nanoseconds(10_001_000_000 - 2_500_000 - 1_000_000_000))
    }
}
