// Rollouts that go wrong: they stop at the first step that fails, say where, and leave every other node serving.
import ControlProtocol
import Glibc
import Model
import Testing

@Suite(.lab) struct RolloutFailures {
    let lab = Lab.current
    private let servers: [Redis]
    private static let health = "health: { check: connect, interval: 100ms, timeout: 500ms, rise: 2, fall: 2 }"

    init() throws {
        let lab = Lab.current
        servers = try ["web-1", "web-2", "web-3"].map { try Redis(lab, $0) }
    }

    @Test("a restart command that fails: exit 1, node and step are named, the node stays out, the others serve")
    func commandFails() throws {
        let balancer = try balancer()
        let before = try processes()
        let end = try balancer.lbctl("rollout", "run", "web", "--restart", "sh -c \"echo no such unit >&2; exit 7\"")
        #expect(end.status == 1, "\(end)")
        expectNames(end, "web-1", step: ["restart"])
        #expect(end.text.contains("7"), "the command's exit status is not told: \(end)")
        #expect(end.text.contains("no such unit"), "the command's own words are not told: \(end)")
        try expectOut("web-1", balancer)
        #expect(try processes() == before)
    }

    @Test("a restart command that is not there: exit 1, and its name in the message")
    func commandMissing() throws {
        let balancer = try balancer()
        let end = try balancer.lbctl("rollout", "run", "web", "--restart", "/no/such/program {backend}")
        #expect(end.status == 1, "\(end)")
        #expect(end.text.contains("/no/such/program"), "\(end)")
        try expectOthersServe(balancer)
    }

    /// Guards against a healthy node that stays out because our own side could not begin.
    @Test("a restart command that is gone when its turn comes: exit 1, the node was not touched and is back in rotation")
    func commandGone() throws {
        let balancer = try balancer()
        let before = try processes()
        let script = try lab.write("once", "#!/bin/sh\nrm \"$0\"\nexec \"\(try Redis.restartScript(lab))\" \"$@\"\n")
        let end = try balancer.lbctl("rollout", "run", "web", "--restart", "\(script) {backend} {port}")
        #expect(end.status == 1, "\(end)")
        #expect(end.text.contains("web/web-2: its restart could not begin: spawn \(script)"), "\(end)")
        #expect(end.text.contains("web/web-2: not restarted, in rotation"), "\(end)")
        #expect(try wishes(balancer) == [.ready, .ready, .ready])
        #expect(try processes()[1...] == before[1...])
        #expect(try balancer.verifyLastRollout().status == 0)
    }

    @Test("a restart command that hangs: killed with its children at its timeout, exit 1, node and step are named")
    func commandHangs() throws {
        // `sh` waits for its child: killing the shell alone would leave the child behind.
        let script = try lab.write("hang", "#!/bin/sh\ntail -f /dev/null &\nwait\n")
        let balancer = try balancer(["restart: { command: [\"\(script)\", \"{backend}\"], timeout: 1s }"])
        let started = ContinuousClock.now
        let end = try balancer.lbctl("rollout", "run", "web")
        #expect(end.status == 1, "\(end)")
        #expect(ContinuousClock.now - started < .seconds(10) + Scale.lateness * 4)
        expectNames(end, "web-1", step: ["restart"])
        #expect(end.text.contains("1s") || end.text.contains("1.0 s"), "the timeout is not told: \(end)")
        try expectOut("web-1", balancer)
        let left = ProcessTable.working(in: lab.folder).map(ProcessTable.commandLine)
        #expect(left.filter { $0.contains("/dev/null") || $0.contains("hang") } == [], "the command's children live on")
    }

    @Test("a node that never comes back: exit 1, node and step are named, it stays out, the others serve")
    func neverBack() throws {
        let balancer = try balancer()
        let others = try processes()[1...]
        let script = try Redis.restartScript(lab, andStart: false)
        let end = try balancer.lbctl(
            "rollout", "run", "web", "--restart", "\(script) {backend} {port}", "--ready-timeout", "1s")
        #expect(end.status == 1, "\(end)")
        expectNames(end, "web-1", step: ["probe", "up", "ready"])
        try expectOut("web-1", balancer)
        #expect(try servers[1...].map { try $0.process() } == Array(others))
    }

