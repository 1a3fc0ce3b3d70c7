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
            #expect(try balancer.command(line, within: .seconds(5)).code == .done, "\(line) of a node that is down")
        }
        #expect(try balancer.command("maintain web/web-1", within: .seconds(5)).code == .done)
        #expect(try balancer.command("drain web/web-1 wait=yes", within: .seconds(5)).code == .done, "from maintenance")
        for line in ["undrain web/web-2", "ready web/web-2", "probe web/web-2"] {
            #expect(try balancer.command(line, within: .seconds(5)).code == .done, "\(line) of a node that is up")
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
        #expect(took[5] < .milliseconds(20) * Scale.patience, "took \(took.map(\.spoken))")
    }
}

@Suite(.lab(.heavy)) struct DrainAnswer {
    let lab = Lab.current
    private static let cycles = Scale.of(60, full: 500)

    /// A connect that reached the node: when its client began it, and when it knew where it was.
    private struct Arrival {
        let began: ContinuousClock.Instant
        let known: ContinuousClock.Instant
    }

    @Test("complaint 9: a drained node still gets connections; here none that begins after the drain's answer")
    func complaint9() throws {
        let balancer = try Balancer(lab, ConfigurationText(
            [("web-1", try TestServer.greeting("web-1", lab)), ("web-2", try TestServer.greeting("web-2", lab))], workers: 2))
        let endpoint = try balancer.endpoint()
        let stop = StopFlag()
        let clients = (0..<4).map { _ in Background { try DrainAnswer.connect(to: endpoint, until: stop) } }
        defer { stop.raise() }
        let conversation = try ControlConversation(balancer.control)
        var windows: [(from: ContinuousClock.Instant, to: ContinuousClock.Instant)] = []
        for _ in 0..<DrainAnswer.cycles {
            try conversation.send("drain web/web-1\n")
            #expect(try conversation.reply().code == .done)
            let answered = ContinuousClock.now
            observe(for: .milliseconds(10))
            windows.append((answered, .now))
            try conversation.send("undrain web/web-1\n")
            #expect(try conversation.reply().code == .done)
            observe(for: .milliseconds(3))
        }
        stop.raise()
        let results = try clients.map { try $0.result() }
        let arrivals = results.flatMap(\.arrivals)
        #expect(arrivals.count > DrainAnswer.cycles, "only \(arrivals.count) connects reached the node at all")
        let total = results.reduce(0) { $0 + $1.connects }
        #expect(total > DrainAnswer.cycles * 10, "only \(total) connects")
        for (number, window) in windows.enumerated() {
            // One that is known only after the undrain may have been sent there by it.
            let wrong = arrivals.filter { $0.began >= window.from && $0.known <= window.to }
            #expect(wrong.isEmpty, "cycle \(number): \(wrong.count) connects begun after the answer reached the drained node")
        }
    }

    /// Connects to the end, 750 a second at most; those that reached web-1.
    private static func connect(to endpoint: Endpoint, until stop: StopFlag) throws -> (connects: Int, arrivals: [Arrival]) {
        var arrivals: [Arrival] = []
        var connects = 0
        while !stop.isRaised {
            let began = ContinuousClock.now
            let name = try Peer(connecting: endpoint).line()
            let known = ContinuousClock.now
            if name == "web-1" { arrivals.append(Arrival(began: began, known: known)) }
            connects += 1
            let rest = began + .microseconds(1333) - known
            if rest > .milliseconds(1) { observe(for: .milliseconds(1)) }
        }
        return (connects, arrivals)
    }
}

extension TestServer {
    /// Says its name and ends.
    fileprivate static func greeting(_ name: String, _ lab: Lab) throws -> TestServer {
        try TestServer(lab) { try $0.send(name + "\n") }
    }
}
