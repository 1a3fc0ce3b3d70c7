// `lbctl top`: what lbd did, seen while it works, stands still, or is dead. Fault: a balancer that nobody can look into just
// when it matters.
import ControlProtocol
import Foundation
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct Top {
    let lab = Lab.current
    private let balancer: Balancer

    init() throws {
        let lab = Lab.current
        balancer = try Balancer(lab, ConfigurationText([
            ("web-1", try TestServer.named("web-1", lab)), ("web-2", try TestServer.named("web-2", lab)),
        ]))
    }

    /// What scripts go by.
    private struct Seen: Decodable {
        struct Process: Decodable {
            let pid: Int32
            let liveness: String
            let silentSeconds: Double?
            let silentSince: String?
            let connections: Int
        }
        struct Listener: Decodable {
            let name: String
            let connections: Int
            let connectionsTotal: UInt64
        }
        struct Backend: Decodable {
            let name: String
            let availability: String
            let connections: Int
            let connectionsTotal: UInt64
            let bytesToClient: UInt64
            let drain: DrainReport?
        }
        struct Pool: Decodable {
            let name: String
            let backends: [Backend]
        }
        struct Connection: Decodable {
            let id: String
            let client: String?
            let backend: String?
            let phase: String
            let bytesToClient: UInt64
        }
        let process: Process
        let listeners: [Listener]
        let pools: [Pool]
        let connections: [Connection]
        let connectionsListed: Int

        var backends: [Backend] { pools.flatMap(\.backends) }
    }

    private func look(_ arguments: [String] = []) throws -> (seen: Seen, end: ProgramEnd) {
        let end = try balancer.startLbctl(["top", "--once", "-o", "json"] + arguments).end()
        guard end.status == 0 else { throw HarnessError("top ended with \(end)") }
        return (try JSONDecoder().decode(Seen.self, from: Data(end.output.utf8)), end)
    }

    /// Waits until what is seen is as wanted.
    private func seen(_ what: String, at location: SourceLocation = #_sourceLocation, _ wanted: (Seen) -> Bool) throws -> Seen {
        try eventually(within: .seconds(20), what, at: location) {
            let seen = try look().seen
            return wanted(seen) ? seen : nil
        }
    }

    @Test("a balancer that runs: the same numbers as status, each connection by its id")
    func running() throws {
        let held = try [balancer.connection(to: "web-1"), balancer.connection(to: "web-2"), balancer.connection(to: "web-2")]
        _ = try balancer.command("drain web/web-1 owner=alice reason=\"new disk\" deadline=5m")
        let seen = try seen("the three connections and the drain") {
            $0.connections.count == 3 && $0.backends.first?.drain?.owner == "alice" && $0.backends.map(\.connections) == [1, 2]
        }
        #expect(seen.process.liveness == "running" && seen.process.pid == balancer.process && seen.process.silentSeconds == nil)
        #expect(seen.listeners.map(\.connections) == [3] && seen.process.connections == 3)
        #expect(seen.backends[0].availability == "draining" && seen.backends[0].drain?.reason == "new disk" && seen.backends[0].drain?.deadline != nil)
        #expect(seen.backends[0].bytesToClient >= 6, "the greeting")
        #expect(Set(seen.connections.compactMap(\.backend)) == ["web-1", "web-2"] && seen.connections.allSatisfy { $0.phase == "relaying" && $0.client != nil })
        let ids = try balancer.lbctl("connections").output
        #expect(seen.connections.allSatisfy { ids.contains($0.id) }, "\(ids)")
        for peer in held { peer.close() }
        #expect(try self.seen("nobody") { $0.connections.isEmpty }.process.connections == 0)
    }

    @Test("SIGSTOP: it says so, with the connections that were live")
    func stopped() throws {
        let held = try (1...8).map { _ in try balancer.connect() }
        _ = try seen("eight connections") { $0.connections.count == 8 }
        try ProcessTable.stop(balancer.process)
        let (seen, end) = try eventually(within: .seconds(20), "that it is stopped") {
            let look = try look()
            return look.seen.process.liveness == "stopped" ? look : nil
        }
        #expect(seen.connections.count == 8 && seen.process.pid == balancer.process && seen.process.silentSince != nil)
        #expect(seen.backends.reduce(0) { $0 + $1.connections } == 8)
        #expect(end.errors.contains("stopped by a signal") && end.errors.contains("kill -CONT \(balancer.process)"), "\(end)")
        kill(balancer.process, SIGCONT)
        _ = try self.seen("that it goes on") { $0.process.liveness == "running" }
        for peer in held { peer.close() }
    }

    @Test("kill -9: what it left says that it crashed, since when, and who was connected")
    func crashed() throws {
        let held = try (1...5).map { _ in try balancer.connect() }
        _ = try seen("five connections") { $0.connections.count == 5 }
        try balancer.program.signal(SIGKILL)
        try balancer.program.end()
        let (seen, end) = try look()
        #expect(seen.process.liveness == "crashed" && seen.process.pid == balancer.process)
        #expect(seen.connections.count == 5 && (seen.process.silentSeconds ?? -1) >= 0 && seen.process.silentSince != nil)
        #expect(end.errors.contains("lbctl: warning: lbd has been silent") && end.errors.contains("crashed or was killed"), "\(end)")
        let table = try balancer.lbctl("top", "--once", "--connections")
        #expect(table.status == 0 && table.output.contains("5 connections") && table.output.contains("crashed after"), "\(table)")
        for peer in held { peer.close() }
    }

    /// As from a container, or where /proc hides other users' processes: lbd's number is nobody's there.
    @Test("where its process cannot be seen a balancer still is not taken for dead; that it hangs or has crashed is seen as well")
    func unseen() throws {
        let elsewhere = ["unshare", "--pid", "--fork", "--mount-proc"]
        // Only root may, and not in every container.
        guard try lab.run(elsewhere + ["true"]).status == 0 else { return }
        func look() throws -> (seen: Seen, end: ProgramEnd) {
            let end = try lab.run(elsewhere + [Installed.product("lbctl"), "--control", balancer.control, "top", "--once", "-o", "json"])
            guard end.status == 0 else { throw HarnessError("top ended with \(end)") }
            return (try JSONDecoder().decode(Seen.self, from: Data(end.output.utf8)), end)
        }
        let held = try balancer.connection(to: "web-1")
        let running = try look()
        #expect(running.seen.process.liveness == "running" && running.seen.process.pid == balancer.process && running.end.errors.isEmpty, "\(running.end)")
        try ProcessTable.stop(balancer.process)
        let hung = try eventually(within: .seconds(30), "that it is silent") {
            let look = try look()
            return look.seen.process.liveness == "hung" ? look.end : nil
        }
        #expect(hung.errors.contains("cannot be seen from here") && !hung.errors.contains("kill -CONT"), "\(hung)")
        try balancer.program.signal(SIGKILL)
        try balancer.program.end()
        #expect(try look().seen.process.liveness == "crashed")
        held.close()
    }

    @Test("the control socket is asked nothing: it may be gone, the state directory tells as well")
    func withoutControl() throws {
        let held = try balancer.connection(to: "web-1")
        _ = try seen("a connection") { $0.connections.count == 1 }
        try Files.remove(balancer.control)
        #expect(try look().seen.connections.count == 1)
        let end = try lab.run([Installed.product("lbctl"), "top", "--once", "--state-directory", lab.path("run"), "-o", "json"])
        #expect(end.status == 0 && end.output.contains("\"pid\":\(balancer.process)"), "\(end)")
        held.close()
    }

    @Test("no statistics: exit 5, what is missing and what to do")
    func missing() throws {
        let nobody = try lab.run([Installed.product("lbctl"), "--control", lab.path("nobody.sock"), "top", "--once"])
        #expect(nobody.status == 5 && nobody.output.isEmpty, "\(nobody)")
        #expect(nobody.errors.contains("nobody.sock.statistics is not there") && nobody.errors.contains("--state-directory"), "\(nobody)")
        let folder = try lab.run([Installed.product("lbctl"), "top", "--state-directory", lab.folder])
        #expect(folder.status == 5 && folder.errors.contains("\(lab.folder)/statistics is not there"), "\(folder)")
        let file = try lab.run([Installed.product("lbctl"), "top", "--segment", lab.path("none")])
        #expect(file.status == 5 && file.errors.contains("none is not there"), "\(file)")
        try balancer.stop()
        let ended = try lab.run([Installed.product("lbctl"), "--control", balancer.control, "top"])
        #expect(ended.status == 5 && ended.output.isEmpty, "one that ended in good order leaves nothing: \(ended)")
        let wrong = try lab.run([Installed.product("lbctl"), "top", "--segment", try lab.write("notes.txt", "hello")])
        #expect(wrong.status == 1 && wrong.errors.contains("notes.txt"), "\(wrong)")
    }

    @Test("a pool that there is not: exit 1 and the nearest; several balancers: each under its name")
    func several() throws {
        let unknown = try balancer.lbctl("top", "wep", "--once")
        #expect(unknown.status == 1 && unknown.errors.contains("did you mean 'web'?"), "\(unknown)")
        let both = try balancer.lbctl("top", "--control", lab.path("nobody.sock"), "-o", "json")
        #expect(both.status == 5 && both.output.contains("{\"balancers\":[{\"control\":") && both.output.contains("\"error\":"), "\(both)")
    }

    // MARK: The live view

    private func live(_ arguments: [String] = [], columns: UInt16 = 100, rows: UInt16 = 30, environment: String = "unset NO_COLOR; export TERM=xterm") throws -> Pseudoterminal {
        let command = [try Installed.product("lbctl"), "--control", balancer.control, "top"] + arguments
        return try Pseudoterminal(lab, command, columns: columns, rows: rows, environment: environment)
    }

    @Test("the live view: rows, keys, another size, and the terminal as it was after q")
    func keys() throws {
        let held = try balancer.connection(to: "web-2")
        let terminal = try live()
        let first = try terminal.shows("both backends and the connection") { frame in
            frame.contains { $0.contains("web-2") && $0.contains("available") && $0.firstMatch(of: /\ 1 +#/) != nil }
        }
        #expect(first.count == 30 && first.allSatisfy { $0.count <= 100 } && first.last?.contains("q quit") == true, "\(first)")
        #expect(try !terminal.isRestored() && terminal.output().contains("\u{1B}[?1049h"))
        try terminal.type("\u{1B}[B\u{1B}[B")
        try terminal.shows("web-2 selected") { $0.contains { $0.hasPrefix("> web-2") } }
        try terminal.type("\r")
        try terminal.shows("the connections of web-2") { $0.contains { $0.contains("web/web-2") } && $0.contains { $0.contains("relaying") } }
        try terminal.type("\u{1B}")
        try terminal.shows("the pools again") { $0.contains { $0.hasPrefix("> web-2") } }
        try terminal.type("?")
        try terminal.shows("the help") { $0.contains { $0.contains("Ctrl-C") } }
        try terminal.type("x")
        try terminal.resize(columns: 60, rows: 12)
        let small = try terminal.shows("a smaller frame") { $0.count == 12 && $0.contains { $0.contains("web-2") } }
        #expect(small.allSatisfy { $0.count <= 60 }, "\(small)")
        try terminal.type("q")
        #expect(try terminal.end() == .exited(status: 0))
        #expect(try terminal.isRestored() && terminal.output().hasSuffix("\u{1B}[?1049l"))
        held.close()
    }

    @Test("the terminal is given back whatever ends the view", arguments: [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV])
    func ended(by signal: Int32) throws {
        // Else Swift's own handler draws on, and asks for a key.
        let terminal = try live(environment: "unset NO_COLOR; export TERM=xterm SWIFT_BACKTRACE=enable=no")
        try terminal.shows("both backends") { $0.contains { $0.contains("web-2") } }
        try terminal.signal(signal)
        let end = try terminal.end()
        let isCrash = [SIGABRT, SIGSEGV].contains(signal)
        #expect(end == (isCrash ? .killed(signal: signal) : .exited(status: 0)))
        #expect(try terminal.isRestored())
        #expect(terminal.output().contains("\u{1B}[?1049l") && terminal.output().contains("\u{1B}[?25h"))
    }

    @Test("Ctrl-C ends it as q does")
    func interrupted() throws {
        let terminal = try live()
        try terminal.shows("both backends") { $0.contains { $0.contains("web-2") } }
        try terminal.type("\u{3}")
        #expect(try terminal.end() == .exited(status: 0))
        #expect(try terminal.isRestored())
    }

    @Test("a balancer that is stopped while one looks: a banner, and gone when it goes on")
    func stoppedWhileLookedAt() throws {
        let terminal = try live(["--interval", "200ms"], columns: 160)
        try terminal.shows("both backends") { $0.contains { $0.contains("web-2") } }
        try ProcessTable.stop(balancer.process)
        try terminal.shows("the banner") { $0.contains { $0.contains("stopped by a signal (SIGSTOP)") } }
        kill(balancer.process, SIGCONT)
        try terminal.shows("no banner any more") { frame in frame.contains { $0.contains("web-2") } && !frame.contains { $0.contains("SIGSTOP") } }
        try terminal.type("q")
        #expect(try terminal.end() == .exited(status: 0))
    }

    @Test("a drain in the live view: its owner, what is left of it, and its end")
    func drain() throws {
        let held = try [balancer.connection(to: "web-1"), balancer.connection(to: "web-1")]
        let terminal = try live(["--interval", "200ms"], columns: 160)
        try terminal.shows("two connections") { $0.contains { $0.contains("web-1") && $0.firstMatch(of: /\ 2 +#/) != nil } }
        _ = try balancer.command("drain web/web-1 owner=alice reason=\"new disk\" deadline=5m lease=10m")
        try terminal.shows("who drains it, and until when") { frame in
            frame.contains { $0.contains("drained by alice") && $0.contains("2 left") && $0.contains("deadline in 4 m") && $0.contains("lease ends in 9 m") }
        }
        held[0].close()
        try terminal.shows("that one has left") { $0.contains { $0.contains("1 left") && $0.contains("empty in about") } }
        held[1].close()
        try terminal.shows("that it is drained") { $0.contains { $0.contains("web-1") && $0.contains("drained") && $0.firstMatch(of: /\ 0 +-/) != nil } }
        try terminal.type("q")
        #expect(try terminal.end() == .exited(status: 0))
    }

    @Test("without a screen to draw on it prints once", arguments: ["export TERM=dumb", "unset TERM"])
    func noScreen(environment: String) throws {
        let terminal = try live(environment: environment)
        #expect(try terminal.end() == .exited(status: 0))
        #expect(terminal.output().contains("web/web-1") && !terminal.output().contains("\u{1B}[?1049h"))
    }
}
