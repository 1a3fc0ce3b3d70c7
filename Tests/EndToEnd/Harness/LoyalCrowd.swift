// Clients that never leave: each holds one connection, and connects again at once when it is cut. One thread for all.
import Glibc
import Model
import Synchronization
import SystemCalls
import Testing

final class LoyalCrowd: Sendable {
    struct Client {
        /// Who has greeted it, on the connection that it has now; nil: nobody yet.
        var backend: String?
        /// Connections but the first.
        var moves = -1
    }

    private let endpoint: Endpoint
    private let clients: Mutex<[Client]>
    private let stopping = StopFlag()

    init(_ count: Int, at endpoint: Endpoint, _ lab: Lab) throws {
        self.endpoint = endpoint
        clients = Mutex(Array(repeating: Client(), count: count))
        let running = Background { try self.run(count) }
        lab.atEnd {
            self.stopping.raise()
            do { try running.result() } catch { Issue.record(error) }
        }
    }

    var now: [Client] { clients.withLock { $0 } }

    func stop() { stopping.raise() }

    /// Everybody is connected, and has been told by whom; by nobody of this name.
    func settles(without cut: String? = nil) throws {
        try eventually(within: .seconds(30), "every client to be connected") { now.allSatisfy { $0.backend != nil && $0.backend != cut } }
    }

    var meanMoves: Double { Double(now.reduce(0) { $0 + $1.moves }) / Double(now.count) }
    var mostMoves: Int { now.map(\.moves).max() ?? 0 }

    private func run(_ count: Int) throws {
        var peers = try (0..<count).map { try connect($0) }
        while !stopping.isRaised {
            var watched = peers.map { pollfd(fd: $0.number, events: Int16(POLLIN), revents: 0) }
            poll(&watched, nfds_t(watched.count), 100)
            for index in watched.indices where watched[index].revents != 0 {
                var bytes = [UInt8](repeating: 0, count: 64)
                let length = recv(peers[index].number, &bytes, bytes.count, Int32(MSG_DONTWAIT))
                if length > 0 {
                    let name = String(decoding: bytes[..<length].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
                    clients.withLock { $0[index].backend = name }
                } else if length == 0 || errno != EAGAIN {
                    peers[index].close()
                    peers[index] = try connect(index)
                }
            }
        }
        for peer in peers { peer.close() }
    }

    private func connect(_ index: Int) throws -> Peer {
        clients.withLock {
            $0[index].backend = nil
            $0[index].moves += 1
        }
        return try Peer(connecting: endpoint)
    }
}
