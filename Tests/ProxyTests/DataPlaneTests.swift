// The border to the control plane, and what is left behind. Faults: `drained` said too early or never, descriptors or
// tickets that leak when connections are cut at odd moments, a pause that cuts somebody or never ends.
import Glibc
import Model
import Statistics
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

struct DataPlaneTests {
    /// A third cut by the client, a third by the backend, at random moments and in random ways.
    @Test func nothingIsLeftOf2000Connections() async throws {
        try await onThread {
            let backend = try TestBackend { connection in
                var random = SeededGenerator(seed: UInt64(connection.number))
                let request = connection.receive(exactly: 1)
                switch request.first.map({ $0 % 6 }) {
                case 0: connection.reset()
                case 1: connection.close()
                case nil: return
                default:
                    try connection.send(pattern(Int.random(in: 1...100_000, using: &random)))
                    connection.finish()
                    _ = connection.receiveAll()
                }
            }
            defer { backend.stop() }
            let plane = try TestPlane(workers: 2)
            try plane.route([backend.endpoint])
            let endpoint = try plane.listen()
            let port = try #require(backend.endpoint.port)
            try await onThreads(8) { index in
                var random = SeededGenerator(seed: SeededGenerator.seed &+ UInt64(index))
                for _ in 0..<250 { try cutConnection(endpoint, &random) }
            }
            // The last clients may be gone before they are accepted.
            try plane.waitUntilFollowed(plane.plane.closeListeners())
            try plane.waitUntilEmpty()
            #expect(plane.plane.statistics.totals(listener: 0).accepted == 2000)
            #expect(plane.plane.statistics.totals(listener: 0).open == 0)
            #expect(plane.plane.statistics.tickets(slot: 0).held == 0)
            #expect(try OpenDescriptors.count(ofLocalPort: try #require(endpoint.port)) == 0)
            // What each worker parks is connected no longer, once the last FIN has arrived.
            let deadline = ContinuousClock.now + Patience.limit
            while try OpenDescriptors.count(ofRemotePort: port) > 0, ContinuousClock.now < deadline { poll(nil, 0, 10) }
            #expect(try OpenDescriptors.count(ofRemotePort: port) == 0)
        }
    }

    @Test(arguments: [1, 2]) func theLastConnectionGoneIsToldOnce(_ workers: Int) async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers)
            try plane.route([backend.endpoint])
            let endpoint = try plane.listen()
            for _ in 0..<10 {
                let clients = try (0..<10).map { _ in try BlockingSocket.connect(to: endpoint) }
                for client in clients {
                    try client.send("x")
                    #expect(client.receive(exactly: 1).count == 1)
                }
                #expect(plane.plane.statistics.tickets(slot: 0).watch(true) == 10)
                for client in clients { client.close() }
                try plane.wait { $0.isLastConnectionGone(of: 0) }
                #expect(plane.plane.statistics.tickets(slot: 0).watch(false) == 0)
                try plane.waitUntilEmpty()
                #expect(try plane.news { $0.isLastConnectionGone(of: 0) } == 0)
            }
        }
    }

    /// Once the routing that takes a backend out is followed and its tickets are back, no connection reaches it any
    /// more: what `drained` means.
    @Test func aFollowedRoutingHolds() async throws {
        try await onThread {
            let old = try TestBackend.echo(), new = try TestBackend.echo()
            defer { old.stop(); new.stop() }
            let plane = try TestPlane(workers: 2)
            #expect(!plane.plane.isFollowed(1))
            try plane.route([old.endpoint])
            let endpoint = try plane.listen()
            let isOver = Counter()
            try await onThreads(3) { [box = Handed(plane)] index in
                guard index > 0 else {
                    for _ in 0..<20 {
                        try box.plane.route([new.endpoint], slot: 1)
                        try box.plane.waitUntilFree(slot: 0)
                        let before = old.accepted
                        for _ in 0..<5 { try exchange(endpoint) }
                        #expect(old.accepted == before, "a connection reached the backend that was taken out")
                        try box.plane.route([old.endpoint])
                    }
                    isOver.add(1)
                    return
                }
                while isOver.value == 0 { try exchange(endpoint) }
            }
            try plane.waitUntilEmpty()
        }
    }

    @Test func routingIsNotFollowedBeforeTheWorkersRun() throws {
        let plane = try DataPlane(
            segment: Segment(layout: SegmentLayout(workers: 2, slots: 1, listeners: 1)), descriptorLimit: 1024, descriptorsOpen: 0, backends: 0)
        let generation = plane.publish(PoolRouting(
            balance: .roundRobin, timeouts: PoolTimeouts(connect: .zero, idle: .zero, halfClosed: .zero), connectRetries: 0, targets: []),
            pool: 0)
        #expect(!plane.isFollowed(generation))
        plane.end()
    }
}

/// One client's connection, cut in one of several ways.
private func cutConnection(_ endpoint: Endpoint, _ random: inout SeededGenerator) throws {
    let client = try BlockingSocket.connect(to: endpoint)
    let request = [UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: Int.random(in: 1...3000, using: &random))
    switch Int.random(in: 0..<6, using: &random) {
    case 0: client.reset()
    case 1: client.close()
    case 2:
        try client.send(request)
        client.reset()
    case 3:
        try client.send(request)
        _ = client.receive(max: 1000)
        client.close()
    default:
        // The backend may cut first, so a send may fail.
        do { try client.send(request) } catch { return }
        client.finish()
        _ = client.receiveAll()
    }
}

private func exchange(_ endpoint: Endpoint) throws {
    let client = try BlockingSocket.connect(to: endpoint)
    try client.send("x")
    #expect(client.receive(exactly: 1).count == 1)
}

/// A plane that one of several threads uses alone.
private final class Handed: @unchecked Sendable {
    let plane: TestPlane
    init(_ plane: TestPlane) { self.plane = plane }
}
