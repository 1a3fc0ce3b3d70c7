// Checks that ask for service, at real servers: http at nginx, banner at redis, commands with their process groups.
import ControlProtocol
import Foundation
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct HealthChecks {
    let lab = Lab.current
    private static let pace = "interval: 200ms, fast-interval: 100ms, timeout: 500ms, rise: 2, fall: 2"

    private func balancer(_ endpoint: Endpoint, _ check: String, _ settings: [String] = []) throws -> Balancer {
        try Balancer(lab, ConfigurationText(
            backends: [("web-1", "\"\(endpoint)\"")], ["health: { \(check), \(HealthChecks.pace) }"] + settings))
    }

    @Test("http at nginx: a good page is up; another status or another body is down, with the reason")
    func nginx() throws {
        let nginx = try Nginx(lab, "web-1")
        let balancer = try balancer(nginx.endpoint, "check: http, path: /index.html, body: web-1")
        try balancer.backend("web-1") { $0.probe == .up && $0.availability == .available }
        try lab.write("web-1/html/index.html", "sorry\n")
        let wrong = try balancer.backend("web-1") { $0.probe == .down }
        #expect(wrong.probeFailure == "http: status 200, but the body lacks 'web-1': it begins with 'sorry\\n'")
        try Files.remove(lab.path("web-1/html/index.html"))
        let gone = try balancer.backend("web-1") { $0.probeFailure?.contains("404") == true }
        #expect(gone.probeFailure == "http: status 404 is not 200-299: 'HTTP/1.1 404 Not Found'")
        try lab.write("web-1/html/index.html", "this is web-1 again\n")
        try balancer.backend("web-1") { $0.probe == .up && $0.probeFailure == nil }
    }

    @Test("http with another list of good statuses")
    func statuses() throws {
        let nginx = try Nginx(lab, "web-1")
        let balancer = try balancer(nginx.endpoint, "check: http, path: /none, status: [200-299, 404]")
        try balancer.backend("web-1") { $0.probe == .up }
    }

    /// Byte by byte, with pauses of the net's making: still one answer. And the header of the PROXY protocol comes first.
    @Test("http in a byte a read, behind a PROXY header")
    func byteByByte() throws {
        let heard = Outbox<String>()
        let server = try TestServer(lab) { peer in
            heard.put(try peer.line())
            heard.put(try peer.line())
            for byte in "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK" { try peer.send(String(byte)) }
            _ = try peer.toEnd()
        }
        let balancer = try balancer(server.endpoint, "check: http, path: /up, body: OK", ["send-proxy: v1"])
        try balancer.backend("web-1") { $0.probe == .up }
        #expect(try heard.take() == "PROXY UNKNOWN\r")
        #expect(try heard.take() == "GET /up HTTP/1.1\r")
    }

    @Test("what is no HTTP is down, and the reason shows it")
    func noHTTP() throws {
        let redis = try Redis(lab, "web-1")
        let balancer = try balancer(redis.endpoint, "check: http")
        let report = try balancer.backend("web-1") { $0.probe == .down }
        #expect(report.probeFailure?.isEmpty == false)
    }

    @Test("every check works at a Unix socket", arguments: [
        "check: connect", "check: banner, expect: OK, send: \"GET / HTTP/1.1\\r\\n\\r\\n\", match: contains", "check: http, path: /",
        "check: command, command: [test, -S, \"{host}\"]",
    ])
    func unixSocket(check: String) throws {
        let path = lab.path("web.sock")
        let server = try TestServer(lab, at: .unix(path: path)) { peer in
            // Also a check that only connects may come.
            guard case .bytes = try peer.receive() else { return }
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            _ = try peer.toEnd()
        }
        let balancer = try balancer(server.endpoint, check)
        try balancer.backend("web-1") { $0.probe == .up }
        try Files.remove(path)
        try balancer.backend("web-1") { $0.probe == .down }
    }

    @Test("banner at redis, by a text that stands somewhere in its answer")
    func redis() throws {
        let redis = try Redis(lab, "web-1")
        let balancer = try balancer(
            redis.endpoint, "check: banner, send: \"INFO server\\r\\n\", expect: \"tcp_port:\(redis.endpoint.port ?? 0)\", match: contains")
        try balancer.backend("web-1") { $0.probe == .up }
        _ = try redis.kill()
        try balancer.backend("web-1") { $0.probe == .down }
        try redis.start()
        try balancer.backend("web-1") { $0.probe == .up }
    }

    /// Complaint 25: the kernel accepts for a process that hangs, so a connect finds it up. What asks for an answer does not.
    @Test("complaint 25: an application that only accepts passes a connect check, and fails banner and http")
    func acceptOnly() throws {
        let hung = try TestServer(lab) { _ = try $0.toEnd() }
        var configuration = ConfigurationText(backends: [])
        configuration.pools = [("connect", "check: connect"), ("banner", "check: banner, expect: \"220\""), ("http", "check: http")].map {
            ConfigurationText.Pool(
                name: $0.0, settings: ["health: { \($0.1), \(HealthChecks.pace) }"], backends: [("a", "\"\(hung.endpoint)\"")])
        }
        configuration.listeners = [ConfigurationText.Listener(pool: "connect")]
        let balancer = try Balancer(lab, configuration)
        try balancer.backend("a", pool: "connect") { $0.probe == .up }
        let banner = try balancer.backend("a", pool: "banner") { $0.probe == .down }
        let http = try balancer.backend("a", pool: "http") { $0.probe == .down }
        #expect(banner.probeFailure == "banner: not done within 500 ms")
        #expect(http.probeFailure == "http: not done within 500 ms")
    }

    @Test("command: exit status 0 is up, another is down with its last line as the reason")
    func command() throws {
        let flag = try lab.write("flag", "")
        let script = try lab.write("check", "#!/bin/sh\necho \"asked for $1 at $2:$3\"\ntest -e \(flag) || { echo 'flag is gone' >&2; exit 2; }\n")
        let server = try TestServer.echo(lab)
        let balancer = try balancer(server.endpoint, "check: command, command: [\(script), \"{pool}/{backend}\", \"{host}\", \"{port}\"]")
        try balancer.backend("web-1") { $0.probe == .up }
        try Files.remove(flag)
        let report = try balancer.backend("web-1") { $0.probe == .down }
        #expect(report.probeFailure == "command: exit status 2: flag is gone")
        try lab.write("flag", "")
        try balancer.backend("web-1") { $0.probe == .up }
    }

    @Test("a command that hangs fails at its timeout, and nothing of it is left, nor a zombie")
    func hangingCommand() throws {
        let script = try lab.write("check", "#!/bin/sh\ntrap '' TERM HUP\n(trap '' TERM; sleep 987; true) &\nsleep 987\ntrue\n")
        let balancer = try balancer(try TestServer.echo(lab).endpoint, "check: command, command: [\(script)]")
        let report = try balancer.backend("web-1") { $0.probe == .down }
        #expect(report.probeFailure == "command: not done within 500 ms")
        #expect(try balancer.command("status").status == .ok)
        #expect(try balancer.command("maintain web/web-1").status == .ok)
        try eventually(within: .seconds(5), "the end of all that the checks started") {
            ProcessTable.working(in: lab.folder).allSatisfy { !ProcessTable.commandLine($0).contains("987") && !ProcessTable.commandLine($0).contains(script) }
        }
        try eventually(within: .seconds(5), "no zombie of lbd's") {
            let children = try String(contentsOfFile: "/proc/\(balancer.process)/task/\(balancer.process)/children", encoding: .utf8)
            return children.split(separator: " ").isEmpty
        }
    }
}
