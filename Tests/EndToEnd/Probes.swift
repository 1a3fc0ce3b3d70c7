// Active checks: who is found up, who down, how soon, and what that means for traffic.
import ControlProtocol
import Foundation
import Model
import Testing

@Suite(.lab) struct Probes {
    let lab = Lab.current
    private static let banner =
        "health: { check: banner, expect: \"HELLO\", interval: 200ms, timeout: 2s, rise: 2, fall: 2 }"

    /// Says HELLO, then its name, then echoes: passes a banner probe.
    private func polite(_ name: String) throws -> TestServer {
        try TestServer(lab) { peer in
            try peer.send("HELLO\n\(name)\n")
            try peer.echoToEnd()
        }
    }

    /// The classic of health checks that only connect: the kernel accepts for a process that hangs.
    @Test("a backend that accepts and never speaks fails a banner probe and takes no traffic")
    func silent() throws {
        let silent = try TestServer(lab) { peer in _ = try peer.toEnd() }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", silent), ("web-2", try polite("web-2"))], [Probes.banner]))
        try balancer.backend("web-2") { $0.probe == .up && $0.availability == .available }
        for _ in 0..<50 {
            let client = try balancer.connect()
            #expect(try client.line() == "HELLO")
            #expect(try client.line() == "web-2")
        }
        let report = try balancer.backend("web-1") { $0.probe == .down }
        #expect(report.availability == .down)
        #expect(report.connectionsTotal == 0, "a backend that was never up took traffic while another was")
        #expect(report.probeFailure != nil)
        #expect(silent.accepted > 0)
    }

    /// A backend whose firewall lets in our source alone would be found down for ever.
    @Test("with a source, probes and connections alike come from it", arguments: ["banner, expect: HELLO", "connect"])
    func source(check: String) throws {
        let peers = Outbox<String>()
        let server = try TestServer(lab) { peer in
            peers.put(peer.remoteAddress?.description ?? "nobody")
            try peer.send("HELLO\n")
            try peer.echoToEnd()
        }
        let balancer = try Balancer(lab, ConfigurationText(
            [("web-1", server)], ["source: 127.0.0.9", "health: { check: \(check), interval: 200ms, timeout: 1s, rise: 2, fall: 2 }"]))
        try balancer.backend("web-1") { $0.probe == .up }
        let client = try balancer.connect()
        #expect(try client.line() == "HELLO")
        for _ in 0..<peers.count {
            // A probe that only connects may have left again before it could be asked.
            let peer = try peers.take()
            #expect(peer == "127.0.0.9" || peer == "nobody")
        }
        client.close()
        try balancer.backend("web-1") { $0.connections == 0 }
    }

    @Test("a backend that says something else fails a banner probe, and the reason says what")
    func wrongBanner() throws {
        let wrong = try TestServer(lab) { try $0.send("GOODBYE\n") }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", wrong)], [Probes.banner]))
        // A probe of a busy machine may have timed out as well.
        try balancer.backend("web-1") { $0.probe == .down && $0.probeFailure?.contains("GOODBYE") == true }
    }

    @Test("the first probe starts within min(interval, 1 s), however long the interval")
    func firstProbe() throws {
        let balancer = try Balancer(lab, ConfigurationText(
            [("web-1", try polite("web-1"))], ["health: { check: connect, interval: 1h, timeout: 1s, rise: 2, fall: 3 }"]))
        let report = try balancer.backend("web-1", within: .seconds(1) + Scale.lateness) { $0.probe == .up }
        #expect(report.probeSequence == 1)
    }

