// What people complain of in others' drains (features.md, section C), a test each that fails on it.
import ControlProtocol
import Foundation
import Glibc
import Model
import Synchronization
import SystemCalls
import Testing

@Suite(.lab) struct DrainComplaints {
    let lab = Lab.current

    private func balancer(_ settings: [String] = []) throws -> Balancer {
        try Balancer(lab, ConfigurationText(try ["web-1", "web-2"].map { ($0, try TestServer.named($0, lab)) }, settings))
    }

    @Test("complaint 8: waiting for a drain hangs when the node is down, in maintenance or drained already; and for a node that is up")
    func complaint8() throws {
        let dead = try TestServer.named("web-1", lab)
        let configuration = ConfigurationText(
            [("web-1", dead), ("web-2", try TestServer.named("web-2", lab))], ["health: { check: connect, interval: 100ms, rise: 1, fall: 1 }"])
        let balancer = try Balancer(lab, configuration)
        try balancer.becomesAvailable()
        dead.stop()
        try balancer.backend("web-1") { $0.probe == .down }
        for line in ["drain web/web-1 wait=yes", "drain web/web-1 wait=yes", "undrain web/web-1"] {
            #expect(try balancer.command(line, within: .seconds(60)).code == .done, "\(line) of a node that is down")
        }
        #expect(try balancer.command("maintain web/web-1", within: .seconds(60)).code == .done)
        #expect(try balancer.command("drain web/web-1 wait=yes", within: .seconds(60)).code == .done, "from maintenance")
        for line in ["undrain web/web-2", "ready web/web-2", "probe web/web-2"] {
            #expect(try balancer.command(line, within: .seconds(60)).code == .done, "\(line) of a node that is up")
        }
    }

    @Test("complaint 8: nor does it hang when the node dies while connections still hold it")
    func complaint8DiesMeanwhile() throws {
        let dying = try TestServer.named("web-1", lab)
        let balancer = try Balancer(lab, ConfigurationText([("web-1", dying)], ["health: { check: connect, interval: 100ms, rise: 1, fall: 1 }"]))
        try balancer.becomesAvailable()
        let held = try balancer.connection(to: "web-1")
        let drain = try balancer.startLbctl(["drain", "web/web-1", "--wait", "--deadline", "1m"])
        try balancer.backend("web-1") { $0.availability == .draining }
        dying.stop()
        held.halfClose()
        #expect(try drain.end(within: .seconds(10)).status == 0)
    }

    @Test("complaint 26: drained by a human, un-drained by a tool")
    func complaint26() throws {
        let balancer = try balancer(["health: { check: connect, interval: 100ms, rise: 1, fall: 1 }"])
        try balancer.becomesAvailable()
        #expect(try balancer.lbctl("drain", "web/web-1", "--owner", "alice", "--reason", "bad disk").status == 0)
        // A tool that means well: by another name, by every verb that could bring it back, and by a rollout.
        for arguments in [["undrain", "web/web-1"], ["ready", "web/web-1"], ["maintain", "web/web-1"], ["drain", "web/web-1", "--lease", "1s"]] {
            let end = try balancer.startLbctl(arguments + ["--owner", "tool"]).end()
            #expect(end.status == 4 && end.errors.contains("alice") && end.errors.contains("bad disk"), "\(end)")
        }
        let rollout = try balancer.lbctl("rollout", "run", "web", "--restart", "true")
        #expect(rollout.status == 4 && rollout.text.contains("web/web-1"), "\(rollout)")
        // Probes go on, and lbd starts anew.
        #expect(try balancer.command("probe web/web-1").code == .done)
        try balancer.stop()
        let again = try Balancer(lab, file: lab.path("lbd.yaml"))
        try again.backend("web-1") { $0.probe == .up }
        let report = try again.backend("web-1")
        #expect(report.wish == .drain && report.drain?.owner == "alice" && report.drain?.reason == "bad disk")
        #expect(try again.census(20) == ["web-2": 20])
        #expect(try again.lbctl("undrain", "web/web-1", "--owner", "alice").status == 0)
    }

    @Test("drain wait=yes is told of the last close, it does not look again each second: 20 ms")
    func toldNotPolled() throws {
        let balancer = try balancer()
        let took = try (0..<11).map { _ in
            let held = try balancer.connection(to: "web-1")
            let conversation = try ControlConversation(balancer.control)
            try conversation.send("drain web/web-1 wait=yes owner=x\n")
            try balancer.backend("web-1") { $0.availability == .draining }
            held.close()
            let closed = ContinuousClock.now
            #expect(try conversation.reply().code == .done)
            let took = ContinuousClock.now - closed
            #expect(try balancer.command("undrain web/web-1 owner=x").code == .done)
            return took
        }.sorted()
        Attachment.record("took \(took)", named: "drain-wait.txt")
        #expect(took[5] < .milliseconds(20) * Scale.slowness * Scale.patience, "took \(took.map(\.spoken))")
    }

