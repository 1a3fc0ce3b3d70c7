// Nobody of the pool is available: held, diverted or refused, and a draining node never gets anything.
import ControlProtocol
import Model
import Testing

@Suite(.lab) struct WhenNone {
    let lab = Lab.current
    private static let health = "health: { check: connect, interval: 100ms, timeout: 1s, rise: 1, fall: 2 }"

    private func ping(_ endpoint: Endpoint, until stopping: StopFlag) -> Background<[(took: Duration, failure: String?)]> {
        Background {
            try concurrently(8, within: .seconds(120)) { _ in
                var attempts: [(took: Duration, failure: String?)] = []
                while !stopping.isRaised {
                    let began = ContinuousClock.now
                    do {
                        let answer = try Redis.ping(at: endpoint)
                        attempts.append((.now - began, answer == "+PONG\r" ? nil : "answered \(answer)"))
                    } catch { attempts.append((.now - began, "\(error)")) }
                }
                return attempts
            }.flatMap { $0 }
        }
    }

    @Test("hold: the only redis of a pool is drained, restarted and undrained under load: no error, and nobody waits longer than that takes")
    func restart() throws {
        let redis = try Redis(lab, "web-1")
        let balancer = try Balancer(lab, ConfigurationText(
            backends: [("web-1", "\(redis.endpoint)")], [WhenNone.health, "when-none: hold"]))
        try balancer.becomesAvailable()
        let follower = try EventFollower(balancer, lab)
        let endpoint = try balancer.endpoint()
        let stopping = StopFlag()
        defer { stopping.raise() }
        let load = ping(endpoint, until: stopping)
        try balancer.backend("web-1") { $0.connectionsTotal > 200 }
        let before = try redis.process()

        var longest = Duration.zero
        for _ in 0..<3 {
            let began = ContinuousClock.now
            #expect(try balancer.lbctl("drain", "web/web-1", "--wait").status == 0)
            try eventually(within: .seconds(10), "all eight to be held") { try balancer.status().pools[0].held == 8 }
            _ = try redis.kill()
            try redis.start()
            #expect(try balancer.lbctl("undrain", "web/web-1").status == 0)
            try balancer.backend("web-1") { $0.availability == .available }
            try eventually(within: .seconds(10), "nobody to be held") { try balancer.status().pools[0].held == 0 }
            longest = max(longest, ContinuousClock.now - began)
        }
        stopping.raise()
        let attempts = try load.result()
        #expect(attempts.count > 400 && attempts.compactMap(\.failure) == [])
        let waited = attempts.map(\.took).max() ?? .zero
        #expect(waited <= longest + .milliseconds(500), "one waited \(waited.spoken), a restart took \(longest.spoken)")
        #expect(try redis.process() != before)
        try follower.event("poolHolds") { $0.event == "poolHolds" && $0.subject == "pool web" }
        try follower.event("poolServes") { $0.event == "poolServes" && $0.subject == "pool web" }
        let pool = try balancer.status().pools[0]
        #expect(pool.holdTimeouts == 0 && pool.refused == 0 && pool.whenNone == .hold)
    }

    @Test("hold: kill -9 of the only redis: who comes before and after it is found down waits, and is served when it is back")
    func killed() throws {
        let redis = try Redis(lab, "web-1")
        let balancer = try Balancer(lab, ConfigurationText(
            backends: [("web-1", "\(redis.endpoint)")], [WhenNone.health, "when-none: hold"]))
        try balancer.becomesAvailable()
        _ = try redis.kill()
        let endpoint = try balancer.endpoint()
        var clients: [Peer] = []
        // From the first moment on, before any probe has said so.
        for _ in 0..<20 {
            let client = try Peer(connecting: endpoint)
            try client.send("PING\r\n")
            clients.append(client)
        }
        try balancer.backend("web-1") { $0.availability == .down }
        for _ in 0..<20 {
            let client = try Peer(connecting: endpoint)
            try client.send("PING\r\n")
            clients.append(client)
        }
        try eventually(within: .seconds(10), "40 to be held") { try balancer.status().pools[0].held == 40 }
        #expect(try balancer.lbctl("status").output.contains("40 held"))
        try redis.start()
        for client in clients { #expect(try client.line() == "+PONG\r") }
        #expect(try balancer.status().listeners[0].refused == 0)
    }

    @Test("hold: beyond the length and beyond the timeout clients are reset, counted and told")
    func holdEnds() throws {
        let server = try TestServer.named("web-1", lab)
        let balancer = try Balancer(lab, ConfigurationText(
            [("web-1", server)], ["when-none: hold", "hold: { length-max: 5, timeout: 1s }"]))
        let follower = try EventFollower(balancer, lab)
        #expect(try balancer.lbctl("drain", "web/web-1", "--wait").status == 0)
        let clients = try (0..<8).map { _ in try balancer.connect() }
        for client in clients {
            let (bytes, ending) = try client.toEnd()
            #expect(bytes.isEmpty && ending == .reset)
        }
        let pool = try balancer.status().pools[0]
        #expect(pool.holdTimeouts == 5 && pool.held == 0 && pool.refused == 0)
        #expect(try balancer.status().listeners[0].refused == 8)
        try follower.event("holdLost") { $0.event == "holdLost" && $0.subject == "pool web" }
        // Complaint 17.
        #expect(server.accepted == 0)
    }

    @Test("complaint 17: with every node draining none of them gets a connection, whatever when-none says", arguments: ["refuse", "hold", "divert"])
    func complaint17DrainingNodesAreNoFallback(way: String) throws {
        let servers = try ["web-1", "web-2", "spare-1"].map { try TestServer.named($0, lab) }
        var configuration = ConfigurationText(
            [("web-1", servers[0]), ("web-2", servers[1])],
            ["when-none: \(way)"] + (way == "divert" ? ["divert: spare"] : []) + (way == "hold" ? ["hold: { timeout: 300ms }"] : []))
        configuration.pools.append(.init(name: "spare", backends: [("spare-1", "\(servers[2].endpoint)")]))
        let balancer = try Balancer(lab, configuration)
        let follower = try EventFollower(balancer, lab)
        // They hold a connection each, so that they are draining and not drained.
        let held = try (0..<2).map { _ in try balancer.connect() }
        for peer in held { _ = try peer.line() }
        #expect(try balancer.lbctl("drain", "web/web-1", "web/web-2").status == 0)
        let before = servers.map(\.accepted)
        for _ in 0..<10 {
            let client = try balancer.connect()
            if way == "divert" {
                #expect(try client.line() == "spare-1")
                client.close()
            } else {
                let (bytes, ending) = try client.toEnd()
                #expect(bytes.isEmpty && ending == .reset)
            }
        }
        #expect(servers[0].accepted == before[0] && servers[1].accepted == before[1], "a draining node got a connection")
        let pools = try balancer.status().pools
        #expect(pools[0].backends.allSatisfy { $0.availability == .draining } && pools[0].whenNone.rawValue == way)
        #expect(pools[0].diverted == (way == "divert" ? 10 : 0) && pools[1].backends[0].connectionsTotal == pools[0].diverted)
        let kind = ["refuse": "poolRefuses", "hold": "poolHolds", "divert": "poolDiverts"][way]
        try follower.event("\(kind ?? "")") { $0.event == kind && $0.subject == "pool web" && (way != "divert" || $0.to == "spare") }
        #expect(try balancer.lbctl("undrain", "web/web-2").status == 0)
        #expect(try balancer.census(5) == ["web-2": 5])
        try follower.event("poolServes") { $0.event == "poolServes" && $0.subject == "pool web" }
    }
}
