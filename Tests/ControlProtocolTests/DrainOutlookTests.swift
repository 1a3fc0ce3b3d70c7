// What is said of a drain. Fault: an estimate of hours is shown where the connections are closed in minutes.
import ControlProtocol
import Model
import Testing

private func time(_ p50: Double?, _ p90: Double?, left: Int? = nil, ended: UInt64 = 100) -> TimeToEmptyReport {
    TimeToEmptyReport(p50: p50.map { .seconds($0) }, p90: p90.map { .seconds($0) }, leftAtDeadline: left, ended: ended, toBlame: [])
}

struct DrainOutlookTests {
    @Test("what comes first is said: the connections' own end, or what the deadline does", arguments: [
        (time(30, 130), .close, 250, "empty in 30 s to 2 m 10 s"),
        (time(30, 400), .close, 250, "empty in about 30 s, or the rest closed at 00:12:30 UTC, in 4 m 10 s"),
        (time(3600, 7200, left: 37), .close, 250, "closed at 00:12:30 UTC, in 4 m 10 s: about 37 of 120"),
        (time(3600, 7200, left: 37), .reset, 250, "reset at 00:12:30 UTC, in 4 m 10 s: about 37 of 120"),
        (time(3600, 7200, left: 0), .close, 250, "closed at 00:12:30 UTC, in 4 m 10 s: about 1 of 120"),
        (time(nil, nil, left: 120), .close, 250, "closed at 00:12:30 UTC, in 4 m 10 s: all 120"),
        (time(nil, nil, ended: 3), .close, 250, "closed at 00:12:30 UTC, in 4 m 10 s what is not over by then"),
        (nil, .close, 250, "closed at 00:12:30 UTC, in 4 m 10 s what is not over by then"),
        (time(30, 130), .close, -5, "being closed since the deadline at 00:12:30 UTC"),
        (time(3600, 7200), .keep, 250, "empty in 1 h 0 m to 2 h 0 m, kept beyond the deadline in 4 m 10 s"),
        (time(30, 130), .keep, 250, "empty in 30 s to 2 m 10 s"),
        (time(nil, nil), .keep, -5, "never at this rate, kept beyond the deadline"),
    ] as [(TimeToEmptyReport?, DrainEnd, Double, String)])
    func first(time: TimeToEmptyReport?, end: DrainEnd, deadlineIn: Double, text: String) {
        let drain = DrainReport(DrainLease(
            owner: "ann", reason: nil, since: Timestamp(milliseconds: 0), lease: nil, deadline: Timestamp(milliseconds: 750_000), atDeadline: end))
        #expect(DrainOutlook(left: 120, time, drain, deadlineIn: deadlineIn).short == text)
    }

    @Test("who waits for a drain is told the same, and explain is")
    func sameWords() {
        var record = DrainRecord(backend: "web/web-1", availability: .draining, connections: 4, waited: 1, deadlineIn: 60, atDeadline: .close)
        record.timeToEmpty = time(3600, 7200, left: 3)
        #expect(record.text == "web/web-1 draining: 4 connections hold it, closed in 1 m 0 s: about 3 of 4")
        record.timeToEmpty = time(10, 20, left: 0)
        #expect(record.text == "web/web-1 draining: 4 connections hold it, empty in 10 s (P50) to 20 s (P90)")

        let drain = DrainReport(DrainLease(
            owner: "ann", reason: nil, since: Timestamp(milliseconds: 0), lease: nil, deadline: Timestamp(milliseconds: 750_000), atDeadline: .close))
        let holders = ExplainReport.Holders(
            connections: 4, halfClosed: 0, ending: 0, connecting: 0, bytesInLastMinute: 0, byAge: [], byIdle: [], byPeer: [], oldest: [], idlest: [])
        var report = ExplainReport(
            backend: "web/web-1", address: "a", wish: .drain, probe: .up, availability: .draining, reasons: [], drain: drain, holders: holders,
            timeToEmpty: time(3600, 7200, left: 3))
        report.deadlineIn = 60
        let line = report.lines.first { $0.hasPrefix("  empty") }
        #expect(line == "  empty    closed at 00:12:30 UTC, in 1 m 0 s: about 3 of 4 (judged by 100 ended connections of the pool)")
    }
}
