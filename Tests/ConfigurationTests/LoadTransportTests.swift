// What is asked of TCP and the kernel, and the timeouts of pools.
import Configuration
import Model
import Testing

private func pool(_ lines: String...) -> String {
    changed("idle-timeout: 30m", lines.joined(separator: "\n    "))
}

private func listener(_ lines: String...) -> String {
    changed("pool: web", (["pool: web"] + lines).joined(separator: "\n    "))
}

struct LoadTransportTests {
    @Test("left out: nothing is asked for, and no lifetime ends")
    func defaults() throws {
        let configuration = try load(goodFile)
        #expect(configuration.listeners[0].tcp == TCPOptions())
        #expect(configuration.pools[0].transport == PoolTransport())
        #expect(configuration.pools[0].timeouts.stalled == .seconds(300) && configuration.pools[0].timeouts.lifetime == nil)
    }

    @Test("what is written arrives, each side's at its own side")
    func values() throws {
        let web = try load(listener("keepalive: { idle: 1m, count: 3 }", "user-timeout: 30s")).listeners[0]
        #expect(web.tcp == TCPOptions(
            keepalive: Keepalive(idle: .seconds(60), interval: .seconds(10), count: 3), userTimeout: .seconds(30)))
        let text = pool(
            "keepalive: { idle: 2m, interval: 5s }", "user-timeout: 10s", "source: 127.0.0.9", "stalled-timeout: 7s", "lifetime: 1h",
            "lifetime-jitter: 25")
        let backends = try load(text).pools[0]
        #expect(backends.transport == PoolTransport(
            source: IPAddress("127.0.0.9"),
            tcp: TCPOptions(keepalive: Keepalive(idle: .seconds(120), interval: .seconds(5), count: 6), userTimeout: .seconds(10))))
        #expect(backends.timeouts.stalled == .seconds(7))
        #expect(backends.timeouts.lifetime == Lifetime(longest: .seconds(3600), jitter: 25))
        #expect(try load(pool("source: \"::9\"")).pools[0].transport.source == IPAddress("::9"))
    }

    @Test("what would do nothing is refused, but for defaults that are written out")
    func idle() throws {
        #expect(try load(listener("keepalive: { idle: 0s, interval: 10s, count: 6 }")).listeners[0].tcp.keepalive == nil)
        #expect(try load(pool("lifetime-jitter: 10")).pools[0].timeouts.lifetime == nil)
        #expect(errors(listener("keepalive: { interval: 5s }")) == [
            "lb.yaml:6:18: 'interval' of 'keepalive' of listener 'web' goes with idle, without which there are no probes; write idle: and how long, or take it out"
        ])
        #expect(errors(pool("keepalive: { count: 3 }")).count == 1)
        #expect(errors(pool("lifetime: 1ms")).map { $0.contains("'lifetime' of pool 'web' is shorter than 100ms") } == [true])
        #expect(errors(pool("lifetime-jitter: 25")) == [
            "lb.yaml:8:5: 'lifetime-jitter' of pool 'web' goes with lifetime, and there is none; write lifetime: and how long, or take it out"
        ])
    }

    @Test("a backend that is a listener of the same file would connect to itself")
    func circle() {
        for bind in ["127.0.0.1:9001", "0.0.0.0:9001"] {
            #expect(errors(changed("bind: 127.0.0.1:8080", "bind: \(bind)")) == [
                "lb.yaml:11:10: backend 'web/a' has the address 127.0.0.1:9001, where listener 'web' of this file listens: it would connect to itself; write a server's address"
            ])
        }
        #expect(errors(changed("bind: 127.0.0.1:8080", "bind: 127.0.0.2:9001")) == [])
    }

    @Test("a source that no backend can be reached from, or that is no address of a host")
    func source() {
        let onlyIPv4 = "control: a\nlisteners: { web: { bind: 127.0.0.1:1, pool: web } }\npools:\n  web:\n    source: \"::1\"\n    backends: { a: 127.0.0.1:9 }\n"
        #expect(errors(onlyIPv4) == [
            "lb.yaml:5:13: 'source' of pool 'web' is ::1, and no backend has an address of its family; write one of the backends' family, or take 'source' out"
        ])
        for text in ["0.0.0.0", "\"::\"", "localhost", "127.0.0.1:80", "10.0.0.0/8", "224.0.0.1", "255.255.255.255", "\"ff02::1\"", "\"fe80::1\""] {
            #expect(errors(pool("source: \(text)")).count == 1, "\(text)")
        }
    }

    @Test("a Unix socket has no TCP to ask")
    func unix() {
        let text = changed("bind: 127.0.0.1:8080", "bind: unix:web.sock\n    user-timeout: 5s\n    keepalive: { idle: 1m }")
        #expect(errors(text) == [
            "lb.yaml:5:5: 'user-timeout' of listener 'web' is TCP's, and a Unix socket has none; take 'user-timeout' out",
            "lb.yaml:6:5: 'keepalive' of listener 'web' is TCP's, and a Unix socket has none; take 'keepalive' out",
        ])
        let onlyUnix = "control: a\nlisteners: { web: { bind: 127.0.0.1:1, pool: web } }\npools:\n  web:\n    user-timeout: 5s\n    backends: { a: unix:b }\n"
        #expect(errors(onlyUnix) == ["lb.yaml:5:5: 'user-timeout' of pool 'web' is TCP's, and a Unix socket has none; take 'user-timeout' out"])
    }
}
