// lbd's own HTTP pages: who is answered what. Faults: a page that another site reads by DNS rebinding, an echo of what was
// asked, readiness that is told by hope, and traces of the admin address among what was configured.
import ControlProtocol
import Foundation
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct AdminPages {
    let lab = Lab.current

    private func balancer(_ settings: [String] = [], health: String = "{ check: none }", admin: String = "127.0.0.1:0") throws -> Balancer {
        var text = ConfigurationText([("web-1", try TestServer.named("web-1", lab))], ["health: \(health)"])
        text.settings = ["admin: \"\(admin)\""] + settings
        return try Balancer(lab, text)
    }

    @Test("healthz answers 200, each answer ends its connection, is for no other page and for no cache")
    func health() throws {
        let balancer = try balancer()
        let answer = try balancer.get("/healthz")
        #expect(answer.status == 200 && answer.body == "ok\n")
        expectGuarded(answer)
        let head = try balancer.get("/healthz", method: "HEAD")
        #expect(head.status == 200 && head.body.isEmpty && head.headers["content-length"] == "3")
        #expect(try balancer.ask("GET /healthz HTTP/1.0\r\n\r\n").status == 200, "a client without a Host header")
    }

    /// Each header once.
    private func expectGuarded(_ answer: AdminAnswer) {
        #expect(answer.headers["connection"] == "close", "\(answer)")
        #expect(answer.headers["cache-control"] == "no-store", "\(answer)")
        #expect(answer.headers["x-content-type-options"] == "nosniff", "\(answer)")
        #expect(answer.headers["referrer-policy"] == "no-referrer", "\(answer)")
        let policy = answer.headers["content-security-policy"] ?? ""
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"] { #expect(policy.contains(rule), "\(answer)") }
    }

    /// libevent answers these before anybody of ours is asked.
    @Test("what is no request at all is answered under the same headers", arguments: [
        ("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + String(repeating: "a", count: 9000) + "\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nno header\r\n\r\n", 400), ("nonsense\r\n\r\n", 400), ("GET /healthz HTTP/9.1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 413),
        ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", 413),
    ])
    func ownErrors(_ request: String, _ status: Int) throws {
        let answer = try balancer().ask(request)
        #expect(answer.status == status, "\(answer)")
        expectGuarded(answer)
    }

    @Test("other methods, paths, bodies and too many headers are refused, and nothing of what was asked comes back")
    func refused() throws {
        let balancer = try balancer()
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let answer = try balancer.get("/", method: method)
            #expect(answer.status == 405 && answer.headers["allow"] == "GET, HEAD", "\(method): \(answer)")
        }
        let missing = try balancer.get("/<script>alert(1)</script>")
        #expect(missing.status == 404 && !missing.text.contains("script>"), "\(missing)")
        #expect(try balancer.get("/../run/wishes.json").status == 404)
        #expect(try balancer.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").status == 413)
        let large = String(repeating: "a", count: 9000)
        #expect(try balancer.get("/healthz", ["Host: 127.0.0.1", "X: \(large)"]).status == 400)
        #expect(try balancer.get("/healthz").status == 200)
    }

    @Test("on a loopback address a page is shown to whom asks for an address or localhost, health and metrics to everybody")
    func hosts() throws {
        let balancer = try balancer()
        for host in ["127.0.0.1", "127.0.0.1:9180", "[::1]:9180", "localhost", "LOCALHOST:80"] {
            #expect(try balancer.get("/no-such-page", ["Host: \(host)"]).status == 404, "\(host)")
        }
        for host in ["evil.example", "evil.example:9180", "localhost.evil.example", "127.0.0.1.evil.example", "<b>"] {
            let answer = try balancer.get("/", ["Host: \(host)"])
            #expect(answer.status == 403 && answer.body.contains("localhost") && answer.headers["content-type"] == "text/plain; charset=utf-8", "\(answer)")
            #expect(try balancer.get("/healthz", ["Host: \(host)"]).status == 200)
            #expect(try balancer.get("/readyz", ["Host: \(host)"]).status == 200)
        }
        #expect(try balancer.ask("GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").status == 403, "an absolute address")
    }

    @Test("readyz says in words why not: a pool without a backend, lbd stopping; in JSON too")
    func readiness() throws {
        let server = try TestServer.named("web-1", lab)
        var text = ConfigurationText([("web-1", server)], ["health: { check: connect, interval: 100ms, rise: 1, fall: 1 }"])
        text.settings = ["admin: 127.0.0.1:0"]
        let balancer = try Balancer(lab, text)
        try balancer.becomesAvailable()
        let ready = try balancer.get("/readyz")
        #expect(ready.status == 200 && ready.body == "ready\n")
        let held = try balancer.connect()
        #expect(try held.line() == "web-1")
        #expect(try balancer.command("drain web/web-1").code == .done)
        let answer = try balancer.get("/readyz")
        #expect(answer.status == 503 && answer.body == "pool web has no available backend (1 draining): new connections are reset\n", "\(answer)")
        for (path, headers) in [("/readyz?format=json", ["Host: localhost"]), ("/readyz", ["Host: localhost", "Accept: application/json"])] {
            let answer = try balancer.get(path, headers)
            #expect(answer.status == 503 && answer.headers["content-type"] == "application/json")
            #expect(answer.body == "{\"ready\":false,\"reasons\":[\"pool web has no available backend (1 draining): new connections are reset\"]}\n")
        }
        #expect(try balancer.command("undrain web/web-1").code == .done)
        #expect(try balancer.get("/readyz").status == 200)
        try balancer.program.signal(SIGTERM)
        try eventually(within: .seconds(10), "readyz to say that lbd stops") { try balancer.get("/readyz").body.contains("stopping") }
        #expect(try balancer.get("/healthz").status == 200, "it lives until the last connection has ended")
        // Somebody who watches does not keep lbd from ending.
        let watcher = try Peer(connecting: balancer.admin())
        try watcher.send("GET /")
        held.close()
        #expect(try balancer.program.end(within: .seconds(8)).status == 0)
    }

    @Test("nothing of the admin address is in status, connections, the shown configuration or the limits of others")
    func hidden() throws {
        let balancer = try balancer(["connections-max: 1"])
        let open = try Peer(connecting: balancer.admin())
        try open.send("GET /healthz HTTP/1.1\r\n")
        #expect(try balancer.get("/healthz").status == 200)
        let status = try balancer.status()
        #expect(status.connections == 0 && status.connectionsMax == 1)
        #expect(status.listeners.map(\.name) == ["web"] && status.pools.map(\.name) == ["web"])
        #expect(try balancer.command("connections").data.first == "0 connections")
        let shown = try balancer.command("config show defaults=yes").data
        #expect(!shown.contains { $0.contains("http.sock") })
        let only = try balancer.connect()
        #expect(try only.line() == "web-1", "the one connection is a client's")
        #expect(try balancer.get("/healthz").status == 200, "full for clients is not full for who looks")
        #expect(try balancer.command("status").status == .ok)
        let mode = try FileManager.default.attributesOfItem(atPath: lab.path("run/admin"))[.posixPermissions] as? Int
        #expect(mode == 0o700)
    }

    @Test("the address is set, moved and taken away while lbd runs; what cannot be bound changes nothing")
    func changes() throws {
        let taken = try TestServer.echo(lab)
        let balancer = try balancer()
        let first = try balancer.admin()
        #expect(try balancer.get("/healthz").status == 200)
        #expect(try balancer.command("config set admin=127.0.0.2:0").code == .done)
        try eventually(within: .seconds(10), "the new address") { try balancer.admin() != first && balancer.get("/healthz").status == 200 }
        #expect(throws: (any Error).self) { try Peer(connecting: first) }
        let refused = try balancer.command("config set admin=\(taken.endpoint)")
        #expect(refused.code == .failed && "\(refused.status)".contains("in use"), "\(refused)")
        let second = try balancer.admin()
        #expect(try balancer.get("/healthz").status == 200)
        #expect(try balancer.command("config set admin=").code == .done)
        try eventually(within: .seconds(10), "nobody at the address") {
            do { _ = try Peer(connecting: second) } catch { return true }
            return false
        }
        #expect(try balancer.command("config set admin=\(second)").code == .done)
        #expect(try balancer.get("/healthz").status == 200)
    }
    // MARK: Addresses that change hands

    /// Two addresses, of which the kernel gives one twice at most by bad luck.
    private func addresses(unix: Bool) throws -> [String] {
        if unix { return ["unix:" + lab.path("one.sock"), "unix:" + lab.path("two.sock")] }
        return try [FreePort.next(), FreePort.next()].map { "127.0.0.1:\($0)" }
    }

    private func isAdmin(_ address: String) throws -> Bool {
        let peer = try Peer(connecting: Endpoint(address))
        defer { peer.close() }
        // A backend has greeted before.
        try peer.send("GET /healthz HTTP/1.0\r\n\r\n")
        peer.halfClose()
        return String(decoding: try peer.toEnd().0, as: UTF8.self).hasPrefix("HTTP/1.")
    }

    @Test("one reload swaps the addresses of admin and a listener, and one frees an address for admin", arguments: [false, true])
    func swaps(unix: Bool) throws {
        let addresses = try addresses(unix: unix)
        var text = ConfigurationText([("web-1", try TestServer.named("web-1", lab))])
        text.settings = ["admin: \"\(addresses[0])\""]
        text.listeners[0].bind = addresses[1]
        let balancer = try Balancer(lab, text)
        #expect(try isAdmin(addresses[0]) && !isAdmin(addresses[1]))
        for round in 1...3 {
            let (admin, listener) = (addresses[round % 2], addresses[(round + 1) % 2])
            text.settings = ["admin: \"\(admin)\""]
            text.listeners[0].bind = listener
            _ = try lab.write("lbd.yaml", text.yaml(control: "lbd.sock"))
            let reply = try balancer.command("config reload")
            #expect(reply.code == .done, "\(reply)")
            // What had come to the old sockets before they closed is answered by those who had them.
            try eventually(within: .seconds(20), "admin at \(admin) and the listener at \(listener)") { try isAdmin(admin) && !isAdmin(listener) }
        }
        // The listener goes, and its address is admin's.
        let freed = addresses[0]
        text.settings = ["admin: \"\(freed)\""]
        text.listeners = [ConfigurationText.Listener(name: "other")]
        _ = try lab.write("lbd.yaml", text.yaml(control: "lbd.sock"))
        let reply = try balancer.command("config reload")
        #expect(reply.code == .done, "\(reply)")
        try eventually(within: .seconds(20), "admin at \(freed)") { try isAdmin(freed) }
    }

    @Test("a swap of which another part is impossible changes nothing: both answer where they were")
    func refusedSwap() throws {
        let taken = try TestServer.echo(lab)
        let addresses = try addresses(unix: false)
        var text = ConfigurationText([("web-1", try TestServer.named("web-1", lab))])
        text.settings = ["admin: \"\(addresses[0])\""]
        text.listeners[0].bind = addresses[1]
        let balancer = try Balancer(lab, text)
        text.settings = ["admin: \"\(addresses[1])\""]
        text.listeners[0].bind = addresses[0]
        text.listeners.append(ConfigurationText.Listener(name: "third", bind: "\(taken.endpoint)"))
        _ = try lab.write("lbd.yaml", text.yaml(control: "lbd.sock"))
        let reply = try balancer.command("config reload")
        #expect(reply.code == .failed && "\(reply.status)".contains("third") && "\(reply.status)".contains("in use"), "\(reply)")
        for _ in 0..<10 {
            #expect(try isAdmin(addresses[0]))
            #expect(try !isAdmin(addresses[1]))
        }
    }
}
