// What lbd tells its operator when something is short. Faults: a limit that is cut without a word; clients that are
// reset and no line says why; one line a worker for what is the process's; a drained node that nobody expects.
import ControlProtocol
import Foundation
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct Telling {
    let lab = Lab.current

    private func log(_ balancer: Balancer, says text: String, at location: SourceLocation = #_sourceLocation) throws {
        try eventually(within: .seconds(10), "the log to say '\(text)'", at: location) { balancer.program.errors.contains(text) }
    }

    @Test("a connections-max that the descriptor limit does not carry is warned of, and the limit that is named carries it")
    func descriptors() throws {
        var configuration = ConfigurationText([("web-1", try TestServer.named("web-1", lab))])
        configuration.settings = ["connections-max: 200"]
        let balancer = try Balancer(lab, configuration, prelude: "ulimit -n 128")
        let carried = try balancer.status().connectionsMax
        #expect((1..<60).contains(carried))
        let words = "connections-max is 200, but the descriptor limit of 128 carries \(carried) connections: raise it (LimitNOFILE=, ulimit -n) to "
        try log(balancer, says: words)
        let rest = try #require(balancer.program.errors.components(separatedBy: words).last)
        let wanted = try #require(Int(rest.prefix { $0.isNumber }))
        try balancer.stop()
        let raised = try Balancer(lab, configuration, prelude: "ulimit -n \(wanted)")
        #expect(try raised.status().connectionsMax == 200)
        #expect(!raised.program.errors.contains("raise it"))
    }

    @Test("clients that are reset since no backend can be connected: lines add up to what the status counts")
    func unreachable() throws {
        let closed = try ClosedPort()
        let balancer = try Balancer(lab, ConfigurationText(backends: [("web-1", "\"\(closed.endpoint)\"")], ["connect-retries: 1"]))
        let events = try EventFollower(balancer, lab)
        for _ in 0..<7 { #expect(try balancer.connect().toEnd().ending == .reset) }
        let number = { (event: EventRecord) in Int(event.text.prefix { $0.isNumber }) ?? 0 }
        try eventually(within: .seconds(10), "all failures to be told") {
            let failing = events.events.filter { $0.event == "connectsFailing" && $0.subject == "web/web-1" }
            let reset = events.events.filter { $0.event == "poolUnreachable" && $0.subject == "pool web" }
            return failing.reduce(0) { $0 + number($1) } == 14 && reset.reduce(0) { $0 + number($1) } == 7
        }
        #expect(events.events.contains { $0.failure == "refused" && $0.reason == "Connection refused" && $0.text.contains("no other backend being available") })
    }

    @Test("the process's connections-max is said once, not by each worker")
    func processFull() throws {
        var configuration = ConfigurationText([("web-1", try TestServer.named("web-1", lab))])
        configuration.settings = ["connections-max: 2"]
        let balancer = try Balancer(lab, configuration)
        let events = try EventFollower(balancer, lab)
        let endpoint = try balancer.endpoint()
        var peers = try (0..<10).map { _ in try Peer(connecting: endpoint) }
        try events.event("the process is full") {
            $0.event == "processFull" && $0.subject == "lbd" && $0.text.contains("the connections-max of the process")
        }
        let status = try balancer.lbctl("status")
        #expect(status.output.contains(", 2 of 2 connections\n") && status.output.contains("the process is full"), "\(status)")
        peers.removeAll()
        try events.event("there is room") { $0.event == "processHasRoom" }
        #expect(events.events.count { $0.event == "processFull" } == 1)
    }

    @Test("a listener that cannot be opened is named")
    func addressInUse() throws {
        let first = try Balancer(lab, ConfigurationText([("web-1", try TestServer.named("web-1", lab))]))
        var configuration = ConfigurationText([("web-1", try TestServer.named("web-1", lab))])
        configuration.listeners[0].bind = "\(try first.endpoint())"
        configuration.stateDirectory = "other"
        let file = try lab.write("second.yaml", configuration.yaml(control: "second.sock"))
        let end = try lab.start([Installed.product("lbd"), "--config", file]).end(within: .seconds(10))
        #expect(end.status == 1 && end.errors.contains("listener 'web': bind 127.0.0.1:"), "\(end)")
    }

    @Test("the last backend's drain and removal warn of what becomes of new connections, as when-none says")
    func warnsOfWhatBecomes() throws {
        let server = try TestServer.named("web-1", lab)
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)], ["when-none: hold"]))
        #expect(try balancer.command("drain web/web-1").data.last == "warning: pool web has no available backend now: new connections are held")
        #expect(try balancer.command("pool add spare").code == .done)
        #expect(try balancer.command("pool set web when-none=divert divert=spare").code == .done)
        #expect(try balancer.command("maintain web/web-1").data.last == "warning: pool web has no available backend now: new connections go to pool spare")
        #expect(try balancer.command("backend remove web/web-1").data.last == "warning: pool web has no backend left: its new connections go to pool spare")
    }

    @Test("the last backend's drain warns; its wish is told at the next start; an unknown pool's answer names the pools")
    func drainedAtStart() throws {
        let configuration = ConfigurationText([("web-1", try TestServer.named("web-1", lab))])
        let balancer = try Balancer(lab, configuration)
        let drain = try balancer.lbctl("drain", "web/web-1", "--owner", "ann", "--lease", "1h")
        let warning = "warning: pool web has no available backend now: new connections are reset"
        #expect(drain.status == 0 && drain.errors == "lbctl: \(warning)\n" && !drain.output.contains("warning"), "\(drain)")
        #expect(try balancer.command("maintain web/web-1 owner=ann").data.last == warning)
        #expect(try balancer.lbctl("undrain", "web/web-1", "--owner", "ann").errors == "")
        let waited = try balancer.lbctl("drain", "web/web-1", "--owner", "ann", "--lease", "1h", "--wait", "-o", "json")
        #expect(waited.status == 0 && waited.errors == "lbctl: \(warning)\n", "\(waited)")
        let status = try balancer.lbctl("status").output
        #expect(status.contains("pool web (least-connections), no available backend: new connections are reset\n"), "\(status)")
        #expect(status.contains("  by ann, leased\n"), "\(status)")
        #expect(try balancer.lbctl("status", "-o", "wide").output.contains("by ann since 20") && balancer.lbctl("status", "-o", "wide").output.contains(", lease until 20"))
        #expect(try balancer.lbctl("status", "nope").errors.contains("there is no pool 'nope'; pools: web"))
        try balancer.stop()
        let again = try Balancer(lab, configuration)
        try log(again, says: "starts in drain: saved wish of ann since 20")
        try log(again, says: "Z, overrides the file")
    }
}
