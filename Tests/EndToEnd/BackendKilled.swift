// kill -9 of a backend under load: its connections end, everybody who comes later is served by the others.
import ControlProtocol
import Model
import Synchronization
import Testing

@Suite(.lab(.heavy)) struct BackendKilled {
    let lab = Lab.current
    private static let interval = Duration.milliseconds(400)
    private static let timeout = Duration.milliseconds(300)
    private static let fall = 3

    /// One try of a client: when it came, and what went wrong.
    private struct Attempt {
        let began: ContinuousClock.Instant
        let failure: String?
    }

    @Test("no client that came later fails, status follows within fall × interval + timeout, and it comes back")
    func underLoad() throws {
        let servers = try ["web-1", "web-2", "web-3"].map { try Redis(lab, $0) }
        let balancer = try Balancer(lab, ConfigurationText(
            backends: servers.map { ($0.name, "\($0.endpoint)") },
            ["health: { check: connect, interval: 400ms, timeout: 300ms, rise: 2, fall: 3 }"]))
        try balancer.becomesAvailable()
        let follower = try EventFollower(balancer, lab)
        let endpoint = try balancer.endpoint()
        let held = try (0..<12).map { _ in try hold(endpoint) }
        #expect(Set(held.map(\.port)).count == 3)

        let stopping = StopFlag()
        let load = Background {
            try concurrently(8) { _ in try BackendKilled.ping(endpoint, until: stopping) }.flatMap { $0 }
        }
        try eventually(within: .seconds(10), "load on every backend") {
            try balancer.status().pools[0].backends.allSatisfy { $0.connectionsTotal > 200 }
        }
        let killed = try servers[0].kill()
        for connection in held where connection.port == servers[0].endpoint.port {
            _ = try connection.peer.toEnd()
            #expect(ContinuousClock.now - killed < .seconds(1) + Scale.lateness, "a connection outlived its backend")
        }
        // The rest is the machine's.
        let bound = BackendKilled.interval * BackendKilled.fall + BackendKilled.timeout + Scale.lateness
        let died = try follower.change("availability", of: "web/web-1", to: "down")
        #expect(ContinuousClock.now - killed < bound)
        let down = try balancer.backend("web-1")
        #expect(down.probe == .down && down.wish == .ready)

        try servers[0].start()
        try follower.change("probe", of: "web/web-1", to: "up", after: died)
        let atReturn = try balancer.backend("web-1").connectionsTotal
        try balancer.backend("web-1") { $0.connectionsTotal > atReturn + 50 }
        stopping.raise()
        let attempts = try load.result()
        let late = attempts.filter { $0.began > killed }
        #expect(late.count > 500)
        #expect(late.compactMap(\.failure) == [], "clients failed that came after the backend had died")
        for connection in held where connection.port != servers[0].endpoint.port {
            try connection.peer.send("PING\r\n")
            #expect(try connection.peer.line() == "+PONG\r")
        }
    }

    private static func ping(_ endpoint: Endpoint, until stopping: StopFlag) throws -> [Attempt] {
        var attempts: [Attempt] = []
        while !stopping.isRaised {
            let began = ContinuousClock.now
            do {
                let answer = try Redis.ping(at: endpoint)
                attempts.append(Attempt(began: began, failure: answer == "+PONG\r" ? nil : "answered \(answer)"))
            } catch { attempts.append(Attempt(began: began, failure: "\(error)")) }
        }
        return attempts
    }

    private struct Held { let peer: Peer, port: UInt16? }

    /// A connection that stays, and the port of the backend that it is with.
    private func hold(_ endpoint: Endpoint) throws -> Held {
        let peer = try Peer(connecting: endpoint)
        try peer.send("CONFIG GET port\r\n")
        let lines = try (0..<5).map { _ in try peer.line() }
        return Held(peer: peer, port: UInt16(lines[4].dropLast()))
    }
}
