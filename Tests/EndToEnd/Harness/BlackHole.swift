// An endpoint whose connects hang: its accept queue is full, and the kernel drops every further SYN.
import Glibc
import Model
import SystemCalls
import Testing

final class BlackHole: Sendable {
    let endpoint: Endpoint
    private let listener: Descriptor
    /// The connections that fill the queue.
    private let filling: [Peer]

    init() throws {
        listener = try Sockets.bind(.loopback(0))
        try Sockets.listen(listener.number, backlog: 0)
        endpoint = try Sockets.localEndpoint(of: listener.number)
        var filling: [Peer] = []
        while let peer = try BlackHole.connected(to: endpoint) {
            filling.append(peer)
            guard filling.count < 16 else { throw HarnessError("\(endpoint) accepts however full it is") }
        }
        self.filling = filling
    }

    /// Empties the queue: connects that wait get through when the kernel repeats their SYN. Then the next
    /// connection, other than those that filled the queue.
    func acceptNext(within limit: Duration = .seconds(10), at location: SourceLocation = #_sourceLocation) throws -> Peer {
        var toSkip = filling.count
        return try eventually(within: limit, "a connection to \(endpoint)", at: location) {
            let (number, failure) = Sockets.accept(on: listener.number)
            guard number >= 0 else {
                guard failure == EAGAIN else { throw SystemError("accept4", failure) }
                return nil
            }
            let peer = Peer(owning: Descriptor(owning: number))
            toSkip -= 1
            return toSkip < 0 ? peer : nil
        }
    }

    /// nil when the connect hangs.
    private static func connected(to endpoint: Endpoint) throws -> Peer? {
        do { return try Peer(connecting: endpoint, patience: .milliseconds(200)) } catch is HarnessError { return nil }
    }
}
