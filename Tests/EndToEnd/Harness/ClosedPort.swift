// A port that refuses connections: bound, so that nobody else gets it meanwhile, and never listened on.
import Model
import SystemCalls

final class ClosedPort: Sendable {
    let endpoint: Endpoint
    private let socket: Descriptor

    init() throws {
        socket = try Sockets.bind(.loopback(0))
        endpoint = try Sockets.localEndpoint(of: socket.number)
    }
}
