// The main job: a pool of real servers under load is restarted node by node, and no client notices.
import Glibc
import Model
import Testing

@Suite(.lab(.heavy)) struct RollingRestart {
    let lab = Lab.current
    private static let names = ["web-1", "web-2", "web-3"]
    private static let health = "health: { check: connect, interval: 200ms, timeout: 1s, rise: 2, fall: 2 }"

    @Test("three nginx under wrk -c50 and a slow client: no error, every nginx is new, never two out")
    func nginx() throws {
        let servers = try RollingRestart.names.map { try Nginx(lab, $0) }
        let balancer = try Balancer(lab, ConfigurationText(
            backends: servers.map { ($0.name, "\($0.endpoint)") }, [RollingRestart.health, "balance: least-connections"]))
        try balancer.becomesAvailable()
        let before = try servers.map { try $0.process() }
        let follower = try EventFollower(balancer, lab)
        let wrk = try Wrk(lab, balancer.endpoint(), connections: 50)
        let slow = try SlowClient(balancer.endpoint())
        try awaitLoad(balancer)

        let script = try Nginx.restartScript(lab)
        let rollout = try balancer.lbctl("rollout", "run", "web", "--restart", "\(script) {backend}", within: .seconds(120))
        #expect(rollout.status == 0, "\(rollout)")
        try awaitLoad(balancer)
        let report = try wrk.stop()
        let downloads = try slow.stop()

        #expect(report.socketErrors == 0, "\(report.text)")
        #expect(report.badStatuses == 0, "\(report.text)")
        #expect(report.requests > 500, "\(report.text)")
        #expect(downloads > 0)
        for (server, old) in zip(servers, before) { #expect(try server.process() != old, "\(server.name) was not restarted") }
        try expectOneAtATime(follower, balancer)
    }

    @Test("three redis-servers under redis-benchmark with reconnecting clients: no error, every one is new, never two out")
    func redis() throws {
        let servers = try RollingRestart.names.map { try Redis(lab, $0) }
        let balancer = try Balancer(lab, ConfigurationText(
            backends: servers.map { ($0.name, "\($0.endpoint)") }, [RollingRestart.health]))
        try balancer.becomesAvailable()
        let before = try servers.map { try $0.process() }
        let follower = try EventFollower(balancer, lab)
        guard let port = try balancer.endpoint().port else { throw HarnessError("the listener has no port") }
        // It ends at the first error of any kind, so that it still runs says that there was none.
        let benchmark = try lab.start([
            "redis-benchmark", "-p", "\(port)", "-k", "0", "-c", "50", "-n", "2000", "-t", "set,get", "-l", "-q",
        ])
        try awaitLoad(balancer)

        let script = try Redis.restartScript(lab)
        let rollout = try balancer.lbctl(
            "rollout", "run", "web", "--restart", "\(script) {backend} {port}", within: .seconds(120))
        #expect(rollout.status == 0, "\(rollout)")
        try awaitLoad(balancer)
        #expect(try benchmark.isRunning(), "redis-benchmark gave up: \(benchmark.output)\(benchmark.errors)")
        #expect(!benchmark.errors.contains("Error"), "\(benchmark.errors)")
        try benchmark.destroy()

        for (server, old) in zip(servers, before) { #expect(try server.process() != old, "\(server.name) was not restarted") }
        try expectOneAtATime(follower, balancer)
    }

    /// Waits until every backend has taken some hundred more connections than now.
    private func awaitLoad(_ balancer: Balancer) throws {
        let now = try balancer.status().pools[0].backends.map(\.connectionsTotal)
        try eventually(within: .seconds(20), "load on every backend") {
            let later = try balancer.status().pools[0].backends.map(\.connectionsTotal)
            return zip(now, later).allSatisfy { $1 >= $0 + 100 }
        }
    }

    private func expectOneAtATime(_ follower: EventFollower, _ balancer: Balancer) throws {
        let nodes = RollingRestart.names.map { "web/\($0)" }
        #expect(follower.mostOutAtOnce(of: nodes) == 1)
        let numbers = follower.events.map(\.sequence)
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $1 == $0 + 1 }, "events are missing: \(numbers)")
        for node in nodes {
            let states = follower.events.filter { $0.event == "availability" && $0.subject == node }.compactMap(\.to)
            #expect(states.contains("drained"), "\(node) was restarted before it was empty: \(states)")
            #expect(states.last == "available", "\(node): \(states)")
        }
        let pool = try balancer.status().pools[0]
        #expect(pool.backends.allSatisfy { $0.wish == .ready && $0.connectFailures == 0 && $0.drain == nil })
    }
}
