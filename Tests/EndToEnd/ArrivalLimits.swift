// Limits of new connections as operators and clients meet them: who is reset, who waits, what status and events tell.
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct ArrivalLimits {
    let lab = Lab.current
    private let other: Endpoint = .ipv4(0x7F00_0002, port: 0)

    /// Nil: reset.
    private static func name(of server: Peer) throws -> String? {
        guard case .bytes(let bytes) = try server.receive() else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func balancer(_ limit: String, _ settings: [String] = []) throws -> Balancer {
        var configuration = ConfigurationText([("web-1", try TestServer.named("web-1", lab))], settings)
        configuration.listeners[0].settings = [limit]
        return try Balancer(lab, configuration)
    }

    private func connections(_ balancer: Balancer, are wanted: Int) throws {
        try eventually(within: .seconds(10), "\(wanted) connections at the listener") { try balancer.status().listeners[0].connections == wanted }
    }

    @Test("source-connections-max: of 200 at once from one address exactly so many are served, another address is not touched")
    func sourceConnections() throws {
        let balancer = try balancer("source-connections-max: 20")
        let events = try EventFollower(balancer, lab)
        let endpoint = try balancer.endpoint()
        let clients = try concurrently(200) { _ in
            let client = try Peer(connecting: endpoint)
            return (client: client, name: try ArrivalLimits.name(of: client))
        }
        let served = clients.filter { $0.name != nil }.map(\.client)
        #expect(served.count == 20)
        let neighbour = try Peer(connecting: endpoint, from: other)
        #expect(try neighbour.line() == "web-1")
        #expect(try balancer.status().listeners[0].refused == 180)
        let event = try events.event("a source over its limit") { $0.event == "sourceRefused" && $0.subject == "listener web" }
        #expect(event.reason == "it has 20 connections open, its source-connections-max" && event.text.hasPrefix("127.0.0.1 turned away (source-limit): "))
        // A place comes back with a FIN and with a reset.
        for (index, client) in served.prefix(6).enumerated() {
            if index % 2 == 0 { client.close() } else { client.reset() }
            try connections(balancer, are: 20)
            let next = try Peer(connecting: endpoint)
            #expect(try next.line() == "web-1")
            #expect(try ArrivalLimits.name(of: Peer(connecting: endpoint)) == nil)
            next.close()
            try connections(balancer, are: 20)
            let kept = try Peer(connecting: endpoint)
            #expect(try kept.line() == "web-1")
            lab.atEnd { kept.close() }
        }
    }

    @Test("source-connections-max: an idle timeout gives the place back")
    func idle() throws {
        let balancer = try balancer("source-connections-max: 1", ["idle-timeout: 300ms"])
        for _ in 0..<3 {
            let client = try balancer.connect()
            #expect(try client.line() == "web-1")
            #expect(try client.toEnd().ending == .end)
            try connections(balancer, are: 0)
        }
        #expect(try balancer.status().listeners[0].refused == 0)
    }

    @Test("rate: 100 connects at 50 a second and a burst of 10 are all served, and take their time")
    func rate() throws {
        let balancer = try balancer("rate: { per-second: 50, burst: 10 }")
        let events = try EventFollower(balancer, lab)
        let endpoint = try balancer.endpoint()
        let started = ContinuousClock.now
        let names = try concurrently(20) { _ in
            try (0..<5).map { _ in try Peer(connecting: endpoint).line() }
        }
        let took = ContinuousClock.now - started
        #expect(names.flatMap { $0 } == Array(repeating: "web-1", count: 100))
        #expect(took >= .milliseconds(1800), "took \(took.spoken)")
        try events.event("the rate is reached") { $0.event == "rateReached" && $0.subject == "listener web" }
        try eventually(within: .seconds(10), "the rate to be reached no longer") { try !balancer.status().listeners[0].rateReached }
        _ = try concurrently(40) { _ in try Peer(connecting: endpoint).line() }
        #expect(try balancer.lbctl("status").output.contains("at its rate: the rest waits in the backlog"))
        #expect(try balancer.status().listeners[0].refused == 0)
        try connections(balancer, are: 0)
    }

    @Test("source-rate: a source over it is reset, another is served, and it is told once a second")
    func sourceRate() throws {
        let balancer = try balancer("source-rate: { per-second: 1, burst: 5 }")
        let events = try EventFollower(balancer, lab)
        let endpoint = try balancer.endpoint()
        let started = ContinuousClock.now
        let names = try (0..<50).map { _ in try ArrivalLimits.name(of: Peer(connecting: endpoint)) }
        for _ in 0..<5 { #expect(try Peer(connecting: endpoint, from: other).line() == "web-1") }
        let seconds = Int((ContinuousClock.now - started).inSeconds)
        let served = names.count { $0 != nil }
        #expect((5...(6 + seconds)).contains(served), "\(served) within \(seconds) s")
        #expect(try balancer.status().listeners[0].refused == UInt64(50 - served))
        try events.event("a source over its rate") { $0.reason == "its source opens more than 1 connection a second, its source-rate" }
        #expect(events.events.count { $0.event == "sourceRefused" } <= seconds + 2)
    }

    @Test("behind a proxy the address in its header is the one that counts")
    func header() throws {
        let balancer = try balancer("source-connections-max: 1, accept-proxy: v1v2, trusted: [127.0.0.1]")
        let events = try EventFollower(balancer, lab)
        let connect = { (source: String) in
            let client = try balancer.connect()
            try client.send("PROXY TCP4 \(source) 198.51.100.2 4000 443\r\n")
            return client
        }
        let first = try connect("192.0.2.1")
        #expect(try first.line() == "web-1")
        let second = try connect("192.0.2.1")
        #expect(try ArrivalLimits.name(of: second) == nil)
        let neighbour = try connect("192.0.2.2")
        #expect(try neighbour.line() == "web-1")
        try events.event("the header's address") { $0.text == "192.0.2.1 turned away (source-limit): it has 1 connection open, its source-connections-max" }
        first.close()
        try connections(balancer, are: 1)
        #expect(try connect("192.0.2.1").line() == "web-1")
    }
}