    /// All at once would be a burst of 1,000 connects every two seconds, and a queue before each of them.
    @Test("1,000 backends are not probed in one burst, neither at the start nor later")
    func spread() throws {
        let servers = try (0..<4).map { _ in try TestServer(lab, at: .ipv4(0, port: 0)) { _ = try $0.toEnd() } }
        var configuration = ConfigurationText(backends: [])
        configuration.pools = (0..<20).map { pool in
            let backends = (0..<50).map { number in
                (name: "b\(number)", value: "127.0.\(1 + pool).\(1 + number):\(servers[number % 4].endpoint.port ?? 0)")
            }
            return ConfigurationText.Pool(name: "p\(pool)", settings: ["health: { check: connect, interval: 2s, timeout: 1s }"], backends: backends)
        }
        configuration.listeners = [ConfigurationText.Listener(pool: "p0")]
        let balancer = try Balancer(lab, configuration)
        for round in [UInt64(1), 3] {
            try eventually(within: .seconds(20), "probe \(round) of every backend") {
                try balancer.status().pools.allSatisfy { $0.backends.allSatisfy { $0.probeSequence >= round } }
            }
            // 2026-11-21T08:33:04.1: the tenth of a second.
            var tenths: [Substring: Int] = [:]
            for pool in try balancer.status().pools {
                for backend in pool.backends { tenths[(backend.probedAt ?? "").prefix(21), default: 0] += 1 }
            }
            #expect(tenths.values.reduce(0, +) == 1000)
            // A share is 50 to 100; a machine that is busy elsewhere makes it more.
            #expect(tenths.values.max()! < 300, "\(tenths.sorted { $0.key < $1.key })")
        }
    }

    @Test("before any probe has finished traffic flows, because none is up")
    func unknownTakesTraffic() throws {
        let silent = try TestServer(lab) { peer in
            while case .bytes(let bytes) = try peer.receive() { try peer.send(bytes) }
        }
        // A banner probe of ten seconds: all the while the finding is `unknown`.
        let balancer = try Balancer(lab, ConfigurationText(
            [("web-1", silent)], ["health: { check: banner, expect: X, interval: 10s, timeout: 10s }"]))
        #expect(try balancer.backend("web-1").availability == .unknown)
        let client = try balancer.connect()
        try client.send("hello\n")
        #expect(try client.line() == "hello")
    }

    @Test("fall failures make it down, rise successes up again, and events tell it")
    func fallAndRise() throws {
        let redis = try Redis(lab, "web-1")
        let balancer = try Balancer(lab, ConfigurationText(
            backends: [("web-1", "\(redis.endpoint)")],
            ["health: { check: connect, interval: 300ms, timeout: 200ms, rise: 3, fall: 2 }"]))
        try balancer.becomesAvailable()
        let follower = try EventFollower(balancer, lab)
        _ = try redis.kill()
        let down = try follower.change("probe", of: "web/web-1", to: "down")
        #expect(down.from == "up")
        #expect(down.reason?.isEmpty == false)
        #expect(try balancer.backend("web-1").availability == .down)
        let failed = try balancer.backend("web-1").probeSequence
        try redis.start()
        try follower.change("probe", of: "web/web-1", to: "up", after: down)
        #expect(try balancer.backend("web-1").probeSequence >= failed + 3, "up after fewer than rise probes")
        let report = try balancer.backend("web-1") { $0.availability == .available }
        #expect(report.probeFailure == nil)
        #expect(report.probedAt != nil)
    }

    @Test("probe asks afresh: every probe behind the answer began after the command")
    func onDemand() throws {
        let server = try polite("web-1")
        let balancer = try Balancer(lab, ConfigurationText(
            [("web-1", server)], ["health: { check: connect, interval: 1h, timeout: 500ms, rise: 2, fall: 3 }"]))
        try balancer.becomesAvailable()
        // The kernel took the first probe's connect; the server's thread may count it later.
        try eventually(within: .seconds(5), "the first probe to arrive") { server.accepted == 1 }
        let before = 1
        let reply = try balancer.command("probe web/web-1 output=json")
        #expect(reply.status == .ok, "\(reply)")
        let record = try JSONDecoder().decode(ProbeRecord.self, from: Data(reply.data.joined().utf8))
        #expect(record.probe == .up)
        try eventually(within: .seconds(10), "two fresh probes to arrive") { server.accepted == before + 2 }
        server.stop()
        let second = try balancer.command("probe web/web-1 timeout=1s output=json")
        let after = try JSONDecoder().decode(ProbeRecord.self, from: Data(second.data.joined().utf8))
        #expect(after.probe != .up || second.status != .ok, "\(second)")
    }
}
