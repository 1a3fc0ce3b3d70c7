// How connections end. Faults: a reset that arrives as a clean end (a truncated answer looks whole) or overtakes data;
// an idle connection that lives for ever or dies early; a client that learns of a backend that was not there.
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

/// Gives the other threads their turn: what is waited for has no descriptor to wait on.
func waitALittle() throws { poll(nil, 0, 1) }

/// An address that refuses: bound and not listened on, so that nobody else takes it.
final class RefusingAddress {
    private let bound: Descriptor
    let endpoint: Endpoint

    init() throws {
        bound = try Sockets.bind(.ipv4(0x7F00_0001, port: 0))
        endpoint = try Sockets.localEndpoint(of: bound.number)
    }
}

struct EndingTests {
    @Test(arguments: [1, 2], Splicing.allCases) func aBackendsResetComesAfterAllItsData(_ workers: Int, _ splice: Splicing) async throws {
        try await onThread {
            let data = pattern(3 << 20)
            let backend = try TestBackend { connection in
                _ = connection.receive(exactly: 1)
                try connection.send(data)
                connection.waitUntilDelivered()
                connection.reset()
            }
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers)
            try plane.route([backend.endpoint], transport: PoolTransport(splice: splice))
            let endpoint = try plane.listen()
            for _ in 0..<5 {
                let client = try BlockingSocket.connect(to: endpoint)
                try client.send("x")
                let (bytes, end) = client.receiveAll()
                #expect(isSame(bytes, data) && end == .reset, "\(bytes.count) bytes, then \(end)")
            }
            try plane.waitUntilEmpty()
            #expect(plane.plane.statistics.totals(slot: 0).backendResets == 5)
        }
    }

    /// The half-closed timeout bounds how long nothing happens, not how long a slow reader may read.
    @Test(arguments: Splicing.allCases) func aSlowReaderGetsAllThatWasSentBeforeTheReset(_ splice: Splicing) async throws {
        try await onThread {
            let data = pattern(1 << 20)
            let backend = try TestBackend { connection in
                _ = connection.receive(exactly: 1)
                try connection.send(data)
                connection.waitUntilDelivered()
                connection.reset()
            }
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1)
            try plane.route([backend.endpoint], halfClosed: .seconds(4), transport: PoolTransport(splice: splice))
            let client = try BlockingSocket.connect(to: try plane.listen())
            try Sockets.set(client.number, level: SOL_SOCKET, option: SO_RCVBUF, to: 32 * 1024)
            try client.send("x")
            var bytes: [UInt8] = []
            // Twice the timeout and more; a busy machine may hold the reader up for a part of it.
            for _ in 0..<30 {
                bytes += client.receive(exactly: 16 * 1024)
                poll(nil, 0, 280)
            }
            let (rest, end) = client.receiveAll()
            #expect(isSame(bytes + rest, data) && end == .reset, "\(bytes.count + rest.count) bytes, then \(end)")
            try plane.waitUntilEmpty()
        }
    }

    @Test(arguments: Splicing.allCases) func aClientsResetReachesTheBackendAfterItsData(_ splice: Splicing) async throws {
        try await onThread {
            let data = pattern(300_000)
            let resets = Counter()
            let backend = try TestBackend { connection in
                let (bytes, end) = connection.receiveAll()
                #expect(isSame(bytes, data) && end == .reset, "\(bytes.count) bytes, then \(end)")
                if end == .reset { resets.add(1) }
            }
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1)
            try plane.route([backend.endpoint], transport: PoolTransport(splice: splice))
            let endpoint = try plane.listen()
            for _ in 0..<5 {
                let client = try BlockingSocket.connect(to: endpoint)
                try client.send(data)
                client.waitUntilDelivered()
                client.reset()
            }
            try plane.waitUntilEmpty()
            while resets.value < 5 { try waitALittle() }
            #expect(plane.plane.statistics.totals(slot: 0).clientResets == 5)
        }
    }

    @Test(arguments: [Balance.roundRobin, .leastConnections])
    func aRefusedConnectIsTriedElsewhere(_ balance: Balance) async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let dead = try RefusingAddress()
            defer { withExtendedLifetime(dead) {} }
            let plane = try TestPlane(workers: 2)
            try plane.route([dead.endpoint, backend.endpoint], balance: balance)
            let endpoint = try plane.listen()
            for _ in 0..<20 {
                let client = try BlockingSocket.connect(to: endpoint)
                try client.send("hello")
                #expect(client.receive(exactly: 5) == Array("hello".utf8))
            }
            try plane.waitUntilEmpty()
            #expect(plane.plane.statistics.totals(slot: 0).connectFailures > 0)
            #expect(plane.plane.statistics.totals(slot: 1).connections == 20)
            #expect(plane.plane.statistics.totals(listener: 0).refused == 0)
        }
    }

    /// Nobody to send it to is told by a reset, never by a clean and empty answer.
    @Test func nobodyThereIsAReset() async throws {
        try await onThread {
            let dead = try RefusingAddress()
            defer { withExtendedLifetime(dead) {} }
            let plane = try TestPlane(workers: 1)
            try plane.route([dead.endpoint], retries: 2)
            let endpoint = try plane.listen()
            #expect(try BlockingSocket.connect(to: endpoint).receiveAll() == ([], .reset))
            try plane.waitUntilEmpty()
            #expect(plane.plane.statistics.totals(slot: 0).connectFailures == 3)
            try plane.route([])
            #expect(try BlockingSocket.connect(to: endpoint).receiveAll() == ([], .reset))
            try plane.waitUntilEmpty()
            #expect(plane.plane.statistics.totals(listener: 0).refused == 2)
        }
    }

    @Test func anIdleConnectionEndsInTimeAndCleanly() async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1)
            // Long enough for a byte there and back where the machine is busy.
            try plane.route([backend.endpoint], idle: .seconds(3))
            let client = try BlockingSocket.connect(to: try plane.listen())
            // Before the last byte: this thread may have to wait for its turn after it.
            let since = Clocks.monotonic()
            try client.send("x")
            #expect(client.receive(exactly: 1).count == 1)
            #expect(client.receiveAll() == ([], .finished))
            let taken = since.duration(to: Clocks.monotonic())
            // The coarse clock may lag by a tick of the kernel's when the byte is booked.
            #expect(taken > .milliseconds(2980) && taken < .seconds(60), "ended after \(taken)")
            try plane.waitUntilEmpty()
        }
    }

    @Test func aHalfClosedConnectionHasItsOwnTimeout() async throws {
        try await onThread {
            let released = Counter()
            // A backend that reads the end and never answers it.
            let backend = try TestBackend { connection in
                _ = connection.receiveAll()
                while released.value == 0 { try waitALittle() }
            }
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1)
            try plane.route([backend.endpoint], halfClosed: .milliseconds(200))
            let client = try BlockingSocket.connect(to: try plane.listen())
            client.finish()
            let since = Clocks.monotonic()
            #expect(client.receiveAll() == ([], .finished))
            #expect(since.duration(to: Clocks.monotonic()) < .seconds(60))
            released.add(1)
            try plane.waitUntilEmpty()
        }
    }

    @Test func closeConnectionsEndsAllOfThem() async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: 2)
            try plane.route([backend.endpoint])
            let endpoint = try plane.listen()
            let clients = try (0..<30).map { _ in try BlockingSocket.connect(to: endpoint) }
            for client in clients {
                try client.send("x")
                #expect(client.receive(exactly: 1).count == 1)
            }
            plane.plane.closeConnections()
            for client in clients { #expect(client.receiveAll() == ([], .finished)) }
            try plane.waitUntilEmpty()
        }
    }
}
