// Endpoints in the kernel's form. Faults: byte order, a path cut or read past its end.
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

struct SocketAddressTests {
    @Test(arguments: [
        "127.0.0.1:80", "1.2.3.4:65535", "0.0.0.0:0", "[::1]:8080", "[2001:db8:1:2:3:4:5:6]:1", "unix:/run/a b.sock",
        "unix:" + String(repeating: "x", count: 107),
    ])
    func roundTrip(_ text: String) throws {
        let endpoint = try Endpoint(text)
        let address = SocketAddress(endpoint)
        #expect(address.endpoint == endpoint)
        #expect(address.family == [.ipv4: AF_INET, .ipv6: AF_INET6, .unix: AF_UNIX][Family(endpoint)])
    }

    private enum Family {
        case ipv4, ipv6, unix
        init(_ endpoint: Endpoint) {
            self = switch endpoint {
            case .ipv4: .ipv4
            case .ipv6: .ipv6
            case .unix: .unix
            }
        }
    }

    @Test func emptyIsNoEndpoint() {
        #expect(SocketAddress().endpoint == nil)
    }

    /// As the kernel reads it, not only as we do.
    @Test(arguments: ["127.0.0.1:0", "[::1]:0"])
    func kernelAgrees(_ text: String) throws {
        let asked = try Endpoint(text)
        let bound = try Sockets.bind(asked)
        let told = try Sockets.localEndpoint(of: bound.number)
        #expect(told.host == asked.host && told.port != 0)
    }

    @Test func namelessUnixPeerReadsAsEmptyPath() throws {
        let (peer, number) = try BlockingSocket.pair()
        defer { close(number) }
        #expect(try Sockets.localEndpoint(of: peer.number) == .unix(path: ""))
    }
}
