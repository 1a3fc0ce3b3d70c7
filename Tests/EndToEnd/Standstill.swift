// A process that stood still (SIGSTOP, a suspended machine) finds every deadline passed and all news still unread.
import ControlProtocol
import Glibc
import Model
import Testing

@Suite(.lab) struct Standstill {
    let lab = Lab.current

    /// Class 25: everything seems overdue, and everybody would be cut off at once.
    @Test("SIGSTOP for twice every timeout: nobody who has spoken or read meanwhile is cut off", arguments: Scale.workers)
    func nobodyIsCutOff(workers: Int) throws {
        let block = [UInt8](repeating: 0x45, count: 256 * 1024)
        let server = try TestServer(lab) { peer in
            guard try peer.receive(exactly: 1) == Array("s".utf8) else { return try peer.echoToEnd() }
            while true { try peer.send(block) }
        }
        // Long enough for all to be connected and heard within it where the machine is busy.
        let timeout = 5 * Scale.patience
        var configuration = ConfigurationText([("web-1", server)], [
            "idle-timeout: \(timeout)s", "half-closed-timeout: \(timeout)s", "stalled-timeout: \(timeout)s",
        ])
        configuration.workers = workers
        let balancer = try Balancer(lab, configuration)
        let endpoint = try balancer.endpoint()
        let talkers = try (0..<100).map { _ in
            let talker = try Peer(connecting: endpoint)
            try talker.send("ex")
            #expect(try talker.receive(exactly: 1) == Array("x".utf8))
            return talker
        }
        let readers = try (0..<10).map { _ in
            let reader = try Peer(connecting: endpoint)
            try reader.send("s")
            _ = try reader.receive(exactly: 1 << 20)
            return reader
        }

        try ProcessTable.stop(balancer.process)
        for talker in talkers { try talker.send("still here") }
        // The readers take what the kernel has for them, and wait for more.
        for reader in readers { while !reader.isQuiet(for: .milliseconds(10)) { _ = try reader.receive() } }
        observe(for: .seconds(2 * timeout))
        kill(balancer.process, SIGCONT)

        for talker in talkers { #expect(try talker.receive(exactly: 10) == Array("still here".utf8)) }
        for reader in readers { #expect(try reader.receive(exactly: 4 << 20).count == 4 << 20) }
        for peer in talkers + readers { peer.reset() }
        try balancer.backend("web-1") { $0.connections == 0 }
    }

    /// Class 25 too: expiries without an offset (HAProxy f065d0009).
    @Test("stopped for longer than idle-timeout and probes' timeout: whoever spoke meanwhile is not cut, no backend goes down", arguments: Scale.workers)
    func stopped(workers: Int) throws {
        let servers = try ["web-1", "web-2"].map { ($0, try TestServer.named($0, lab)) }
        // As above; a probe has its time too.
        let idle = 5 * Scale.patience
        let health = "health: { check: connect, interval: 200ms, timeout: \(Scale.patience)s, rise: 1, fall: 1 }"
        let balancer = try Balancer(lab, ConfigurationText(servers, ["idle-timeout: \(idle)s", health], workers: workers))
        try balancer.becomesAvailable()
        let follower = try EventFollower(balancer, lab)
        #expect(try balancer.lbctl("drain", "web/web-2", "--lease", "1m").status == 0)
        let endpoint = try balancer.endpoint()
        let clients = try (0..<110).map { _ in
            let client = try Peer(connecting: endpoint)
            _ = try client.line()
            return client
        }
        let (speaking, silent) = (clients.prefix(100), clients.suffix(10))

        try ProcessTable.stop(balancer.process)
        for client in speaking { try client.send("spoken meanwhile\n") }
        observe(for: Scale.of(.seconds(idle + 1), full: .seconds(60)))
        kill(balancer.process, SIGCONT)

        for client in speaking { #expect(try client.line() == "spoken meanwhile") }
        for client in silent { #expect(try client.toEnd().ending == .end) }
        // A client may see its end a moment before it is counted.
        try eventually(within: .seconds(10), "\(speaking.count) connections") {
            try balancer.status().listeners[0].connections == speaking.count
        }
        let status = try balancer.status()
        let drain = status.pools[0].backends[1].drain
        // A lease runs out by the clock, and only by it.
        #expect(Scale.isFull || drain?.owner != nil, "the drain's lease of a minute has run out within \(idle + 1) s")
        let sequence = status.pools[0].backends[0].probeSequence
        try balancer.backend("web-1") { $0.probeSequence > sequence + 3 }
        let down = follower.events.filter { $0.to == "down" }
        #expect(down.isEmpty, "went down over a standstill of lbd: \(down.map(\.line))")
    }
}
