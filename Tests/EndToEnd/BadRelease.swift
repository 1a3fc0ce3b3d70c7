// A release that is worse than the one before is stopped at its first node and taken back; one that is as good is not.
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab(.heavy)) struct BadRelease {
    let lab = Lab.current
    private static let names = ["web-1", "web-2", "web-3", "web-4"]
    private static let health = "health: { check: connect, interval: 200ms, timeout: 1s, rise: 2, fall: 2 }"

    /// Guards against a verdict that sleeps, against a rollback by the restart command, and one that touches a good node.
    @Test("one connection in twenty is reset: stopped after the first node, that one alone is taken back, and the report says why")
    func resets() throws {
        let (servers, balancer) = try pool()
        let others = try servers.dropFirst().map { try $0.process() }
        let wrk = try Wrk(lab, balancer.endpoint(), connections: 20)
        let end = try rollOut("bad", balancer, bake: "20s")
        #expect(try wrk.stop().socketErrors > 0, "the release was not bad")
        #expect(end.status == 1, "\(end)")
        #expect(try releases() == ["web-1 bad", "web-1 good"], "\(end)")
        #expect(try servers.dropFirst().map { try $0.process() } == others, "a good one was restarted")
        let report = try balancer.lbctl("rollout", "report")
        for text in [end.text, report.text] {
            #expect(text.contains("the release is bad") && text.firstMatch(of: /resets[ ]by[ ]the[ ]backend:[ ][0-9]+[ ]of[ ][0-9]+/) != nil, "\(text)")
        }
        #expect(end.text.contains("web/web-1: restarted, then brought back to the release before, in rotation"), "\(end)")
        #expect(try balancer.verifyLastRollout().status == 0)
        #expect(try balancer.status().pools[0].backends.allSatisfy { $0.wish == .ready && $0.drain == nil })

        let after = try Wrk(lab, balancer.endpoint(), connections: 20)
        let total = try balancer.backend("web-1").connectionsTotal
        try balancer.backend("web-1", within: .seconds(20)) { $0.connectionsTotal > total + 100 }
        #expect(try after.stop().socketErrors == 0, "the release before is not back")
    }

    /// Guards against a standby that nobody judges: all traffic went to the bad release, and then the good pool was restarted.
    @Test("a standby that runs the bad release: the traffic goes back to the pool, none of which was restarted")
    func badStandby() throws {
        let (servers, balancer, script) = try standby()
        #expect(try lab.run([script, "idle-1", "bad"]).status == 0)
        let before = try servers.map { try $0.process() }
        let wrk = try Wrk(lab, balancer.endpoint(), connections: 20)
        try balancer.backend("web-1", within: .seconds(20)) { $0.connectionsTotal > 100 }
        let end = try balancer.startLbctl(switching(script)).end(within: .seconds(120))
        _ = try wrk.stop()
        try expectLeft(end, balancer)
        #expect(end.text.firstMatch(of: /of[ ]pool[ ]idle,[ ][0-9]+[ ]of[ ][0-9]+.*of[ ]pool[ ]web[ ]before/) != nil, "\(end)")
        #expect(try servers.map { try $0.process() } == before, "a good one was restarted")
    }

    /// Guards against a resumed rollout that has nothing to compare the standby with, and restarts the good pool behind it.
    @Test("a standby that turns bad while lbctl is dead: whoever resumes finds out too")
    func badStandbyAfterAKill() throws {
        let (servers, balancer, script) = try standby()
        let before = try servers.map { try $0.process() }
        let wrk = try Wrk(lab, balancer.endpoint(), connections: 20)
        try balancer.backend("web-1", within: .seconds(20)) { $0.connectionsTotal > 100 }
        let first = try balancer.startLbctl(switching(script))
        try eventually(within: .seconds(60), "all traffic on the standby") { (first.output + first.errors).contains("watching pool idle") }
        try first.signal(SIGKILL)
        _ = try first.end()
        #expect(try lab.run([script, "idle-1", "bad"]).status == 0)
        let end = try balancer.lbctl("rollout", "resume", within: .seconds(120))
        _ = try wrk.stop()
        try expectLeft(end, balancer)
        #expect(try servers.map { try $0.process() } == before, "a good one was restarted")
    }

    private func standby() throws -> (servers: [Nginx], balancer: Balancer, script: String) {
        let servers = try ["web-1", "web-2"].map { try Nginx(lab, $0) }, spare = try Nginx(lab, "idle-1")
        var configuration = ConfigurationText(backends: servers.map { ($0.name, "\($0.endpoint)") }, [BadRelease.health])
        configuration.pools.append(ConfigurationText.Pool(name: "idle", settings: [BadRelease.health], backends: [(spare.name, "\(spare.endpoint)")]))
        let balancer = try Balancer(lab, configuration)
        try balancer.becomesAvailable()
        return (servers, balancer, try Nginx.releaseScript(lab))
    }

    private func switching(_ script: String) -> [String] {
        ["rollout", "run", "web", "--restart", "\(script) {backend} bad", "--strategy", "hot-standby", "--standby", "idle", "--bake", "60s"]
    }

    private func expectLeft(_ end: ProgramEnd, _ balancer: Balancer) throws {
        #expect(end.status == 1 && end.text.contains("the release is bad: resets by the backend: "), "\(end)")
        #expect(try balancer.status().listeners.allSatisfy { $0.pool == "web" })
        #expect(try balancer.verifyLastRollout().status == 0)
    }

    /// Guards against a verdict that takes the unlike loads of restarted and other nodes for a difference of the release.
    @Test("the same release once more: not stopped, each node restarted once, no failed request")
    func same() throws {
        let (_, balancer) = try pool()
        let wrk = try Wrk(lab, balancer.endpoint(), connections: 20)
        for _ in 0..<Scale.of(1, full: 10) {
            try lab.write("releases", "")
            let end = try rollOut("good", balancer, bake: Scale.of("1s", full: "5s"))
            #expect(end.status == 0, "\(end)")
            #expect(try releases() == BadRelease.names.map { "\($0) good" })
        }
        let report = try wrk.stop()
        #expect(report.socketErrors == 0 && report.badStatuses == 0, "\(report.text)")
    }

    private func pool() throws -> (servers: [Nginx], balancer: Balancer) {
        let servers = try BadRelease.names.map { try Nginx(lab, $0) }
        let balancer = try Balancer(lab, ConfigurationText(
            backends: servers.map { ($0.name, "\($0.endpoint)") }, [BadRelease.health]))
        try balancer.becomesAvailable()
        return (servers, balancer)
    }

    private func rollOut(_ release: String, _ balancer: Balancer, bake: String) throws -> ProgramEnd {
        let script = try Nginx.releaseScript(lab)
        return try balancer.lbctl(
            "rollout", "run", "web", "--restart", "\(script) {backend} \(release)", "--rollback", "\(script) {backend} good",
            "--canary", "1", "--bake", bake, within: .seconds(120))
    }

    private func releases() throws -> [String] {
        String(decoding: try Files.read(lab.path("releases"), bytesMax: 10_000), as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
