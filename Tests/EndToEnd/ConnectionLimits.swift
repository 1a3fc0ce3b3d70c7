// Limits of connections: exact, nobody overtakes, nobody waits beside room, and nobody spins while all wait.
import ControlProtocol
import Glibc
import Model
import Synchronization
import SystemCalls
import Testing

@Suite(.lab) struct ConnectionLimits {
    let lab = Lab.current

    /// Backends with `most` each, and what their pool does when all are full.
    private func balancer(_ count: Int, most: Int, _ settings: [String], listener: [String] = [], process: [String] = []) throws -> Balancer {
        let backends = try (1...count).map { number in
            let server = try TestServer.named("web-\(number)", lab)
            return (name: "web-\(number)", value: "{ address: \"\(server.endpoint)\", connections-max: \(most) }")
        }
        var configuration = ConfigurationText(backends: backends, settings)
        configuration.listeners = [.init(settings: listener)]
        configuration.settings = process
        return try Balancer(lab, configuration)
    }

    private func queued(_ balancer: Balancer) throws -> Int { try balancer.status().pools[0].queued }

    private func expectReset(_ client: Peer) throws {
        let (bytes, ending) = try client.toEnd()
        #expect(bytes.isEmpty && ending == .reset)
    }

    private func awaitNothingHeld(_ balancer: Balancer) throws {
        try eventually(within: .seconds(20), "all tickets to be back") {
            let status = try balancer.status()
            return status.listeners[0].connections == 0 && status.pools[0].queued == 0
                && status.pools[0].backends.allSatisfy { $0.connections == 0 }
        }
    }

