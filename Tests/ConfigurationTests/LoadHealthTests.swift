// Health checks as the file has them. Faults: a check that is silently another one, an option that does nothing, a check
// that asks for a process and not for service.
import Configuration
import Model
import Testing

private let banner = "check: banner, expect: \"220 \", send: \"EHLO\\r\\n\""

/// The good file with other health settings.
private func health(_ settings: String) -> String { changed(banner, settings) }

struct LoadHealthTests {
    @Test("a banner check needs its banner, and no other check takes one")
    func bannerTexts() {
        #expect(errors(changed("expect: \"220 \", ", "")) == [
            "lb.yaml:9:22: 'check' of 'health' of pool 'web' is banner, which needs 'expect'; add expect: and how a good backend's words begin"
        ])
        #expect(errors(changed("check: banner", "check: connect")) == [
            "lb.yaml:9:31: 'expect' of 'health' of pool 'web' goes with check: banner and the check is connect; write check: banner, or take 'expect' out",
            "lb.yaml:9:47: 'send' of 'health' of pool 'web' goes with check: banner and the check is connect; write check: banner, or take 'send' out",
        ])
        #expect(errors(changed("check: banner", "rise: 1")).count == 2, "the default check is connect")
        #expect(errors(changed("expect: \"220 \"", "expect: []")).count == 1, "a faulty banner is not a missing one too")
    }

    @Test("check: none is a check of its own and not the absence of one")
    func checkNone() throws {
        let text = changed("{ check: banner, expect: \"220 \", send: \"EHLO\\r\\n\" }", "{ check: none }")
        #expect(try load(text).pools[0].health.check == HealthConfiguration.Check.none)
    }

    @Test("every check is read as itself, with what goes with it", arguments: [
        ("check: connect", HealthConfiguration.Check.connect),
        ("check: banner, expect: PONG, match: contains", .banner(send: nil, expect: "PONG", match: .contains)),
        ("check: http", .http(HTTPRequest())),
        ("check: http, path: /up, host: a.example, status: 200-399, body: ready",
            .http(HTTPRequest(path: "/up", host: "a.example", statuses: [200...399], body: "ready"))),
        ("check: http, status: [200-299, 401]", .http(HTTPRequest(statuses: [200...299, 401...401]))),
        ("check: command, command: [/bin/check, \"{host}\"]", .command(["/bin/check", "{host}"])),
    ])
    func checks(settings: String, check: HealthConfiguration.Check) throws {
        #expect(try load(health(settings)).pools[0].health.check == check)
    }

    @Test("pace, passive health and when-down are read, and have their defaults")
    func pace() throws {
        let plain = try load(health("check: connect")).pools[0].health
        #expect(plain == HealthConfiguration(check: .connect, interval: .seconds(2), timeout: .seconds(1), rise: 2, fall: 3))
        #expect(plain.fastInterval == .milliseconds(500) && plain.jitter == 10 && plain.whenDown == .keep && plain.passive == PassiveHealth())
        let written = try load(health("fast-interval: 100ms, jitter: 0, when-down: reset, passive: { failures: 9, within: 1s }")).pools[0].health
        #expect(written.fastInterval == .milliseconds(100) && written.jitter == 0 && written.whenDown == .reset)
        #expect(written.passive == PassiveHealth(failures: 9, within: .seconds(1)))
        #expect(try load(health("passive: { failures: 0 }")).pools[0].health.passive == nil)
        // Fast is never slower.
        #expect(try load(health("interval: 100ms")).pools[0].health.fastInterval == .milliseconds(100))
    }

    @Test("a check by the process table says nothing about service, and is refused with that reason", arguments: [
        "pid", "pidfile", "pid-file", "process", "kill", "ps",
    ])
    func processCheck(word: String) {
        let reason = "which tells that a process is there and says nothing about service: one that hangs, or another that has its number, passes too"
        #expect(errors(health("check: \(word)")) == [
            "lb.yaml:9:22: 'check' of 'health' of pool 'web' is '\(word)', \(reason); write connect, banner, http or command"
        ])
    }

    @Test("nor may a command ask for nothing more", arguments: ["kill, \"-0\", \"1\"", "/usr/bin/pgrep, nginx", "pidof, nginx"])
    func processCommand(words: String) {
        let found = errors(health("check: command, command: [\(words)]"))
        #expect(found.count == 1 && found[0].contains("says nothing about service"), "\(found)")
    }

    @Test("what goes with another check, or cannot be, is an error", arguments: [
        ("check: command", "9:22: 'check' of 'health' of pool 'web' is command, which needs 'command'; add command: and a list of program and arguments"),
        ("check: http, expect: x",
            "9:28: 'expect' of 'health' of pool 'web' goes with check: banner and the check is http; write check: banner, or take 'expect' out"),
        ("check: connect, path: /up",
            "9:31: 'path' of 'health' of pool 'web' goes with check: http and the check is connect; write check: http, or take 'path' out"),
        ("check: connect, status: [200]",
            "9:31: 'status' of 'health' of pool 'web' goes with check: http and the check is connect; write check: http, or take 'status' out"),
        ("check: http, path: up", "9:34: 'path' of 'health' of pool 'web' is 'up'; write a text that begins with '/'"),
        ("check: http, path: \"/a b\"",
            "9:34: 'path' of 'health' of pool 'web' is '/a b'; a request holds no blanks and ASCII letters only: write %20 and the like"),
        ("check: http, status: 299-200", "9:36: 'status' of 'health' of pool 'web' is '299-200'; write a status or a range such as 200-299, from 100 to 599"),
        ("check: http, status: [20, 200]", "9:37: item 1 in 'status' of 'health' of pool 'web' is '20'; write a status or a range such as 200-299, from 100 to 599"),
        ("check: htpp", "9:22: 'check' of 'health' of pool 'web' is 'htpp'; write none, connect, banner, http or command, did you mean 'http'?"),
    ])
    func refused(settings: String, error: String) {
        let found = errors(health(settings))
        #expect(found.count == 1 && found.first?.hasPrefix("lb.yaml:") == true, "\(found)")
        if !settings.contains("htpp") { #expect(found == ["lb.yaml:" + error]) }
    }

    @Test("a default that is written out is no wish for another check")
    func writtenDefaults() throws {
        #expect(errors(health("check: connect, path: /, status: 200-299, match: prefix")) == [])
    }
}
