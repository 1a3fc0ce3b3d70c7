// A small backend inside the test: a thread per connection, and what it does with one is up to the test.
import Glibc
import Model
import Synchronization
import SystemCalls

final class TestServer: Sendable {
    let endpoint: Endpoint
    private let listener: Descriptor
    private let handler: @Sendable (Peer) throws -> Void
    private let state = Mutex(State())
    private let stopping = StopFlag()

    private struct State {
        var accepted = 0
        var open: [ObjectIdentifier: Peer] = [:]
    }

    /// Accepts connections at once; `handler` owns each and closes it at its end.
    init(
        _ lab: Lab, at endpoint: Endpoint = .loopback(0), backlog: Int = 4096,
        _ handler: @escaping @Sendable (Peer) throws -> Void
    ) throws {
        listener = try Sockets.bind(endpoint)
        try Sockets.listen(listener.number, backlog: backlog)
        self.endpoint = try Sockets.localEndpoint(of: listener.number)
        self.handler = handler
        _ = Background { self.acceptAll() }
        lab.atEnd { self.stop() }
    }

    /// Connections accepted so far, probes included.
    var accepted: Int { state.withLock { $0.accepted } }

    /// Stops accepting and wakes every handler with the end of its connection.
    func stop() {
        stopping.raise()
        _ = shutdown(listener.number, Int32(SHUT_RDWR))
        for peer in state.withLock({ Array($0.open.values) }) { peer.interrupt() }
    }

    private func acceptAll() {
        while !stopping.isRaised {
            let (number, failure) = Sockets.accept(on: listener.number)
            if number >= 0 {
                serve(Peer(owning: Descriptor(owning: number)))
                continue
            }
            guard failure == EAGAIN || failure == ECONNABORTED else { return }
            var watched = pollfd(fd: listener.number, events: Int16(POLLIN), revents: 0)
            poll(&watched, 1, 1000)
        }
    }

    private func serve(_ peer: Peer) {
        state.withLock {
            $0.accepted += 1
            $0.open[ObjectIdentifier(peer)] = peer
        }
        _ = Background {
            defer {
                _ = self.state.withLock { $0.open.removeValue(forKey: ObjectIdentifier(peer)) }
                peer.close()
            }
            try self.handler(peer)
        }
    }
}

extension TestServer {
    /// Says its name on a line, then echoes until the client ends: so a client knows where it is.
    static func named(_ name: String, _ lab: Lab, at endpoint: Endpoint = .loopback(0)) throws -> TestServer {
        try TestServer(lab, at: endpoint) { peer in
            try peer.send(name + "\n")
            try peer.echoToEnd()
        }
    }

    static func echo(_ lab: Lab, at endpoint: Endpoint = .loopback(0)) throws -> TestServer {
        try TestServer(lab, at: endpoint) { try $0.echoToEnd() }
    }
}

extension Peer {
    func echoToEnd() throws {
        while case .bytes(let bytes) = try receive() { try send(bytes) }
    }
}
