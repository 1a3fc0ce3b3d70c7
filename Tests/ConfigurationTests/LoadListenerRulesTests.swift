// Whom listeners serve, and whose PROXY headers they believe.
import Configuration
import Model
import Testing

/// The good file with further lines in its listener.
private func listener(_ lines: String...) -> String {
    changed("pool: web", (["pool: web"] + lines).joined(separator: "\n    "))
}

struct LoadListenerRulesTests {
    @Test("what is written arrives")
    func values() throws {
        let rules = try load(listener(
            "accept-proxy: v1v2", "trusted: [10.0.0.0/8, \"::1\"]", "proxy-timeout: 500ms", "allow: [192.0.2.0/24]",
            "deny: [192.0.2.7, \"2001:db8::/32\"]")).listeners[0].rules
        #expect(rules == ListenerRules(
            acceptProxy: .required(trusted: [try Network("10.0.0.0/8"), try Network("::1")], timeout: .milliseconds(500)),
            allow: [try Network("192.0.2.0/24")], deny: [try Network("192.0.2.7"), try Network("2001:db8::/32")]))
    }

    @Test("left out: everybody is served, directly")
    func defaults() throws {
        #expect(try load(goodFile).listeners[0].rules == ListenerRules())
        #expect(try load(listener("accept-proxy: v1v2", "trusted: [10.0.0.0/8]")).listeners[0].rules.acceptProxy
            == .required(trusted: [try Network("10.0.0.0/8")], timeout: .seconds(3)))
        #expect(try load(goodFile).pools[0].sendProxy == SendProxy.none)
        #expect(try load(changed("idle-timeout: 30m", "send-proxy: v2")).pools[0].sendProxy == .v2)
    }

    @Test("headers from anybody would let anybody be anybody: trusted networks must be named, and only with accept-proxy")
    func trusted() {
        #expect(errors(listener("accept-proxy: v1v2")) == [
            "lb.yaml:6:19: 'accept-proxy' of listener 'web' is v1v2, which needs 'trusted'; add trusted: and the networks of the proxies in front, such as [10.0.0.0/8]"
        ])
        #expect(errors(listener("trusted: [10.0.0.0/8]")) == [
            "lb.yaml:6:5: 'trusted' of listener 'web' goes with accept-proxy: v1v2; write that too, or take 'trusted' out"
        ])
        #expect(errors(listener("proxy-timeout: 5s")) == [
            "lb.yaml:6:5: 'proxy-timeout' of listener 'web' goes with accept-proxy: v1v2; write that too, or take it out"
        ])
        #expect(errors(listener("proxy-timeout: 3s")) == [])
        #expect(errors(listener("accept-proxy: v1v2", "trusted: []")) == [
            "lb.yaml:7:14: 'trusted' of listener 'web' has 0 networks; write 1 to 64"
        ])
    }

    @Test("bad lists", arguments: [
        ("deny: 10.0.0.0/8", "6:11: 'deny' of listener 'web' is one text; write the list [\"10.0.0.0/8\"]"),
        ("deny: [10.0.0.1/8]", "6:12: item 1 in 'deny' of listener 'web': '10.0.0.1/8' names a host and a network at once: write 10.0.0.0/8 for the network, or 10.0.0.1 for the host"),
        ("deny: [1.2.3.4, [a]]", "6:21: item 2 in 'deny' of listener 'web' is a list; write a network such as 10.0.0.0/8"),
        ("deny:", "6:10: 'deny' of listener 'web' has no value; write a list such as [10.0.0.0/8, \"::1\"]"),
        ("accept-proxy: v2", "6:19: 'accept-proxy' of listener 'web' is 'v2'; write none or v1v2"),
        ("proxy-timeout: 2m", "6:20: 'proxy-timeout' of listener 'web' is '2m'; write a duration from 100ms to 1m"),
    ])
    func badLists(line: String, error: String) {
        #expect(errors(listener(line)) == ["lb.yaml:" + error])
    }

    @Test("a list is bounded: each connection is compared with all of it")
    func tooMany() {
        let networks = { (count: Int) in "[" + (0..<count).map { "10.0.\($0).0/24" }.joined(separator: ", ") + "]" }
        #expect(errors(listener("deny: \(networks(64))")) == [])
        #expect(errors(listener("deny: \(networks(65))")) == ["lb.yaml:6:11: 'deny' of listener 'web' has 65 networks; write 0 to 64"])
    }

    @Test("a Unix socket's clients have no address to judge; defaults written out judge nobody")
    func unix() {
        let unix = { (line: String) in changed("bind: 127.0.0.1:8080\n    pool: web", "bind: unix:a\n    pool: web\n    \(line)") }
        #expect(errors(unix("deny: [10.0.0.0/8]")) == [
            "lb.yaml:6:5: 'deny' of listener 'web' judges addresses and clients of a Unix socket have none; take 'deny' out, the folder's mode says who may connect"
        ])
        #expect(errors(unix("accept-proxy: none")) == [])
        #expect(errors(unix("allow: [0.0.0.0/0, \"::/0\"]")) == [])
    }
}
