// lbd stands still for longer than its timeouts, and time goes on: what has happened meanwhile counts before the clock.
import ControlProtocol
import Glibc
import Model
import Testing

/// Class 25: expiries without an offset (HAProxy f065d0009); after a stop everything seemed overdue.
@Suite(.lab) struct Standstill {
    let lab = Lab.current

    @Test("stopped for longer than idle-timeout and probes' timeout: whoever spoke meanwhile is not cut, no backend goes down", arguments: Scale.workers)
    func stopped(workers: Int) throws {
        let servers = try ["web-1", "web-2"].map { ($0, try TestServer.named($0, lab)) }
        let balancer = try Balancer(lab, ConfigurationText(
            servers, ["idle-timeout: 2s", "health: { check: connect, interval: 200ms, timeout: 150ms, rise: 1, fall: 1 }"], workers: workers))
        try balancer.becomesAvailable()
        let follower = try EventFollower(balancer, lab)
        #expect(try balancer.lbctl("drain", "web/web-2", "--lease", "1m").status == 0)
        let speaking = try (0..<100).map { _ in try balancer.connect() }, silent = try (0..<10).map { _ in try balancer.connect() }
        for client in speaking + silent { _ = try client.line() }

        try ProcessTable.stop(balancer.process)
        for client in speaking { try client.send("spoken meanwhile\n") }
        observe(for: Scale.of(.seconds(3), full: .seconds(60)))
        kill(balancer.process, SIGCONT)

        for client in speaking { #expect(try client.line() == "spoken meanwhile") }
        for client in silent { #expect(try client.toEnd().ending == .end) }
        let status = try balancer.status()
        #expect(status.listeners[0].connections == speaking.count)
        let drain = status.pools[0].backends[1].drain
        // A lease runs out by the clock, and only by it.
        #expect(Scale.isFull || drain?.owner != nil, "the drain's lease of a minute has run out in three seconds")
        let sequence = status.pools[0].backends[0].probeSequence
        try balancer.backend("web-1") { $0.probeSequence > sequence + 3 }
        let down = follower.events.filter { $0.to == "down" }
        #expect(down.isEmpty, "went down over a standstill of lbd: \(down.map(\.line))")
    }
}
