// The report as people and Config/quickstart read it.
import Testing

@testable import quickstart

struct SummaryTests {
    private var busy: Tally {
        var tally = Tally()
        for (name, generation) in [("web-2", 1), ("web-1", 2), ("web-1", 1)] {
            tally.asked()
            tally.answered(by: Answerer(name: name, generation: generation), after: .microseconds(250))
        }
        tally.openedShort()
        tally.openedLong()
        tally.measured(direct: .microseconds(60), through: .microseconds(101))
        tally.measured(direct: .microseconds(70), through: .microseconds(1500))
        return tally
    }

    @Test func reportsKeysAndValues() {
        let report = Summary(tally: busy, elapsed: .milliseconds(1500)).report
        #expect(report == [
            "seconds=1.5", "requests=3", "connections.short=1", "connections.long=1", "failed=0",
            "answered.web-1.1=1", "answered.web-1.2=1", "answered.web-2.1=1", "moved=0", "slowest-us=250",
            "hop.samples=2", "hop.direct.median-us=60", "hop.direct.p99-us=70",
            "hop.through.median-us=101", "hop.through.p99-us=1500", "hop.added-us=41",
        ])
    }

    @Test func leavesOutWhatWasNotMeasured() {
        let report = Summary(tally: Tally(), elapsed: .seconds(1)).report
        #expect(!report.contains { $0.hasPrefix("hop.") || $0.hasPrefix("answered.") || $0.hasPrefix("failed.") })
        #expect(Summary(tally: Tally(), elapsed: .seconds(1)).lines.contains("answered   by nobody"))
    }

    @Test func namesEveryReasonOfFailure() {
        var tally = busy
        tally.failed(LoadFailure(.earlyEnd, ""))
        tally.failed(LoadFailure(.timeout, ""))
        let summary = Summary(tally: tally, elapsed: .seconds(1))
        #expect(summary.lines.contains("failed     2: 1 timeout, 1 early-end"))
        #expect(summary.report.contains("failed.early-end=1"))
        #expect(summary.report.contains("failed=2"))
    }

    /// In a quiet minute the balancer can come out faster than the direct way: the sign must show.
    @Test func keepsTheSignOfADifference() {
        var tally = Tally()
        tally.measured(direct: .microseconds(80), through: .microseconds(73))
        #expect(Summary(tally: tally, elapsed: .seconds(1)).lines.contains("added      -7 us per round trip"))
    }
}
