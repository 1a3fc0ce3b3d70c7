// A loopback port that nobody uses, from the kernel: for servers that cannot say which one they were given.
import Glibc
import Model
import SystemCalls

enum FreePort {
    /// Free now; another program may take it before it is used, so whoever starts a server on it tries again.
    static func next() throws -> UInt16 {
        let socket = try Sockets.bind(.ipv4(0x7F00_0001, port: 0))
        guard let port = try Sockets.localEndpoint(of: socket.number).port else { throw HarnessError("a bound socket has no port") }
        return port
    }

    /// Starts something on a free port; on failure twice more on others.
    static func starting<Server>(_ start: (UInt16) throws -> Server) throws -> Server {
        var tries = 3
        while true {
            do { return try start(next()) } catch {
                tries -= 1
                if tries == 0 { throw error }
            }
        }
    }
}

extension Endpoint {
    static func loopback(_ port: UInt16) -> Endpoint { .ipv4(0x7F00_0001, port: port) }
    static let loopbackIPv6Any: Endpoint = .ipv6(IPv6Groups(groups: [0, 0, 0, 0, 0, 0, 0, 1]), port: 0)
}
