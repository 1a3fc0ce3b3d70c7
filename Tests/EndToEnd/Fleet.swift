// Several balancers at once: the verb goes to each, the answer names each, and the worst end is the command's. Faults: a
// drain that counts as done while another balancer still sends to the node, and one that hangs with a dead balancer.
import ControlProtocol
import Foundation
import Glibc
import Model
import Testing

@Suite(.lab) struct Fleet {
    let lab = Lab.current
    private let balancers: [Balancer]

    init() throws {
        let lab = Lab.current
        let server = try TestServer.named("web-1", lab)
        balancers = try ["east", "west"].map { name in
            var configuration = ConfigurationText([("web-1", server)])
            configuration.stateDirectory = "run-\(name)"
            return try Balancer(lab, configuration, name: name)
        }
    }

    private func start(_ arguments: [String], controls: [String]? = nil) throws -> RunningProgram {
        let controls = controls ?? balancers.map(\.control)
        return try lab.start([Installed.product("lbctl")] + controls.flatMap { ["--control", $0] } + arguments)
    }

    private func lbctl(_ arguments: String..., controls: [String]? = nil) throws -> ProgramEnd { try start(arguments, controls: controls).end() }

    @Test("every verb goes to each balancer, as lines and as JSON, and the answer names each", arguments: [
        (["drain", "web/web-1"], Wish.drain), (["drain", "web/web-1", "--wait"], .drain), (["undrain", "web/web-1"], .ready),
        (["maintain", "web/web-1", "--reason", "move"], .maintenance), (["ready", "web/web-1"], .ready), (["probe", "web/web-1"], .ready),
        (["status"], .ready), (["status", "web", "web/web-1"], .ready), (["events"], .ready), (["config", "check"], .ready),
    ])
    func everyVerb(arguments: [String], wish: Wish) throws {
        for format in [[], ["-o", "json"]] {
            let end = try start(arguments + format).end()
            #expect(end.status == 0, "\(end)")
            for balancer in balancers { #expect(end.output.contains(balancer.control), "\(balancer.control) is not named: \(end)") }
            for balancer in balancers { #expect(try balancer.backend("web-1").wish == wish) }
        }
    }

    @Test("events --follow follows each")
    func following() throws {
        let follower = try start(["events", "--follow", "-o", "json"])
        try eventually(within: .seconds(10), "both balancers' drains") {
            for balancer in balancers { _ = try balancer.command("drain web/web-1 owner=ann") }
            for balancer in balancers { _ = try balancer.command("undrain web/web-1 owner=ann") }
            let lines = follower.output.split(separator: "\n").filter { $0.contains("\"owner\":\"ann\"") }
            return balancers.allSatisfy { balancer in lines.contains { $0.contains(balancer.control) } }
        }
    }

    @Test("a drain is done when it is done everywhere")
    func doneEverywhere() throws {
        let held = try balancers[1].connection(to: "web-1")
        let drain = try start(["drain", "web/web-1", "--wait"])
        try balancers[0].backend("web-1") { $0.availability == .drained }
        try balancers[1].backend("web-1") { $0.availability == .draining }
        observe(for: .milliseconds(300))
        #expect(try drain.isRunning(), "done although \(balancers[1].control) still had a connection")
        held.close()
        let end = try drain.end()
        #expect(end.status == 0, "\(end)")
        #expect(end.output.contains("\(balancers[1].control): web/web-1 drained"), "\(end)")
    }

    @Test("one that is not there: exit 5 and which, and the others are told all the same")
    func oneIsGone() throws {
        let nobody = lab.path("nobody.sock")
        let end = try lbctl("drain", "web/web-1", "--wait", controls: balancers.map(\.control) + [nobody])
        #expect(end.status == 5, "\(end)")
        #expect(end.errors.contains(nobody) && !end.errors.contains("answers at \(balancers[0].control)"), "\(end)")
        for balancer in balancers { #expect(try balancer.backend("web-1").availability == .drained) }
        let status = try lbctl("status", "-o", "json", controls: [nobody, balancers[0].control])
        #expect(status.status == 5 && status.output.contains("\"error\"") && status.output.contains(balancers[0].control), "\(status)")
    }

    @Test("one that hangs: exit 5 and which, after ten seconds and not never")
    func oneHangs() throws {
        try ProcessTable.stop(balancers[1].process)
        defer { kill(balancers[1].process, SIGCONT) }
        let end = try lbctl("drain", "web/web-1", "--wait")
        #expect(end.status == 5, "\(end)")
        #expect(end.errors.contains(balancers[1].control) && end.errors.contains("does it hang?"), "\(end)")
        #expect(end.output.contains("\(balancers[0].control): web/web-1 drained"), "\(end)")
    }

    @Test("of several failures the worst is the exit status: 5 before 4 before 3 before 1")
    func worst() throws {
        #expect(try balancers[0].command("drain web/web-1 owner=alice").code == .done)
        // Refused here, done there.
        let refused = try lbctl("drain", "web/web-1", "--owner", "bob")
        #expect(refused.status == 4 && refused.errors.contains(balancers[0].control), "\(refused)")
        #expect(try balancers[1].backend("web-1").drain?.owner == "bob")
        #expect(try balancers[1].command("undrain web/web-1 owner=bob").code == .done)
        // Refused here, too late there.
        let held = try balancers[1].connection(to: "web-1")
        let both = try lbctl("drain", "web/web-1", "--owner", "bob", "--wait", "--deadline", "100ms")
        #expect(both.status == 4 && both.errors.contains("not empty") && both.errors.contains("refused"), "\(both)")
        let gone = try lbctl("drain", "web/web-1", "--owner", "bob", "--wait", "--deadline", "100ms", controls: balancers.map(\.control) + [lab.path("no.sock")])
        #expect(gone.status == 5, "\(gone)")
        held.close()
    }
}
