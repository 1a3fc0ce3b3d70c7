// Connections on which nothing happens cost nothing, whatever state their ends are in.
import Model
import Testing

/// A state of one end in which nothing happens any more.
enum Stillness: String, CaseIterable, Sendable {
    case open, halfClosed, stopped

    /// Brings an end into the state.
    func enter(_ peer: Peer) throws {
        switch self {
        case .open: break
        case .halfClosed: peer.halfClose()
        case .stopped: try peer.sendUntilStuck()
        }
    }
}

/// Classes 5 and 7: HUP and RDHUP that are reported again and again (H:5a9c637bf), a paused side half registered.
@Suite(.lab) struct Quiet {
    let lab = Lab.current

    @Test("no state of the two ends makes lbd spin", arguments: Stillness.allCases, Stillness.allCases)
    func still(client: Stillness, backend: Stillness) throws {
        let goOn = StopFlag()
        let settled = Outbox<Void>()
        let server = try TestServer(lab) { peer in
            try backend.enter(peer)
            settled.put(())
            try eventually(within: .seconds(30), "the end of the test") { goOn.isRaised }
        }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)], ["half-closed-timeout: 1m"]))
        let peer = try balancer.connect()
        try client.enter(peer)
        try settled.take()
        try balancer.backend("web-1") { $0.connections == (client == .halfClosed && backend == .halfClosed ? 0 : 1) }

        let wakeups = try ProcessTable.wakeups(balancer.process)
        let used = try ProcessTable.processorTime(balancer.process)
        observe(for: .seconds(1))
        let woken = try ProcessTable.wakeups(balancer.process) - wakeups
        // Three threads with a coarse timer each, and one connection.
        #expect(woken < 60, "\(woken) wake-ups in a second")
        #expect(try ProcessTable.processorTime(balancer.process) - used < .milliseconds(100))
        goOn.raise()
        peer.close()
        try balancer.backend("web-1") { $0.connections == 0 }
    }
}