    /// Class 11: HAProxy's leastconn never left its loop when all were full.
    @Test("every backend at its limit and 500 waiting: lbd rests, and serves them in the order of their coming")
    func manyWait() throws {
        let balancer = try balancer(2, most: 5, ["when-full: queue", "queue: { timeout: 5m }"])
        let endpoint = try balancer.endpoint()
        var holders = try (0..<10).map { _ in try balancer.connect() }
        for holder in holders { _ = try holder.line() }
        // The first ones one by one, so that their order is known.
        var line: [Peer] = []
        for number in 1...30 {
            line.append(try Peer(connecting: endpoint))
            try eventually(within: .seconds(10), "\(number) in the queue") { try queued(balancer) == number }
        }
        var others = try (0..<470).map { _ in try Peer(connecting: endpoint) }
        try eventually(within: .seconds(20), "500 in the queue") { try queued(balancer) == 500 }

        let used = try ProcessTable.processorTime(balancer.process)
        #expect(line[0].isQuiet(for: .seconds(2)))
        #expect(try ProcessTable.processorTime(balancer.process) - used < .milliseconds(200), "lbd spins")
        let full = try balancer.status().pools[0]
        #expect(full.backends.map(\.connections) == [5, 5] && full.backends.map(\.connectionsMax) == [5, 5])

        for number in line.indices {
            holders.removeFirst().close()
            #expect(try line[number].line().hasPrefix("web-"), "number \(number)")
            if number + 1 < line.count { #expect(line[number + 1].isQuiet(for: .milliseconds(5)), "number \(number + 1) overtook") }
            holders.append(line[number])
        }
        for holder in holders { holder.close() }
        try eventually(within: .seconds(30), "the others to be served, \(others.count) left") {
            for (index, peer) in others.enumerated().reversed() where !peer.isQuiet(for: .zero) {
                let name = try peer.line()
                #expect(name.hasPrefix("web-"))
                others.remove(at: index).close()
            }
            return others.isEmpty
        }
        try awaitNothingHeld(balancer)
        let end = try balancer.status().pools[0]
        #expect(end.refused == 0 && end.backends.reduce(0) { $0 + $1.connectionsTotal } == 510)
    }

    @Test("hundreds of clients on two workers: the backends never see one too many, and every client is served")
    func exact() throws {
        let balancer = try balancer(3, most: 4, ["when-full: queue", "balance: random"])
        let endpoint = try balancer.endpoint()
        let inside = Mutex((now: 0, most: 0))
        _ = try concurrently(60, within: .seconds(60)) { _ in
            for _ in 0..<10 {
                let client = try Peer(connecting: endpoint)
                _ = try client.line()
                // From the first answer to before the end it surely holds its ticket.
                inside.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
                try client.send("x\n")
                _ = try client.line()
                inside.withLock { $0.now -= 1 }
                client.close()
            }
        }
        let most = inside.withLock { $0.most }
        #expect(most <= 12, "\(most) at once")
        try awaitNothingHeld(balancer)
        let pool = try balancer.status().pools[0]
        #expect(pool.backends.reduce(0) { $0 + $1.connectionsTotal } == 600 && pool.refused == 0)
    }

    @Test("who has waited for the queue's timeout is reset, on time and counted")
    func timeout() throws {
        let balancer = try balancer(1, most: 1, ["when-full: queue", "queue: { length-max: 20, timeout: 3s }"])
        let events = try EventFollower(balancer, lab)
        let holder = try balancer.connection(to: "web-1")
        let started = ContinuousClock.now
        let line = try (0..<25).map { _ in try balancer.connect() }
        for client in line { try expectReset(client) }
        let took = ContinuousClock.now - started
        #expect(took > .milliseconds(2950) && took < .seconds(3) + Scale.lateness, "took \(took.spoken)")
        let pool = try balancer.status().pools[0]
        #expect(pool.refused == 25 && pool.queueTimeouts == 20 && pool.queued == 0)
        #expect(try balancer.status().listeners[0].refused == 25)
        try events.event("poolFull") { $0.event == "poolFull" && $0.subject == "pool web" }
        #expect(events.events.count { $0.event == "poolFull" } <= 4)
        holder.close()
        #expect(try balancer.census(5) == ["web-1": 5])
    }

    @Test("a full pool that refuses resets at once, says so once a second at most, and serves the next one")
    func refuses() throws {
        let balancer = try balancer(1, most: 1, [])
        let holder = try balancer.connection(to: "web-1")
        let started = ContinuousClock.now
        for _ in 0..<100 { try expectReset(balancer.connect()) }
        let seconds = Int((ContinuousClock.now - started).components.seconds)
        #expect(try balancer.status().pools[0].refused == 100)
        let said = balancer.program.errors.split(separator: "\n").count { $0.contains("connections-max") }
        #expect((1...seconds + 2).contains(said), "said \(said) times in \(seconds) s")
        let wide = try balancer.lbctl("status", "-o", "wide")
        #expect(wide.output.contains("100 refused when full") && wide.output.contains("MAX"), "\(wide)")
        try holder.send("still here\n")
        #expect(try holder.line() == "still here")
        holder.close()
        try balancer.backend("web-1") { $0.connections == 0 }
        #expect(try balancer.connect().line() == "web-1")
    }

    @Test("a listener or the process at its limit: the backlog waits, and is served at once when one ends", arguments: ["listener", "process"])
    func backlogWaits(whose: String) throws {
        let limit = ["connections-max: 4"]
        let balancer = try balancer(1, most: 100, [], listener: whose == "listener" ? limit : [], process: whose == "process" ? limit : [])
        let endpoint = try balancer.endpoint()
        var holders = try (0..<4).map { _ in try balancer.connection(to: "web-1") }
        var delays: [Duration] = []
        for _ in 0..<10 {
            let late = try Peer(connecting: endpoint)
            #expect(late.isQuiet(for: .milliseconds(50)))
            #expect(try balancer.status().listeners[0].connections == 4)
            holders.removeFirst().close()
            let closed = ContinuousClock.now
            _ = try late.line()
            delays.append(ContinuousClock.now - closed)
            holders.append(late)
        }
        // Half of them: the machine may be busy with others.
        #expect(delays.sorted()[5] < .milliseconds(100), "\(delays)")
        let used = try ProcessTable.processorTime(balancer.process)
        let waiting = try (0..<50).map { _ in try Peer(connecting: endpoint) }
        #expect(waiting[0].isQuiet(for: .seconds(1)))
        #expect(try ProcessTable.processorTime(balancer.process) - used < .milliseconds(150), "lbd spins")
        for client in waiting { client.close() }
        for holder in holders { holder.close() }
        try awaitNothingHeld(balancer)
        #expect(try balancer.census(10) == ["web-1": 10])
    }

    @Test("a client that leaves while it waits is not served, and those behind it move up")
    func leaves() throws {
        let server = try TestServer.named("web-1", lab)
        let backends = [(name: "web-1", value: "{ address: \"\(server.endpoint)\", connections-max: 1 }")]
        let balancer = try Balancer(lab, ConfigurationText(backends: backends, ["when-full: queue", "queue: { timeout: 1m }"]))
        let holder = try balancer.connection(to: "web-1")
        var line: [Peer] = []
        for number in 1...4 {
            line.append(try balancer.connect())
            try eventually(within: .seconds(10), "\(number) in the queue") { try queued(balancer) == number }
        }
        line[0].close()
        line[2].reset()
        try eventually(within: .seconds(10), "two to have left the queue") { try queued(balancer) == 2 }
        holder.close()
        #expect(try line[1].line() == "web-1")
        line[1].close()
        #expect(try line[3].line() == "web-1")
        line[3].close()
        try awaitNothingHeld(balancer)
        #expect(server.accepted == 3)
    }

    @Test("a drain of a full backend: those in the queue hold nothing, and wait for the others")
    func drain() throws {
        let balancer = try balancer(2, most: 1, ["when-full: queue", "queue: { timeout: 1m }"])
        let first = try balancer.connection(to: "web-1")
        let second = try balancer.connection(to: "web-2")
        let client = try balancer.connect()
        try eventually(within: .seconds(10), "one in the queue") { try queued(balancer) == 1 }
        let drain = try balancer.startLbctl(["drain", "web/web-1", "--wait"])
        try balancer.backend("web-1") { $0.availability == .draining }
        first.close()
        #expect(try drain.end(within: .seconds(5)).status == 0)
        #expect(client.isQuiet(for: .milliseconds(100)), "a drained backend got a connection out of the queue")
        #expect(try balancer.lbctl("undrain", "web/web-1").status == 0)
        #expect(try client.line() == "web-1")
        second.close()
        client.close()
        try awaitNothingHeld(balancer)
    }

    @Test("SIGTERM with a queue: who waits is served while there is time, the rest is ended at the deadline; lbd exits 0")
    func stopping() throws {
        let balancer = try balancer(1, most: 1, ["when-full: queue", "queue: { timeout: 1m }"], process: ["stop-deadline: 2s"])
        let holder = try balancer.connection(to: "web-1")
        var line: [Peer] = []
        for number in 1...3 {
            line.append(try balancer.connect())
            try eventually(within: .seconds(10), "\(number) in the queue") { try queued(balancer) == number }
        }
        try balancer.program.signal(SIGTERM)
        try eventually(within: .seconds(5), "lbd to be stopping") { try balancer.status().stopping }
        holder.close()
        #expect(try line[0].line() == "web-1")
        for client in line[1...] { #expect(try client.toEnd().bytes.isEmpty) }
        #expect(try balancer.program.end(within: .seconds(5)).status == 0)
    }

    @Test("clients that come, wait, leave and are cut at random: descriptors and tickets are back at their baseline")
    func leaksNothing() throws {
        let balancer = try balancer(
            2, most: 3, ["when-full: queue", "queue: { length-max: 10, timeout: 50ms }"], listener: ["connections-max: 25"], process: ["connections-max: 30"])
        let endpoint = try balancer.endpoint()
        #expect(try balancer.census(10).values.reduce(0, +) == 10)
        try awaitNothingHeld(balancer)
        let descriptors = try ProcessTable.descriptorKinds(balancer.process)
        _ = try concurrently(40, within: .seconds(60)) { client in
            var random = SeededRandom(seed: UInt64(client))
            for _ in 0..<30 {
                let peer = try Peer(connecting: endpoint)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: peer.close()
                case 1: peer.reset()
                case 2:
                    _ = try peer.receive()
                    peer.reset()
                default:
                    _ = try peer.receive()
                    peer.close()
                }
            }
        }
        try awaitNothingHeld(balancer)
        var now: [String: Int] = [:]
        // No more: the last control conversation may still have been among those of before.
        try eventually(within: .seconds(10), "no more descriptors than before, \(descriptors); there are \(now)") {
            now = try ProcessTable.descriptorKinds(balancer.process)
            return now.allSatisfy { $0.value <= descriptors[$0.key] ?? 0 }
        }
        let held = try (0..<6).map { _ in try balancer.connect() }
        for client in held { #expect(try client.line().hasPrefix("web-")) }
        #expect(try balancer.status().listeners[0].connections == 6)
    }
}
