// Every pair of states that the two ends can be in, all at once: where nothing happens, lbd does nothing.
import Model
import SystemCalls
import Testing

/// A state of one end in which nothing happens any more.
enum PeerState: String, CaseIterable, Sendable {
    /// Connected, reads what comes.
    case open
    /// Does not read, and what the other sends has filled every buffer.
    case paused
    /// Has ended its direction.
    case finished
    case reset
    /// A process that was stopped: in the midst of sending, and it does not read either.
    case stopped

    var reads: Bool {
        switch self {
        case .open, .finished, .reset: true
        case .paused, .stopped: false
        }
    }
}

/// Classes 5, 7 and 10: HUP and RDHUP that are reported again and again (HAProxy 5a9c637bf), a paused side that is half
/// registered, ends that nobody closes.
@Suite(.lab) struct Matrix {
    let lab = Lab.current

    private struct Pair: Sendable, CustomStringConvertible {
        let client: PeerState
        let backend: PeerState
        var description: String { "client \(client.rawValue), backend \(backend.rawValue)" }

        static let all = PeerState.allCases.flatMap { client in PeerState.allCases.map { Pair(client: client, backend: $0) } }

        /// Whether the connection still stands: neither both ended nor reset by one, everything delivered.
        var stands: Bool {
            switch (client, backend) {
            case (.finished, .finished), (.reset, .reset): false
            case (.reset, let other), (let other, .reset): !other.reads
            case (.open, _), (.paused, _), (.finished, _), (.stopped, _): true
            }
        }
    }

    /// The two real sockets of a pair, kept as long as its state is looked at.
    private struct Ends: Sendable { let client: Peer, backend: Peer }

    @Test("no pair of states makes a thread wake more than 20 times a second, and none leaves anything", arguments: Scale.workers)
    func pairs(workers: Int) throws {
        let goOn = StopFlag()
        let accepted = Outbox<(number: Int, peer: Peer)>()
        let server = try TestServer(lab) { peer in
            guard let number = Int(try peer.line()) else { throw HarnessError("no number") }
            accepted.put((number, peer))
            try eventually(within: .seconds(120), "the end of the test") { goOn.isRaised }
        }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)], ["half-closed-timeout: 2m"], workers: workers))
        let baseline = try Baseline(balancer)
        let clients = try Pair.all.indices.map { number in
            let client = try balancer.connect()
            try client.send("\(number)\n")
            return client
        }
        let backends = try Dictionary(uniqueKeysWithValues: clients.map { _ in try accepted.take() }.map { ($0.number, $0.peer) })
        _ = try concurrently(Pair.all.count) { number in
            guard let backend = backends[number] else { throw HarnessError("\(Pair.all[number]): no backend") }
            try Matrix.enter(Pair.all[number], Ends(client: clients[number], backend: backend))
        }
        let standing = Pair.all.count(where: \.stands)
        try balancer.backend("web-1") { $0.connections == standing }
        try balancer.rests(for: .seconds(2))
        #expect(try balancer.processorShare(over: .seconds(1)) < 0.05)
        try balancer.backend("web-1") { $0.connections == standing }
        goOn.raise()
        for client in clients { client.close() }
        try baseline.isBack(balancer)
    }

    /// First what fills the buffers, then the ends.
    private static func enter(_ pair: Pair, _ ends: Ends) throws {
        for (own, end, other, otherEnd) in [
            (pair.client, ends.client, pair.backend, ends.backend), (pair.backend, ends.backend, pair.client, ends.client),
        ] {
            if !other.reads {
                try end.sendUntilStuck()
            } else if own == .stopped {
                let size = 1 << 20
                let reading = Background { try otherEnd.receive(exactly: size).count }
                try end.send([UInt8](repeating: 0x44, count: size))
                _ = try reading.result()
            }
        }
        for (state, end) in [(pair.client, ends.client), (pair.backend, ends.backend)] {
            switch state {
            case .open, .paused, .stopped: continue
            case .finished: end.halfClose()
            case .reset: end.reset()
            }
        }
    }
}
