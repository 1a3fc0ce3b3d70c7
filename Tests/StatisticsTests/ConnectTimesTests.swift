// Faults: a sum that goes round and takes the count with it; times of several workers that do not add up.
import Statistics
import Testing

struct ConnectTimesTests {
    @Test func addUpOverTheWorkers() throws {
        let segment = try Segment(layout: SegmentLayout(workers: 2, slots: 3, listeners: 1))
        segment.view.tickets(slot: 1).take()
        let before = segment.view.totals(slot: 1).connectTimes
        for _ in 0..<10 { segment.view.backend(worker: 0, slot: 1).countConnect(microseconds: 300) }
        segment.view.backend(worker: 1, slot: 1).countConnect(microseconds: 2_000_000)
        let times = segment.view.totals(slot: 1).connectTimes.since(before)
        #expect(times.count == 11 && times.microseconds == 2_003_000)
        #expect(segment.view.totals(slot: 2).connectTimes.count == 0)
    }

    @Test func differencesSurviveGoingRound() throws {
        let segment = try Segment(layout: SegmentLayout(workers: 1, slots: 1, listeners: 1))
        segment.view.tickets(slot: 0).take()
        let counters = segment.view.backend(worker: 0, slot: 0)
        // 2⁴⁰ microseconds are passed after 257 of the longest.
        for _ in 0..<300 {
            let before = segment.view.totals(slot: 0).connectTimes
            counters.countConnect(microseconds: .max)
            let since = segment.view.totals(slot: 0).connectTimes.since(before)
            #expect(since.count == 1 && since.microseconds == UInt64(UInt32.max))
        }
    }
}
