// What happens to clients' connections, and what probes make of it: bursts, resets, the end of a dead backend's connections.
import ControlProtocol
import Foundation
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct PassiveHealthTests {
    let lab = Lab.current

    /// At an interval of an hour, nobody would look before noon.
    @Test("connects that fail bring probes at once, which take the backend out")
    func connectsFailing() throws {
        let redis = try Redis(lab, "web-1")
        let good = try TestServer.named("web-2", lab)
        let balancer = try Balancer(lab, ConfigurationText(
            backends: [("web-1", "\"\(redis.endpoint)\""), ("web-2", "\"\(good.endpoint)\"")],
            ["balance: round-robin", "health: { check: connect, interval: 1h, fast-interval: 100ms, timeout: 500ms, rise: 2, fall: 3 }"]))
        try balancer.becomesAvailable()
        let follower = try EventFollower(balancer, lab)
        _ = try redis.kill()
        for _ in 0..<20 {
            let client = try balancer.connect()
            #expect(try client.line() == "web-2", "a client met the dead backend")
            client.close()
        }
        let suspected = try follower.event("suspected") { $0.event == "suspected" && $0.subject == "web/web-1" }
        #expect(suspected.text.contains("probed at once"))
        let down = try follower.change("probe", of: "web/web-1", to: "down", within: .seconds(5))
        #expect(down.sequence > suspected.sequence)
    }

    /// A backend that cuts scanners off is well, and says so to its probes.
    @Test("a scanner that makes a backend reset flips nothing: it is probed, found up, and stays")
    func scanner() throws {
        let server = try TestServer(lab) { peer in
            guard case .bytes(let bytes) = try peer.receive() else { return }
            if bytes.first == UInt8(ascii: "!") { return peer.reset() }
            try peer.send(bytes)
            try peer.echoToEnd()
        }
        let balancer = try Balancer(lab, ConfigurationText(
            [("web-1", server)],
            ["health: { check: banner, send: \"hello\", expect: \"hello\", interval: 1h, fast-interval: 50ms, timeout: 1s, passive: { failures: 5, within: 500ms } }"]))
        try balancer.becomesAvailable()
        let follower = try EventFollower(balancer, lab)
        let before = try balancer.backend("web-1").probeSequence
        let end = ContinuousClock.now + .seconds(4)
        var resets = 0
        while ContinuousClock.now < end {
            let scanner = try balancer.connect()
            try scanner.send("!")
            _ = scanner.isQuiet(for: .milliseconds(20))
            scanner.close()
            resets += 1
        }
        try follower.event("suspected") { $0.event == "suspected" }
        let report = try balancer.backend("web-1") { $0.probeSequence > before }
        #expect(report.probe == .up && report.resets > 20, "\(report)")
        let flips = follower.events.filter { $0.to == "down" }
        #expect(flips.isEmpty, "something flipped")
        // Rate-limited: not a probe for each of them.
        #expect(report.probeSequence - before < 40, "\(report.probeSequence - before) probes for \(resets) resets")
        let client = try balancer.connect()
        try client.send("well\n")
        #expect(try client.line() == "well")
    }

    /// Complaint 18: clients hang at a backend that is known to be dead (a machine that lost its power says no FIN).
    @Test("complaint 18: with when-down: reset, connections of a backend that is found down end at once")
    func resetWhenDown() throws {
        let open = StopFlag()
        let server = try TestServer(lab) { peer in
            guard !open.isRaised else { return peer.reset() }
            try peer.send("HELLO\n")
            try peer.echoToEnd()
        }
        let other = try TestServer.named("E-2", lab)
        let balancer = try Balancer(lab, ConfigurationText(
            [("web-1", server), ("web-2", other)],
            ["balance: round-robin",
             "health: { check: banner, expect: E, match: contains, interval: 200ms, timeout: 500ms, rise: 2, fall: 2, when-down: reset }"]))
        try balancer.becomesAvailable()
        let follower = try EventFollower(balancer, lab)
        let clients = try (0..<20).map { _ in try balancer.connect() }
        var held: [Peer] = []
        for client in clients where try client.line() == "HELLO" { held.append(client) }
        #expect(held.count >= 5)
        open.raise()
        let event = try follower.event("connectionsReset") { $0.event == "connectionsReset" && $0.subject == "web/web-1" }
        #expect(event.text.contains("\(held.count) connection"), "\(event.text), \(held.count) held")
        for client in held { #expect(try client.receive() == .ended(.reset), "a connection of a dead backend was left open") }
        try balancer.backend("web-1") { $0.connections == 0 }
    }

    @Test("with when-down: keep, the default, they go on: a backend that refuses new ones may serve the old")
    func keepWhenDown() throws {
        let closed = StopFlag()
        let server = try TestServer(lab) { peer in
            guard !closed.isRaised else { return peer.reset() }
            try peer.send("HELLO\n")
            try peer.echoToEnd()
        }
        let balancer = try Balancer(lab, ConfigurationText(
            [("web-1", server)],
            ["health: { check: banner, expect: HELLO, interval: 200ms, fast-interval: 100ms, timeout: 500ms, rise: 2, fall: 2 }"]))
        try balancer.backend("web-1") { $0.probe == .up }
        let client = try balancer.connect()
        #expect(try client.line() == "HELLO")
        closed.raise()
        try balancer.backend("web-1") { $0.probe == .down }
        try client.send("still here\n")
        #expect(try client.line() == "still here")
    }

    /// Complaint 16: what has just come (back) is trusted before anybody has asked it.
    @Test("complaint 16: no traffic before the first check, neither for a new backend nor for one that returns")
    func noTrafficBeforeTheFirstCheck() throws {
        let good = try TestServer.named("web-1", lab)
        // Accepts, and is silent as long as the flag is down: its first probe is never over within the test.
        let ready = StopFlag()
        let slow = try TestServer(lab) { peer in
            guard ready.isRaised else {
                _ = try peer.toEnd()
                return
            }
            try peer.send("web-2\n")
            try peer.echoToEnd()
        }
        let balancer = try Balancer(lab, ConfigurationText(
            [("web-1", good), ("web-2", slow)],
            ["balance: round-robin", "health: { check: banner, expect: web, interval: 1s, fast-interval: 100ms, timeout: 60s, rise: 1, fall: 1 }"]))
        try balancer.backend("web-1") { $0.availability == .available }
        for _ in 0..<20 { #expect(try balancer.connect().line() == "web-1") }
        #expect(try balancer.backend("web-2").probe == .unknown)
        #expect(try balancer.backend("web-2").connectionsTotal == 0)
        // It is taken out and comes back, well this time and then again not: what was found before counts for nothing.
        #expect(try balancer.command("maintain web/web-2").status == .ok)
        ready.raise()
        #expect(try balancer.command("ready web/web-2").status == .ok)
        try balancer.backend("web-2") { $0.availability == .available }
        slow.stop()
        #expect(try balancer.command("maintain web/web-2").status == .ok)
        #expect(try balancer.command("ready web/web-2").status == .ok)
        let total = try balancer.backend("web-2").connectionsTotal
        for _ in 0..<20 { #expect(try balancer.connect().line() == "web-1") }
        #expect(try balancer.backend("web-2").connectionsTotal == total)
    }
}
