// Who takes a new connection: each way of balancing as an operator sees it, and which backends are left out.
import Model
import Testing

@Suite(.lab) struct Balance {
    let lab = Lab.current

    @Test("round-robin gives each its weight's share")
    func roundRobin() throws {
        let balancer = try balancer(["balance: round-robin"], second: ", weight: 3")
        let counts = try balancer.census(80)
        #expect(counts == ["web-1": 20, "web-2": 60])
    }

    @Test("least-connections fills up whoever holds the fewest")
    func leastConnections() throws {
        let balancer = try balancer(["balance: least-connections"])
        // Six each; those of web-2 end, and the next six are its own. One that comes back is not filled up: see Returning.
        let both = try (0..<12).map { _ in try balancer.connect() }
        let held = try both.filter { try $0.line() == "web-1" }
        for peer in both where !held.contains(where: { $0 === peer }) { peer.close() }
        try balancer.backend("web-2") { $0.connections == 0 }
        let next = try (0..<6).map { _ in try balancer.connect() }
        #expect(try next.map { try $0.line() } == Array(repeating: "web-2", count: 6))
        #expect(try balancer.backend("web-2").connections == 6)
        #expect(held.count == 6)
    }

    @Test("a backup takes traffic only while no other backend is available")
    func backup() throws {
        let balancer = try balancer([], second: ", backup: true")
        #expect(try balancer.census(20) == ["web-1": 20])
        #expect(try balancer.lbctl("drain", "web/web-1", "--wait").status == 0)
        #expect(try balancer.census(20) == ["web-2": 20])
        #expect(try balancer.lbctl("undrain", "web/web-1").status == 0)
        #expect(try balancer.census(20) == ["web-1": 20])
    }

    @Test("maintenance takes a backend out of rotation, ready brings it back")
    func maintenance() throws {
        let balancer = try balancer([])
        #expect(try balancer.lbctl("maintain", "web/web-1").status == 0)
        #expect(try balancer.backend("web-1").availability == .maintenance)
        #expect(try balancer.census(20) == ["web-2": 20])
        #expect(try balancer.lbctl("ready", "web/web-1").status == 0)
        #expect(try balancer.census(20).keys.sorted() == ["web-1", "web-2"])
    }

    /// One worker, whose choices follow one another.
    private func balancer(_ settings: [String], second: String = "") throws -> Balancer {
        let servers = try ["web-1", "web-2"].map { try TestServer.named($0, lab) }
        var configuration = ConfigurationText(backends: [
            ("web-1", "\(servers[0].endpoint)"), ("web-2", "{ address: \"\(servers[1].endpoint)\"\(second) }"),
        ], settings)
        configuration.workers = 1
        return try Balancer(lab, configuration)
    }
}