    @Test("lbctl drain --wait has ended 20 ms after the last close")
    func lbctlIsTold() throws {
        let balancer = try balancer()
        let took = try (0..<5).map { _ in
            let held = try balancer.connection(to: "web-1")
            let drain = try balancer.startLbctl(["drain", "web/web-1", "--wait", "--owner", "x"])
            // It has said so: it is not on its way any more.
            try eventually(within: .seconds(20), "lbctl to wait") { drain.output.contains("1 connection") }
            held.close()
            let closed = ContinuousClock.now
            while try drain.isRunning(), ContinuousClock.now - closed < .seconds(20) { observe(for: .milliseconds(1)) }
            let took = ContinuousClock.now - closed
            #expect(try drain.end().status == 0)
            #expect(try balancer.command("undrain web/web-1 owner=x").code == .done)
            return took
        }.sorted()
        Attachment.record("took \(took)", named: "lbctl-drain-wait.txt")
        #expect(took[2] < .milliseconds(20) * Scale.slowness * Scale.patience, "took \(took.map(\.spoken))")
    }
}

@Suite(.lab(.heavy)) struct DrainAnswer {
    let lab = Lab.current
    private static let cycles = Scale.of(60, full: 500)
    private static let rate = Scale.of(750, full: 3000)

    @Test("complaint 9: a drained node still gets connections; here none that begins after the drain's answer")
    func complaint9() throws {
        let servers = try ["web-1", "web-2"].map { ($0, "\"\(try CrowdServer(lab, named: $0, .leaves).endpoint)\"") }
        let balancer = try Balancer(lab, ConfigurationText(backends: servers, workers: 2))
        let conversation = try ControlConversation(balancer.control)
        func change(_ verb: String) throws {
            try conversation.send("\(verb) web/web-1\n")
            #expect(try conversation.reply().code == .done)
        }
        let before = try ProcessTable.processorTime(balancer.process)
        let visitors = Visitors(lab, to: try balancer.endpoint(), perSecond: DrainAnswer.rate)
        var drained: [ClosedRange<ContinuousClock.Instant>] = []
        for _ in 0..<DrainAnswer.cycles {
            try change("drain")
            let answered = ContinuousClock.now
            try awaitVisitors(visitors, begunAfter: answered + .milliseconds(5))
            drained.append(answered ... .now)
            try change("undrain")
            observe(for: .milliseconds(3))
        }
        let report = try visitors.stop()
        let used = try ProcessTable.processorTime(balancer.process) - before
        expectNoneReached(report, drained)
        expectRate(report, used: used)
    }

    private func awaitVisitors(_ visitors: Visitors, begunAfter moment: ContinuousClock.Instant) throws {
        let limit = ContinuousClock.now + .seconds(20) * Scale.patience
        while visitors.newestBegan < moment {
            guard ContinuousClock.now < limit else { throw HarnessError("nobody was served any more") }
            observe(for: .milliseconds(1))
        }
    }

    private func expectNoneReached(_ report: Visitors.Report, _ drained: [ClosedRange<ContinuousClock.Instant>]) {
        #expect(report.failed == 0, "\(report.failed) of \(report.visits.count) were not served")
        var looked = 0, number = 0
        var wrong: [Int] = []
        for visit in report.visits.sorted(by: { $0.began < $1.began }) {
            while number < drained.count, drained[number].upperBound < visit.began { number += 1 }
            // One that is known only after the undrain may have been sent there by it.
            guard number < drained.count, drained[number].contains(visit.began), drained[number].contains(visit.known) else { continue }
            looked += 1
            if visit.backend == "web-1" { wrong.append(number) }
        }
        #expect(wrong.isEmpty, "\(wrong.count) of \(looked) connects begun after a drain's answer reached the drained node, in the cycles \(wrong.prefix(20))")
        // It shows nothing where nobody came meanwhile, or web-1 was never in rotation.
        #expect(looked >= DrainAnswer.cycles, "only \(looked) connects within \(DrainAnswer.cycles) drains")
        let reached = report.visits.count { $0.backend == "web-1" }
        #expect(reached > DrainAnswer.cycles, "only \(reached) connects reached the node at all")
    }

    /// The rate, or what this machine gave: at full size two processors would do for it with what lbd uses for each.
    private func expectRate(_ report: Visitors.Report, used: Duration) {
        let each = used / max(1, report.visits.count)
        let figures = "\(Int(report.rate)) connects a second for \(report.took.spoken), \(Int(each / .microseconds(1))) µs of processor time each"
        Attachment.record(figures, named: "drain-answer.txt")
        #expect(report.rate > Double(DrainAnswer.rate) / Double(10 * Scale.patience), "\(figures)")
        if Scale.isFull, !Scale.isSanitized, report.rate < Double(DrainAnswer.rate) * 0.95 {
            Issue.record("the machine gave \(figures)", severity: .warning)
            #expect(each < .seconds(2) / DrainAnswer.rate * Scale.slowness, "\(figures)")
        }
    }
}
