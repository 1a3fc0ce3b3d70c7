// What an operator sees of a healthy balancer: status, events, exit statuses, data and messages kept apart.
import ControlProtocol
import Foundation
import Model
import Testing

@Suite(.lab) struct Operator {
    let lab = Lab.current
    private let balancer: Balancer

    init() throws {
        let lab = Lab.current
        balancer = try Balancer(lab, ConfigurationText([
            ("web-1", try TestServer.named("web-1", lab)), ("web-2", try TestServer.named("web-2", lab)),
        ]))
    }

    @Test("status as a table and as JSON tells the same")
    func status() throws {
        let served = try balancer.census(10)["web-2", default: 0]
        let held = try balancer.connection(to: "web-2")
        try balancer.backend("web-2") { $0.connections == 1 }
        try balancer.backend("web-1") { $0.connections == 0 }
        let json = try balancer.lbctl("status", "-o", "json")
        #expect(json.status == 0 && json.errors.isEmpty, "\(json)")
        let report = try JSONDecoder().decode(StatusReport.self, from: Data(json.output.utf8))
        #expect(report == (try balancer.status()))
        #expect(report.pid == balancer.process)
        let backend = report.pools[0].backends[1]
        #expect(backend.name == "web-2" && backend.connections == 1 && backend.connectionsTotal == served + 1)
        #expect(backend.bytesToClient == 6 * (served + 1), "greetings of six bytes")

        let table = try balancer.lbctl("status")
        #expect(table.status == 0, "\(table)")
        for word in ["web/web-1", "web/web-2", backend.address, "available", "ready", "up"] {
            #expect(table.output.contains(word), "\(word) is not in the table:\n\(table.output)")
        }
        held.close()
    }

    @Test("status of one pool and of one backend; of a name that is not there: exit 1 and the nearest")
    func scope() throws {
        let one = try balancer.lbctl("status", "web/web-2")
        #expect(one.output.contains("web/web-2") && !one.output.contains("web/web-1"), "\(one)")
        #expect(try balancer.lbctl("status", "web").output.contains("web/web-1"))
        let unknown = try balancer.lbctl("status", "web/web-3x")
        #expect(unknown.status == 1, "\(unknown)")
        #expect(unknown.errors.contains("web-3x") && unknown.output.isEmpty, "\(unknown)")
    }

    @Test("events --follow tells a drain as it happens, as a line and as JSON", arguments: [[String](), ["-o", "json"]])
    func events(format: [String]) throws {
        let follower = try balancer.startLbctl(["events", "--follow"] + format)
        try eventually(within: .seconds(10), "the drain among the events") {
            // Repeated, because nothing tells when the follower has begun to follow.
            _ = try balancer.command("drain web/web-1 owner=alice reason=\"new kernel\"")
            _ = try balancer.command("undrain web/web-1 owner=alice")
            return follower.output.contains("alice") && follower.output.contains("drained")
        }
        let line = follower.output.split(separator: "\n").first { $0.contains("alice") }!
        #expect(line.contains("web/web-1") && line.contains("new kernel"), "\(line)")
        if !format.isEmpty {
            let record = try JSONDecoder().decode(EventRecord.self, from: Data(line.utf8))
            #expect(record.event == "wish" && record.to == "drain" && record.by?.contains("alice") == true)
        }
    }

    @Test("no balancer answers: exit 5, and the socket's path")
    func noBalancer() throws {
        let end = try lab.run([Installed.product("lbctl"), "--control", lab.path("nobody.sock"), "status"])
        #expect(end.status == 5, "\(end)")
        #expect(end.errors.contains("nobody.sock") && end.output.isEmpty, "\(end)")
        #expect(end.errors.contains("is lbd running?"), "\(end)")
    }

    @Test("a control path that is no socket is told as such")
    func noSocket() throws {
        let end = try lab.run([Installed.product("lbctl"), "--control", try lab.write("notes.txt", "hello"), "status"])
        #expect(end.status == 5 && end.errors.contains("notes.txt is not a socket"), "\(end)")
    }

    @Test("the states are coloured on a terminal that shows colours, and for nobody who wants none", arguments: [
        ("unset NO_COLOR; export TERM=xterm", true), ("unset NO_COLOR; export TERM=dumb", false), ("export NO_COLOR=1 TERM=xterm", false),
    ])
    func colours(environment: String, are coloured: Bool) throws {
        let command = "\(try Installed.product("lbctl")) --control \(balancer.control) status"
        let end = try lab.run([Installed.program("script"), "-qec", command, "/dev/null"], prelude: environment)
        #expect(end.output.contains("\u{1B}[32mavailable\u{1B}[0m") == coloured, "\(end)")
        #expect(end.output.contains("available"), "\(end)")
    }

    @Test("undrain of what was not drained says so")
    func undrainOfTheReady() throws {
        let end = try balancer.lbctl("undrain", "web/web-1")
        #expect(end.status == 0 && end.output.contains("web/web-1 was not drained"), "\(end)")
    }

    @Test("LBCTL_CONTROL names the balancer where --control does not")
    func environment() throws {
        let end = try lab.run(
            [Installed.product("lbctl"), "status"], prelude: "export LBCTL_CONTROL=\"\(balancer.control)\"")
        #expect(end.status == 0, "\(end)")
        #expect(end.output.contains("web/web-1"))
    }

    @Test("the control protocol through socat, as a person would")
    func socat() throws {
        let end = try lab.run([
            "sh", "-c", "printf 'status web/web-1\\nhelp\\n' | \(Installed.program("socat")) -t2 - UNIX-CONNECT:\(balancer.control)",
        ])
        #expect(end.output.split(separator: "\n").filter { $0 == "+ok" }.count == 2, "\(end)")
        #expect(end.output.contains("web/web-1"))
    }
}
