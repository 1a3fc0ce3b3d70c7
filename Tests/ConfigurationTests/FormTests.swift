// Each form of value: the wrong type, the bounds, and the words of the error.
import Configuration
import Model
import Testing

/// The errors of the good file with pool options in place of its idle-timeout (line 8).
private func pool(_ lines: String) -> [String] { errors(changed("    idle-timeout: 30m", lines)) }

struct FormTests {
    @Test("a duration needs its unit, is not negative, and is within its bounds", arguments: [
        ("30", "8:19: 'idle-timeout' of pool 'web' is '30', a number without a unit; write 30s for seconds, or one of ms, m, h, d"),
        ("-2s", "8:19: 'idle-timeout' of pool 'web' is '-2s'; a duration cannot be negative; write a duration from 100ms to 30d"),
        ("99ms", "8:19: 'idle-timeout' of pool 'web' is '99ms'; write a duration from 100ms to 30d"),
        ("31d", "8:19: 'idle-timeout' of pool 'web' is '31d'; write a duration from 100ms to 30d"),
        ("1.5h", "8:19: 'idle-timeout' of pool 'web' is '1.5h'; a duration is a whole number and a unit, such as 250ms, 2s, 5m, 1h or 7d; write a duration from 100ms to 30d"),
        ("99999999999999999999s", "8:19: 'idle-timeout' of pool 'web' is '99999999999999999999s'; a duration is at most 10 years; write a duration from 100ms to 30d"),
        ("", "8:18: 'idle-timeout' of pool 'web' has no value; write a duration from 100ms to 30d"),
        ("~", "8:19: 'idle-timeout' of pool 'web' has no value; write a duration from 100ms to 30d"),
        ("[2s]", "8:19: 'idle-timeout' of pool 'web' is a list; write a duration from 100ms to 30d"),
        ("{ s: 2 }", "8:19: 'idle-timeout' of pool 'web' is a mapping; write a duration from 100ms to 30d (a text that begins with '{' needs quotes)"),
    ])
    func duration(value: String, error: String) {
        #expect(pool("    idle-timeout: \(value)") == ["lb.yaml:" + error])
    }

    @Test("bounds belong to what they bound", arguments: ["100ms", "30d", "\"2s\""])
    func durationWithinBounds(value: String) {
        #expect(pool("    idle-timeout: \(value)") == [])
    }

    @Test("a whole number is digits within its bounds: 0x1, 1e1, 010 and quotes are somebody's mistake", arguments: [
        "9", "-1", "0x1", "1e1", "010", "+1", "1.0", "two", "99999999999999999999", "\"2\"",
    ])
    func wholeNumber(value: String) {
        let shown = value == "\"2\"" ? "2" : value
        let advice = value == "\"2\"" ? ", without quotes" : ""
        #expect(pool("    connect-retries: \(value)") == [
            "lb.yaml:8:22: 'connect-retries' of pool 'web' is '\(shown)'; write a whole number from 0 to 8\(advice)"
        ])
    }

    @Test("a weight of 0 would take a backend out in silence")
    func weight() {
        #expect(errors(changed("weight: 2", "weight: 0")) == [
            "lb.yaml:12:43: 'weight' of backend 'web/b' is '0'; write a whole number from 1 to 256"
        ])
    }

    @Test("a truth value is true or false: yes, on, 1 and quotes are not guessed at", arguments: ["yes", "on", "1", "True", "\"true\""])
    func truth(value: String) {
        let found = errors(changed("backup: true", "backup: \(value)"))
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("lb.yaml:12:54: 'backup' of backend 'web/b' is '") == true)
    }

    @Test("a word outside its list is answered with the list and the nearest")
    func word() {
        #expect(pool("    balance: round-robbin") == [
            "lb.yaml:8:14: 'balance' of pool 'web' is 'round-robbin'; write round-robin, least-connections, two-choices, source-hash or random; did you mean 'round-robin'?"
        ])
        #expect(errors(changed("wish: drain", "wish: gone")) == [
            "lb.yaml:12:66: 'wish' of backend 'web/b' is 'gone'; write ready, drain or maintenance"
        ])
    }

    @Test("workers are auto or 1 to 64", arguments: [("0", false), ("65", false), ("many", false), ("1", true), ("64", true), ("auto", true)])
    func workers(value: String, isGood: Bool) {
        let found = errors(goodFile + "workers: \(value)\n")
        #expect(found == (isGood ? [] : ["lb.yaml:15:10: 'workers' is '\(value)'; write auto or a whole number from 1 to 64"]))
    }

    @Test("an endpoint that cannot be is refused before a socket is opened", arguments: [
        ("127.0.0.1:70000", "port 70000 is out of range: a port is 0 to 65535"),
        ("localhost:80", "'localhost' is no IPv4 address; host names are not looked up: write the number"),
        ("8080", "'8080' is no endpoint: write ADDRESS:PORT, [IPV6]:PORT or unix:PATH"),
        ("\"unix:\"", "unix: needs a path after it"),
        ("\"unix:a\\0b\"", "a path cannot hold a NUL byte: unix:/etc/sluice/a\\u{0}b"),
    ])
    func endpoint(value: String, error: String) {
        #expect(errors(changed("bind: 127.0.0.1:8080", "bind: \(value)")) == ["lb.yaml:4:11: 'bind' of listener 'web': \(error)"])
    }

    @Test("port 0 is a free port to a listener and nothing to a backend")
    func portZero() {
        #expect(errors(changed("bind: 127.0.0.1:8080", "bind: 127.0.0.1:0")) == [])
        #expect(errors(changed("a: 127.0.0.1:9001", "a: 127.0.0.1:0")) == [
            "lb.yaml:11:10: 'address' of backend 'web/a' has port 0, which nobody can connect to; write a port from 1 to 65535"
        ])
    }

    @Test("a text has its bytes counted")
    func textBounds() {
        #expect(errors(changed("\"220 \"", "\"\"")) == [
            "lb.yaml:9:38: 'expect' of 'health' of pool 'web' has 0 bytes; write 1 to 1024 bytes"
        ])
        #expect(errors(changed("\"220 \"", String(repeating: "é", count: 512))) == [])
        #expect(errors(changed("\"220 \"", String(repeating: "é", count: 513))).first?.contains("has 1026 bytes") == true)
    }

    @Test("hostile text comes back on one line")
    func escaped() {
        #expect(pool("    balance: \"x\\nlb.yaml:1:1: forged\"") == [
            "lb.yaml:8:14: 'balance' of pool 'web' is 'x\\nlb.yaml:1:1: forged'; write round-robin, least-connections, two-choices, source-hash or random"
        ])
    }
}