    @Test("SIGINT while a drain waits: the node is undrained, nothing was restarted, and what to type next is told")
    func interruptedWait() throws {
        let balancer = try balancer()
        let before = try processes()
        let held = try holdings(balancer)
        let script = try Redis.restartScript(lab)
        let rollout = try balancer.startLbctl(["rollout", "run", "web", "--restart", "\(script) {backend} {port}"])
        try balancer.backend("web-1") { $0.availability == .draining }
        try rollout.signal(SIGINT)
        let end = try rollout.end(within: .seconds(5))
        #expect(end.status != nil && end.status != 0, "\(end)")
        #expect(end.text.contains("web-1"), "\(end)")
        #expect(end.text.contains("lbctl"), "what to type next is not told: \(end)")
        try balancer.becomesAvailable()
        #expect(try wishes(balancer) == [.ready, .ready, .ready])
        #expect(try processes() == before)
        for peer in held {
            try peer.send("PING\r\n")
            #expect(try peer.line() == "+PONG\r")
        }
    }

    @Test("SIGINT while the restart command runs: the step in hand is finished or undone, the next is not begun")
    func interruptedRestart() throws {
        let balancer = try balancer()
        let before = try processes()
        let restart = try Redis.restartScript(lab)
        let script = try lab.write("slow-restart", """
            #!/bin/sh
            touch "\(lab.path("begun"))"
            while [ ! -e "\(lab.path("go-on"))" ]; do sleep 0.02; done
            exec "\(restart)" "$@"

            """)
        let rollout = try balancer.startLbctl(["rollout", "run", "web", "--restart", "\(script) {backend} {port}"])
        try eventually(within: .seconds(10), "the restart command to run") { access(lab.path("begun"), F_OK) == 0 }
        try rollout.signal(SIGINT)
        try lab.write("go-on", "")
        let end = try rollout.end(within: .seconds(20))
        #expect(end.status != nil && end.status != 0, "\(end)")
        try balancer.becomesAvailable()
        #expect(try wishes(balancer) == [.ready, .ready, .ready])
        #expect(try processes()[1...] == before[1...], "the next step was begun")
        for server in servers { #expect(try Redis.ping(at: server.endpoint) == "+PONG\r") }
    }

    @Test("a node that dies after its step: the rollout stops before the next drain, exit 1, and names it")
    func earlierNodeDies() throws {
        let balancer = try balancer()
        let restart = try Redis.restartScript(lab)
        // The second step's restart goes on only when the first node has been seen to be down.
        let script = try lab.write("restart-and-wait", """
            #!/bin/sh
            "\(restart)" "$@" || exit 1
            [ "$1" = web-2 ] || exit 0
            touch "\(lab.path("second"))"
            while [ ! -e "\(lab.path("go-on"))" ]; do sleep 0.02; done

            """)
        let rollout = try balancer.startLbctl(["rollout", "run", "web", "--restart", "\(script) {backend} {port}"])
        try eventually(within: .seconds(20), "the second restart") { access(lab.path("second"), F_OK) == 0 }
        _ = try servers[0].kill()
        try balancer.backend("web-1") { $0.availability == .down }
        let third = try servers[2].process()
        try lab.write("go-on", "")
        let end = try rollout.end(within: .seconds(20))
        #expect(end.status == 1, "\(end)")
        #expect(end.text.contains("web/web-1 was restarted and up, but is down now"), "\(end)")
        #expect(try servers[2].process() == third, "a third node was restarted while the first was down")
        #expect(try wishes(balancer) == [.ready, .ready, .ready])
    }

    @Test("SIGHUP to a rollout that was started with it ignored, as under nohup: it goes on to its end")
    func outlivesItsTerminal() throws {
        let balancer = try balancer()
        let restart = try Redis.restartScript(lab)
        let script = try lab.write("slow", """
            #!/bin/sh
            touch "\(lab.path("begun"))"
            while [ ! -e "\(lab.path("go-on"))" ]; do sleep 0.02; done
            exec "\(restart)" "$@"

            """)
        let rollout = try balancer.startLbctl(
            ["rollout", "run", "web", "--restart", "\(script) {backend} {port}"], prelude: "trap '' HUP")
        try eventually(within: .seconds(10), "the restart command to run") { access(lab.path("begun"), F_OK) == 0 }
        try rollout.signal(SIGHUP)
        try lab.write("go-on", "")
        let end = try rollout.end(within: .seconds(20))
        #expect(end.status == 0, "\(end)")
    }

    @Test("a connection that never ends: the rollout gives up at its drain deadline and undrains the healthy node")
    func neverEmpty() throws {
        let balancer = try balancer()
        let before = try processes()
        let held = try holdings(balancer)
        let script = try Redis.restartScript(lab)
        let end = try balancer.lbctl(
            "rollout", "run", "web", "--restart", "\(script) {backend} {port}", "--drain-deadline", "1s")
        #expect(end.status != nil && end.status != 0, "\(end)")
        expectNames(end, "web-1", step: ["empty", "drain"])
        try balancer.becomesAvailable()
        #expect(try wishes(balancer) == [.ready, .ready, .ready])
        #expect(try processes() == before)
        #expect(held.count == 3)
    }

    @Test("somebody else's drain: refused with 4, he is named, and nothing was touched")
    func drainOfAnother() throws {
        let balancer = try balancer()
        let before = try processes()
        #expect(try balancer.lbctl("drain", "web/web-2", "--owner", "alice").status == 0)
        let script = try Redis.restartScript(lab)
        let end = try balancer.lbctl("rollout", "run", "web", "--restart", "\(script) {backend} {port}")
        #expect(end.status == 4, "\(end)")
        #expect(end.text.contains("alice"), "\(end)")
        #expect(try processes() == before)
        #expect(try wishes(balancer) == [.ready, .drain, .ready])
    }

    @Test("a pool that is not there: exit 1, and the nearest one")
    func unknownPool() throws {
        let end = try balancer().lbctl("rollout", "run", "wbe", "--restart", "true")
        #expect(end.status == 1, "\(end)")
        #expect(end.text.replacing("wbe", with: "").contains("web"), "no suggestion in: \(end)")
    }

    // MARK: The pool and its state

    private func balancer(_ settings: [String] = []) throws -> Balancer {
        let balancer = try Balancer(lab, ConfigurationText(
            backends: servers.map { ($0.name, "\($0.endpoint)") }, [RolloutFailures.health] + settings))
        try balancer.becomesAvailable()
        return balancer
    }

    private func processes() throws -> [pid_t] { try servers.map { try $0.process() } }

    private func wishes(_ balancer: Balancer) throws -> [Wish] { try balancer.status().pools[0].backends.map(\.wish) }

    /// A connection held on each backend.
    private func holdings(_ balancer: Balancer) throws -> [Peer] {
        let peers = try (0..<3).map { _ in try balancer.connect() }
        try eventually(within: .seconds(5), "a connection on each backend") {
            try balancer.status().pools[0].backends.allSatisfy { $0.connections == 1 }
        }
        return peers
    }

    /// The message names the node and one of the words for the step, and what to type next.
    private func expectNames(_ end: ProgramEnd, _ node: String, step: [String], at location: SourceLocation = #_sourceLocation) {
        let text = end.text.lowercased()
        #expect(text.contains(node), "\(end)", sourceLocation: location)
        #expect(step.contains { text.contains($0) }, "the step is not named: \(end)", sourceLocation: location)
        #expect(text.contains("lbctl"), "what to type next is not told: \(end)", sourceLocation: location)
    }

    /// The node whose restart failed is out; all others are in and serve.
    private func expectOut(_ node: String, _ balancer: Balancer) throws {
        for backend in try balancer.status().pools[0].backends {
            #expect(backend.wish == (backend.name == node ? .drain : .ready), "\(backend.name) \(backend.wish)")
            if backend.name != node { #expect(backend.availability == .available) }
        }
        try expectOthersServe(balancer)
    }

    private func expectOthersServe(_ balancer: Balancer) throws {
        let endpoint = try balancer.endpoint()
        for _ in 0..<30 { #expect(try Redis.ping(at: endpoint) == "+PONG\r") }
    }
}
