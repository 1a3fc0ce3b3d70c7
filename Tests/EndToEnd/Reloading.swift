// SIGHUP under traffic: what runs becomes what the file says, and nothing else is disturbed. Faults: failed connects,
// lost drains, findings and counters, traffic to a backend that is known to be dead, processes and memory that pile up.
import ControlProtocol
import Glibc
import Model
import Synchronization
import SystemCalls
import Testing

@Suite(.lab(.heavy)) struct Reloading {
    let lab = Lab.current

    private func write(_ text: ConfigurationText) throws { try lab.write("lbd.yaml", text.yaml(control: "lbd.sock")) }

    /// SIGHUP, and until a change of the given option has been told.
    private func reload(_ text: ConfigurationText, _ balancer: Balancer, _ events: EventFollower) throws {
        let seen = events.events.last?.sequence ?? 0
        try write(text)
        try balancer.program.signal(SIGHUP)
        try events.event("the configuration has changed") { $0.sequence > seen && $0.event == "configurationChanged" }
    }

    /// HAProxy, measured: 29 to 32 processes, 237 to 398 MB, the drain lost, 186 failed connects.
    @Test("complaint 4: 30 reloads under traffic fail no connect, keep drains, findings, counters and 200 connections, and send nothing to a dead backend")
    func drainsAndHealthSurvive() throws {
        let servers = try (1...3).map { try Nginx(lab, "web-\($0)") }
        let dead = try ClosedPort()
        var text = ConfigurationText(backends: servers.map { ($0.name, "\($0.endpoint)") } + [("dead", "\(dead.endpoint)")])
        text.pools[0].settings = ["health: { check: connect, interval: 200ms, timeout: 1s, rise: 2, fall: 3 }"]
        let balancer = try Balancer(lab, text)
        let events = try EventFollower(balancer, lab)
        for server in servers { try balancer.backend(server.name) { $0.availability == .available } }
        try balancer.backend("dead") { $0.availability == .down }
        #expect(try balancer.command("drain web/web-3 owner=tool reason=repair lease=10m").code == .done)
        let endpoint = try balancer.endpoint()
        let held = try (0..<200).map { _ in try Peer(connecting: endpoint) }
        for peer in held { try peer.send("GET / HTTP/1.0\r\n") }
        let clients = Clients(endpoint, threads: 3, perSecond: 500)
        try eventually(within: .seconds(20), "traffic") { clients.done > 500 }
        let before = (try balancer.status(), try ProcessTable.residentKiB(balancer.process))

        let started = ContinuousClock.now
        for round in 1...30 {
            text.pools[0].settings = [
                "health: { check: connect, interval: \(200 + round)ms, timeout: 1s, rise: \(1 + round % 3), fall: \(2 + round % 2) }",
                "balance: \(["round-robin", "least-connections", "two-choices", "random"][round % 4])", "idle-timeout: \(1000 + round)s",
            ]
            text.pools[0].backends[0].value = "{ address: \(servers[0].endpoint), weight: \(1 + round % 5) }"
            text.listeners[0].settings = ["connections-max: \(5000 + round)"]
            text.listeners = [text.listeners[0]]
            if round % 2 == 0 { text.listeners.append(.init(name: "other")) }
            try reload(text, balancer, events)
            let rest = started + .milliseconds(200) * round - ContinuousClock.now
            if rest > .zero { observe(for: rest) }
        }
        let served = try clients.end()
        #expect(served.failed == [], "\(served.done) were served")
        for peer in held {
            try peer.send("\r\n")
            #expect(try peer.toEnd().ending == .end)
        }
        let after = try balancer.status()
        #expect(after.pid == before.0.pid && after.generation > before.0.generation)
        #expect(try ProcessTable.residentKiB(balancer.process) <= before.1 * 11 / 10)
        try ProcessTable.awaitThreads(before.0.workers + 1, of: balancer.process)
        let (old, new) = (before.0.pools[0].backends, after.pools[0].backends)
        #expect(new[2].wish == .drain && new[2].drain?.owner == "tool" && new[2].drain?.leaseUntil == old[2].drain?.leaseUntil)
        #expect(new[2].connectionsTotal == old[2].connectionsTotal)
        #expect(new[3].probe == .down && new[3].connectFailures == old[3].connectFailures, "a dead backend was tried")
        for (old, new) in zip(old, new) { #expect(new.probeSequence > old.probeSequence, "\(new.name)") }
        for (old, new) in zip(old, new).prefix(2) { #expect(new.connectionsTotal > old.connectionsTotal, "\(new.name)") }
        #expect(events.events.count { $0.subject == "web/dead" && $0.event == "availability" } <= 1, "the finding wavered")
    }

    /// Pools, backends and listeners come and go at random, with their connections; in the end it is as in the beginning.
    @Test("after random reloads under traffic memory, descriptors and threads are as before")
    func nothingIsLeft() throws {
        var random = SeededRandom(seed: 1)
        let server = try TestServer.named("b", lab, at: .ipv4(0, port: 0))
        let port = try #require(server.endpoint.port)
        let first = ConfigurationText(backends: [("b0", "127.0.0.1:\(port)")])
        let balancer = try Balancer(lab, first)
        let events = try EventFollower(balancer, lab)
        let idle = try Baseline(balancer)
        let clients = Clients(try balancer.endpoint(), threads: 2, perSecond: 100, isHTTP: false)
        let rounds = Scale.of(60, full: 1000), warmup = Scale.of(20, full: 200)
        var resident = 0
        for round in 0..<rounds + warmup {
            // What is reached at most once is reached before the measure is taken.
            if round == warmup {
                try reload(first, balancer, events)
                resident = try ProcessTable.residentKiB(balancer.process)
            }
            var text = first
            text.settings = ["stop-deadline: \(10 + round)s"]
            for number in 1...Int.random(in: 1...6, using: &random) {
                let addresses = (1...200).shuffled(using: &random).prefix(Int.random(in: 1...20, using: &random))
                let backends = addresses.enumerated().map { ("b\($0.offset)", "127.0.1.\($0.element):\(port)") }
                text.pools.append(.init(name: "p\(number)", settings: ["balance: source-hash"], backends: backends))
                text.listeners.append(.init(name: "l\(number)", pool: "p\(number)"))
            }
            try reload(text, balancer, events)
            for listener in try balancer.status().listeners where !listener.closing && listener.name != "web" {
                let peer = try Peer(connecting: try Endpoint(listener.bind))
                if Bool.random(using: &random) { _ = try peer.line() }
            }
        }
        try reload(first, balancer, events)
        let served = try clients.end()
        #expect(served.failed == [], "\(served.done) were served")
        try eventually(within: .seconds(20), "everything to be gone") {
            let status = try balancer.status()
            return status.pools.count == 1 && status.listeners.count == 1
        }
        try idle.isBack(balancer)
        // The events that are kept, some thousand, have their full number only in the long run.
        let atEnd = try ProcessTable.residentKiB(balancer.process)
        #expect(atEnd <= resident * 11 / 10 + Scale.of(8192, full: 0), "\(resident) KiB, then \(atEnd)")
        try ProcessTable.awaitThreads(3, of: balancer.process)
    }
}

/// Clients that come at a steady rate, each on a connection of its own, and what failed of them.
private final class Clients: Sendable {
    private let endpoint: Endpoint
    private let isHTTP: Bool
    private let stop = StopFlag()
    private let served = Mutex<(done: Int, failed: [String])>((0, []))
    private let threads = Mutex<[Background<Void>]>([])

    init(_ endpoint: Endpoint, threads count: Int, perSecond: Int, isHTTP: Bool = true) {
        (self.endpoint, self.isHTTP) = (endpoint, isHTTP)
        threads.withLock { $0 = (0..<count).map { _ in Background { self.run(perSecond) } } }
    }

    var done: Int { served.withLock { $0.done } }

    /// Every client that has begun comes to its end.
    func end() throws -> (done: Int, failed: [String]) {
        stop.raise()
        for thread in threads.withLock({ $0 }) { try thread.result() }
        return served.withLock { ($0.done, Array($0.failed.prefix(10))) }
    }

    private func run(_ perSecond: Int) {
        var next = ContinuousClock.now
        while !stop.isRaised {
            next += .microseconds(1_000_000 / perSecond)
            let rest = next - ContinuousClock.now
            if rest > .milliseconds(1) { observe(for: rest) }
            do {
                try visit()
                served.withLock { $0.done += 1 }
            } catch { served.withLock { $0.failed.append("\(error)") } }
        }
    }

    private func visit() throws {
        let peer = try Peer(connecting: endpoint)
        guard isHTTP else {
            _ = try peer.line()
            return
        }
        try peer.send("GET / HTTP/1.0\r\n\r\n")
        let (bytes, ending) = try peer.toEnd()
        guard ending == .end, String(decoding: bytes, as: UTF8.self).hasPrefix("HTTP/1.1 200") else {
            throw HarnessError("\(bytes.count) bytes, then \(ending)")
        }
    }
}
