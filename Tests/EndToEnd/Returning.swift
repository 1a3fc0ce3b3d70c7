// A node that comes back: neither flooded nor starved. HAProxy 2.6, measured: 100 %, 76 %, 0 %, 96 % of all new
// connections in the first seconds; its slowstart does nothing after a drain.
import ControlProtocol
import Model
import SystemCalls
import Synchronization
import Testing

@Suite(.lab(.heavy)) struct Returning {
    let lab = Lab.current

    private static let names = ["web-1", "web-2", "web-3", "web-4"]
    private static let health = "health: { check: connect, interval: 100ms, timeout: 1s, rise: 2, fall: 2 }"

    /// Four servers, of which the last can be stopped and started.
    private final class Fleet: Sendable {
        private let lab: Lab
        let servers: [TestServer]
        private let last: Mutex<TestServer>

        init(_ lab: Lab) throws {
            self.lab = lab
            servers = try Returning.names.map { try TestServer.named($0, lab) }
            last = Mutex(servers[3])
        }

        func stopLast() { last.withLock { $0.stop() } }
        func startLast() throws {
            let server = try TestServer.named("web-4", lab, at: servers[3].endpoint)
            last.withLock { $0 = server }
        }
    }

    /// Short connections, one after the other on each of a few threads: when each was answered, and by whom.
    private static func load(_ endpoint: Endpoint, until stopping: StopFlag) -> Background<[(at: ContinuousClock.Instant, name: String)]> {
        Background {
            try concurrently(4, within: .seconds(120)) { _ in
                var answers: [(at: ContinuousClock.Instant, name: String)] = []
                while !stopping.isRaised {
                    let peer = try Peer(connecting: endpoint)
                    answers.append((.now, try peer.line()))
                    peer.close()
                }
                return answers
            }.flatMap { $0 }.sorted { $0.at < $1.at }
        }
    }

    /// Loads the pool for five seconds and more from `comeBack` on: of each second, how many there were in all and for web-4.
    private func firstSeconds(_ balancer: Balancer, comeBack: () throws -> Void) throws -> [(all: Int, back: Int)] {
        let stopping = StopFlag()
        defer { stopping.raise() }
        let load = Returning.load(try balancer.endpoint(), until: stopping)
        observe(for: .milliseconds(500))
        try comeBack()
        try balancer.backend("web-4") { $0.availability == .available || $0.availability == .warming }
        observe(for: .seconds(6))
        stopping.raise()
        let answers = try load.result(within: .seconds(120))
        guard let first = answers.first(where: { $0.name == "web-4" })?.at else { return [] }
        return (0..<5).map { second in
            let span = answers.filter { $0.at >= first + .seconds(second) && $0.at < first + .seconds(second + 1) }
            return (span.count, span.count { $0.name == "web-4" })
        }
    }

    /// In a second in which the machine stood still for others nobody got anything.
    private func judges(_ second: (all: Int, back: Int)) -> Bool { second.all >= 40 }

    private func expectNoFlood(_ seconds: [(all: Int, back: Int)], _ way: String, workers: Int) {
        #expect(seconds.count { judges($0) } >= 3, "\(way): web-4 got nothing, or there was no load: \(seconds)")
        for (number, second) in seconds.enumerated() where judges(second) {
            // Two in a worker's credit, which are not yet a flood.
            #expect(Double(second.back) <= 1.5 * Double(second.all) / 4 + Double(2 * workers), "\(way), second \(number): \(seconds)")
            #expect(second.back > 0, "\(way), second \(number) without any: \(seconds)")
        }
    }

    @Test("complaint 13: a node that returns to others with 400 connections gets at most 1.5 x its fair share and no second without any",
          arguments: [1, 2])
    func complaint13NeitherFloodedNorStarved(workers: Int) throws {
        let fleet = try Fleet(lab)
        var configuration = ConfigurationText(
            zip(Returning.names, fleet.servers).map { ($0, $1) }, [Returning.health, "balance: least-connections"])
        configuration.workers = workers
        let balancer = try Balancer(lab, configuration)
        try balancer.becomesAvailable()
        #expect(try balancer.status().pools[0].backends.allSatisfy { $0.share == nil }, "lbd's own start is no return")
        #expect(try balancer.lbctl("drain", "web/web-4", "--wait").status == 0)
        let held = try (0..<400).map { _ in try balancer.connect() }
        for peer in held { _ = try peer.line() }

        let afterDrain = try firstSeconds(balancer) { _ = try balancer.lbctl("undrain", "web/web-4") }
        expectNoFlood(afterDrain, "after a drain", workers: workers)
        fleet.stopLast()
        try balancer.backend("web-4") { $0.availability == .down && $0.share == nil }
        let afterDown = try firstSeconds(balancer) { try fleet.startLast() }
        expectNoFlood(afterDown, "after down", workers: workers)
        #expect(try balancer.lbctl("maintain", "web/web-4").status == 0)
        let afterMaintenance = try firstSeconds(balancer) { _ = try balancer.lbctl("ready", "web/web-4") }
        expectNoFlood(afterMaintenance, "after maintenance", workers: workers)

        #expect(try balancer.backend("web-4").share == 125)
        // It ends by itself.
        try balancer.backend("web-4", within: .seconds(40)) { $0.share == nil && $0.availability == .available }
        #expect(held.count == 400)
    }

    @Test("slow-start: warming from a tenth up, told by events, and available in the end; without traffic too")
    func slowStart() throws {
        let fleet = try Fleet(lab)
        let balancer = try Balancer(lab, ConfigurationText(
            zip(Returning.names, fleet.servers).map { ($0, $1) }, [Returning.health, "balance: round-robin", "slow-start: 8s"]))
        try balancer.becomesAvailable()
        let follower = try EventFollower(balancer, lab)
        #expect(try balancer.lbctl("drain", "web/web-4", "--wait").status == 0)
        let seconds = try firstSeconds(balancer) { _ = try balancer.lbctl("undrain", "web/web-4") }
        #expect(seconds.filter(judges).count >= 2 && seconds.filter(judges).allSatisfy { $0.back > 0 }, "\(seconds)")
        if let first = seconds.first, judges(first) {
            // A tenth to a fifth in the first second.
            #expect(Double(first.back) < 0.35 * Double(first.all) / 4 + 4, "\(seconds)")
        }
        let warming = try follower.change("availability", of: "web/web-4", to: "warming", within: .seconds(5))
        try follower.change("availability", of: "web/web-4", to: "available", after: warming, within: .seconds(30))
        let after = try balancer.backend("web-4")
        #expect(after.share == nil && after.availability == .available)
    }

    @Test("a node whose connects fail while it returns keeps a small share until it is well, and no client notices")
    func sickNode() throws {
        let fleet = try Fleet(lab)
        // It passes its probes, which are another server's, and refuses two of three connects.
        let balancer = try Balancer(lab, ConfigurationText(
            zip(Returning.names, fleet.servers).map { ($0, $1) }, ["balance: round-robin", "slow-start: 3s"]))
        #expect(try balancer.lbctl("drain", "web/web-4", "--wait").status == 0)
        fleet.stopLast()
        let stopping = StopFlag()
        defer { stopping.raise() }
        let load = Returning.load(try balancer.endpoint(), until: stopping)
        #expect(try balancer.lbctl("undrain", "web/web-4").status == 0)
        try balancer.backend("web-4") { $0.connectFailures > 5 }
        observe(for: .seconds(8))
        let sick = try balancer.backend("web-4")
        #expect(sick.availability == .warming && sick.share.map { $0 <= 20 } == true, "\(sick)")
        try fleet.startLast()
        try balancer.backend("web-4", within: .seconds(40)) { $0.availability == .available }
        stopping.raise()
        let answers = try load.result(within: .seconds(60))
        #expect(answers.count > 500 && answers.contains { $0.name == "web-4" })
        #expect(try balancer.status().listeners[0].refused == 0)
    }
}
