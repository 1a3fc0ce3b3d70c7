// What TCP is asked for, read back from the sockets themselves. Faults: an option of the listener that accepted sockets
// do not inherit; a source port taken before the kernel knows the pair, so that ports run out.
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

/// The options of one socket in the order that tests compare: keepalive, idle, interval, count, user timeout.
private func options(of descriptor: Int32) -> [Int32] {
    let tcp = Int32(IPPROTO_TCP)
    return [
        (SOL_SOCKET, SO_KEEPALIVE), (tcp, TCP_KEEPIDLE), (tcp, TCP_KEEPINTVL), (tcp, TCP_KEEPCNT), (tcp, TCP_USER_TIMEOUT),
    ].map { value(of: descriptor, level: $0.0, option: $0.1) }
}

private func value(of descriptor: Int32, level: Int32, option: Int32) -> Int32 {
    var value: Int32 = -1
    var size = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(descriptor, level, option, &value, &size)
    return value
}

/// This process's sockets by one end's port; the tests' own clients and backends hold the other end.
private func sockets(local: UInt16? = nil, peer: UInt16? = nil) throws -> [Int32] {
    try OpenDescriptors.numbers().filter { number in
        guard let remote = Sockets.peerAddress(of: number), let own = Sockets.localAddress(of: number) else { return false }
        return (local == nil || own.port == local) && (peer == nil || remote.port == peer)
    }
}

struct TransportTests {
    @Test(arguments: [1, 2]) func acceptedSocketsInheritTheListenersOptions(_ workers: Int) async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers)
            try plane.route([backend.endpoint])
            let tcp = TCPOptions(
                keepalive: Keepalive(idle: .milliseconds(32_001), interval: .seconds(7), count: 4), userTimeout: .milliseconds(4500))
            let endpoint = try plane.listen(tcp: tcp)
            let clients = try (0..<6).map { _ in try BlockingSocket.connect(to: endpoint) }
            for client in clients {
                try client.send("x")
                #expect(client.receive(exactly: 1).count == 1)
            }
            let accepted = try sockets(local: endpoint.port)
            #expect(accepted.count == 6)
            for socket in accepted { #expect(options(of: socket) == [1, 33, 7, 4, 4500]) }
            for socket in try sockets(peer: backend.endpoint.port) { #expect(options(of: socket)[0] == 0 && options(of: socket)[4] == 0) }
            for client in clients { client.close() }
            try plane.waitUntilEmpty()
        }
    }

    @Test func backendsHaveTheirOwn() async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1)
            try plane.route([backend.endpoint], transport: PoolTransport(
                tcp: TCPOptions(keepalive: Keepalive(idle: .seconds(60), interval: .seconds(10), count: 6), userTimeout: .seconds(30))))
            let endpoint = try plane.listen()
            let client = try BlockingSocket.connect(to: endpoint)
            try client.send("x")
            #expect(client.receive(exactly: 1).count == 1)
            #expect(try sockets(peer: backend.endpoint.port).map { options(of: $0) } == [[1, 60, 10, 6, 30_000]])
            #expect(try sockets(local: endpoint.port).map { options(of: $0)[0] } == [0])
            client.close()
            try plane.waitUntilEmpty()
        }
    }

    /// One address serves two backends at once, and one of another family is reached as the kernel likes.
    @Test func backendsSeeTheSource() async throws {
        try await onThread {
            let handler: @Sendable (BlockingSocket) throws -> Void = { connection in
                try connection.send((Sockets.peerAddress(of: connection.number)?.address.description ?? "nobody") + "\n")
            }
            let backends = try [Endpoint("127.0.0.1:0"), Endpoint("127.0.0.1:0"), Endpoint("[::1]:0")].map {
                try TestBackend(at: $0, handler)
            }
            defer { for backend in backends { backend.stop() } }
            let plane = try TestPlane(workers: 2)
            try plane.route(backends.map(\.endpoint), transport: PoolTransport(source: IPAddress("127.0.0.9")))
            let endpoint = try plane.listen()
            let seen = try (0..<30).map { _ in
                String(decoding: try BlockingSocket.connect(to: endpoint).receiveAll().bytes, as: UTF8.self)
            }
            #expect(Set(seen) == ["127.0.0.9\n", "::1\n"])
            try plane.waitUntilEmpty()
        }
    }

    /// A floating address that is with another host for a moment: no backend is to blame, and nobody is cut off.
    @Test func aSourceThatIsAwayIsWaitedFor() async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1)
            try plane.route([backend.endpoint], transport: PoolTransport(source: IPAddress("192.0.2.1")))
            let client = try BlockingSocket.connect(to: try plane.listen())
            try client.send("hello")
            while plane.plane.statistics.totals(listener: 0).accepted == 0 { try waitALittle() }
            try plane.route([backend.endpoint], transport: PoolTransport(source: IPAddress("127.0.0.9")))
            #expect(client.receive(exactly: 5) == Array("hello".utf8))
            #expect(plane.plane.statistics.totals(slot: 0).connectFailures == 0)
            client.close()
            try plane.waitUntilEmpty()
        }
    }

    /// Else each port of the source carries one connection in all, not one to each backend.
    @Test func theSourcesPortIsChosenWithTheConnect() async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1)
            try plane.route([backend.endpoint], transport: PoolTransport(source: IPAddress("127.0.0.9")))
            let client = try BlockingSocket.connect(to: try plane.listen())
            try client.send("x")
            #expect(client.receive(exactly: 1).count == 1)
            let towards = try sockets(peer: backend.endpoint.port)
            #expect(towards.map { value(of: $0, level: Int32(IPPROTO_IP), option: IP_BIND_ADDRESS_NO_PORT) } == [1])
            client.close()
            try plane.waitUntilEmpty()
        }
    }
}
