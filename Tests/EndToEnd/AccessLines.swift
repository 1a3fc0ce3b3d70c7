// One line for each connection that has ended. Faults: ends that nobody tells, or of which the wrong one is blamed; bytes
// that do not add up to what is counted; a line with the name of somebody who got the number later.
import ControlProtocol
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct AccessLines {
    let lab = Lab.current

    private func lines() throws -> [AccessLine] { try LogFile.access(LogFile.text(lab.path("lbd.log"))) }

    private func awaitLines(_ count: Int, at location: SourceLocation = #_sourceLocation) throws -> [AccessLine] {
        try eventually(within: .seconds(20), "\(count) access lines", at: location) { try lines().count >= count }
        let all = try lines()
        #expect(all.count == count, sourceLocation: location)
        return all
    }

    private func balancer(_ edit: (inout ConfigurationText) -> Void, _ servers: [(String, TestServer)], _ settings: [String] = []) throws -> Balancer {
        var configuration = ConfigurationText(servers.map { (name: $0.0, server: $0.1) }, settings)
        configuration.log = "{ level: warning, access: true, format: json, file: lbd.log }"
        edit(&configuration)
        return try Balancer(lab, configuration)
    }

    @Test("their sums are what the status counts")
    func sums() throws {
        let balancer = try balancer({ $0.pools[0].settings += ["balance: round-robin"] }, [
            ("web-1", try TestServer.named("web-1", lab)), ("web-2", try TestServer.named("web-2", lab)),
        ])
        let count = Scale.of(120, full: 5000)
        let endpoint = try balancer.endpoint()
        for number in 0..<count {
            let client = try Peer(connecting: endpoint)
            _ = try client.line()
            let bytes = [UInt8](repeating: 0x42, count: number * 37 % 5000)
            try client.send(bytes)
            client.halfClose()
            #expect(try client.toEnd().bytes.count == bytes.count)
        }
        let lines = try awaitLines(count)
        let status = try balancer.status()
        #expect(status.listeners[0].connectionsTotal == UInt64(count))
        for backend in status.pools[0].backends {
            let mine = lines.filter { $0.backend == "web/\(backend.name)" }
            #expect(mine.count == Int(backend.connectionsTotal))
            #expect(mine.reduce(0) { $0 + $1.bytesToBackend } == Int(backend.bytesToBackend))
            #expect(mine.reduce(0) { $0 + $1.bytesToClient } == Int(backend.bytesToClient))
        }
        #expect(Set(lines.compactMap(\.id)).count == count)
        #expect(lines.allSatisfy { $0.ending == "client finished" && $0.pool == "web" && $0.listener == "web" })
        #expect(lines.allSatisfy { ($0.connect ?? 9) <= ($0.duration ?? -9) && ($0.firstByte ?? 9) <= ($0.duration ?? -9) })
    }

    @Test("who ended it, and why")
    func endings() throws {
        let server = try TestServer(lab) { peer in
            try peer.send("hello\n")
            switch try peer.line() {
            case "end": return
            case "reset": peer.reset()
            default: _ = try peer.toEnd()
            }
        }
        let balancer = try balancer({ configuration in
            configuration.pools[0].settings += ["idle-timeout: 1s", "half-closed-timeout: 1s"]
            configuration.pools.append(.init(name: "gone", settings: ["connect-retries: 0"], backends: [("gone-1", "\"\(gone)\"")]))
            configuration.pools.append(.init(name: "empty", backends: [("empty-1", "{ address: \"\(gone)\", wish: drain }")]))
            configuration.listeners = [
                .init(), .init(name: "gone", pool: "gone"), .init(name: "empty", pool: "empty"), .init(name: "denied", settings: ["deny: [127.0.0.0/8]"]),
                .init(name: "few", settings: ["source-connections-max: 1"]),
                .init(name: "proxied", settings: ["accept-proxy: v1v2", "trusted: [127.0.0.0/8]"]),
            ]
        }, [("web-1", server)])
        var clients: [String: Endpoint] = [:]
        for (word, ending) in [("end", "backend finished"), ("reset", "backend reset")] {
            let client = try balancer.connect()
            #expect(try client.line() == "hello")
            clients[ending] = try client.localEndpoint()
            try client.send("\(word)\n")
            _ = try client.toEnd()
        }
        try expectLine("backend finished", of: clients)
        try expectLine("backend reset", of: clients)
        let hasty = try balancer.connect()
        _ = try hasty.line()
        clients["client reset"] = try hasty.localEndpoint()
        try hasty.send("wait\n")
        try hasty.flush()
        hasty.reset()
        try expectLine("client reset", of: clients)
        let polite = try balancer.connect()
        _ = try polite.line()
        clients["client finished"] = try polite.localEndpoint()
        polite.close()
        try expectLine("client finished", of: clients)
        let idle = try balancer.connect()
        _ = try idle.line()
        clients["lbd idle-timeout"] = try idle.localEndpoint()
        #expect(try idle.toEnd().ending == .end)
        try expectLine("lbd idle-timeout", of: clients)
        try turnedAway(balancer, clients)
    }

    private let gone = Endpoint.loopback(1)

    private func turnedAway(_ balancer: Balancer, _ others: [String: Endpoint]) throws {
        var clients = others
        for (listener, ending) in [("gone", "backend connect-failed"), ("empty", "lbd no-backend"), ("denied", "client denied")] {
            let client = try balancer.connect(listener)
            clients[ending] = try client.localEndpoint()
            #expect(try client.toEnd().ending == .reset)
            try expectLine(ending, of: clients)
        }
        let first = try balancer.connect("few")
        _ = try first.line()
        let second = try balancer.connect("few")
        clients["client source-limit"] = try second.localEndpoint()
        #expect(try second.toEnd().ending == .reset)
        try expectLine("client source-limit", of: clients)
        let bad = try balancer.connect("proxied")
        try bad.send("GET / HTTP/1.0\r\n\r\n")
        #expect(try bad.toEnd().ending == .reset)
        try eventually(within: .seconds(10), "the line of a bad header") { try lines().contains { $0.ending == "client bad-header" && $0.backend == nil } }
        let named = try balancer.connect("proxied")
        try named.send("PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n")
        _ = try named.line()
        try named.send("end\n")
        _ = try named.toEnd()
        named.close()
        try eventually(within: .seconds(10), "the line of a proxied client") {
            try lines().contains { $0.listener == "proxied" && $0.ending == "backend finished" && $0.client == "192.0.2.7:4711" }
        }
        // The first of `few` is still there, at the end too.
        try balancer.program.signal(SIGINT)
        #expect(try balancer.program.end().status == 0)
        try expectLine("lbd stopping", of: ["lbd stopping": first.localEndpoint()])
    }

    /// Of that client there is one line, and it ends so.
    private func expectLine(_ ending: String, of clients: [String: Endpoint], at location: SourceLocation = #_sourceLocation) throws {
        let client = try #require(clients[ending]).description
        let line = try eventually(within: .seconds(10), "the line of \(client): \(ending)", at: location) {
            try lines().first { $0.ending == ending && ($0.client == nil || $0.client == client) }
        }
        #expect(try lines().allSatisfy { $0.client != client || $0.ending == ending }, "\(line)", sourceLocation: location)
    }

    @Test("switched on and off while lbd runs; the level of other lines does not matter")
    func switched() throws {
        let balancer = try balancer({ _ in }, [("web-1", try TestServer.named("web-1", lab))])
        #expect(try balancer.census(5) == ["web-1": 5])
        _ = try awaitLines(5)
        #expect(try balancer.lbctl("config", "set", "log.access=false").status == 0)
        #expect(try balancer.census(5) == ["web-1": 5])
        #expect(try balancer.lbctl("config", "set", "log.access=").status == 0)
        #expect(try balancer.lbctl("config", "set", "log.access=true", "log.levels.access=error").status == 0)
        #expect(try balancer.census(5) == ["web-1": 5])
        #expect(try balancer.lbctl("log", "level", "info", "access").status == 0)
        #expect(try balancer.census(5) == ["web-1": 5])
        _ = try awaitLines(10)
        #expect(try balancer.stop().status == 0)
        #expect(try lines().count == 10)
    }
}
