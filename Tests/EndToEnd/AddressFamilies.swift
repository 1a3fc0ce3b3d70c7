// Listeners and backends on IPv4, IPv6 and Unix sockets, in all combinations that a deployment has.
import Glibc
import Model
import Testing

enum Family: String, CaseIterable, Sendable {
    case ipv4, ipv6, unix

    /// What a listener binds; the path is below the configuration's folder.
    var bind: String {
        switch self {
        case .ipv4: "127.0.0.1:0"
        case .ipv6: "[::1]:0"
        case .unix: "unix:run/web.sock"
        }
    }

    func backend(_ lab: Lab) -> Endpoint {
        switch self {
        case .ipv4: .loopback(0)
        case .ipv6: .loopbackIPv6Any
        case .unix: .unix(path: lab.path("backend.sock"))
        }
    }
}

@Suite(.lab) struct AddressFamilies {
    let lab = Lab.current

    @Test("bytes, half-close and end pass", arguments: Family.allCases, Family.allCases)
    func passes(listener: Family, backend: Family) throws {
        let server = try TestServer(lab, at: backend.backend(lab)) { peer in
            let (bytes, _) = try peer.toEnd()
            try peer.send(bytes)
        }
        var configuration = ConfigurationText([("web-1", server)])
        configuration.listeners[0].bind = listener.bind
        let balancer = try Balancer(lab, configuration)
        let content = try Content.random(1 << 20)
        let clients = try (0..<8).map { _ in try balancer.connect() }
        for client in clients {
            let sending = Background {
                try client.send(content)
                client.halfClose()
            }
            let (bytes, ending) = try client.toEnd()
            try sending.result()
            let isSame = bytes.count == content.count && Content.isPrefix(bytes, of: content)
            #expect(isSame, "\(bytes.count) of \(content.count) bytes")
            #expect(ending == .end)
        }
        try balancer.backend("web-1") { $0.connections == 0 && $0.connectionsTotal == 8 }
    }

    @Test("a Unix backend that says a word and closes: the word and a clean end arrive")
    func unixBackendGoesAway() throws {
        let server = try TestServer(lab, at: Family.unix.backend(lab)) { peer in try peer.send("bye") }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]))
        let (bytes, ending) = try balancer.connect().toEnd()
        #expect(String(decoding: bytes, as: UTF8.self) == "bye")
        #expect(ending == .end)
    }

    @Test("a Unix listener leaves no socket file behind, and finds one that a killed lbd left")
    func socketFile() throws {
        var configuration = ConfigurationText([("web-1", try TestServer.named("web-1", lab))])
        configuration.listeners[0].bind = "unix:run/web.sock"
        let balancer = try Balancer(lab, configuration)
        #expect(try balancer.census(5) == ["web-1": 5])
        try balancer.program.signal(SIGKILL)
        try balancer.program.end()
        let next = try Balancer(lab, file: lab.path("lbd.yaml"))
        #expect(try next.census(5) == ["web-1": 5])
        try next.stop()
        #expect(access(lab.path("run/web.sock"), F_OK) != 0)
    }
}
