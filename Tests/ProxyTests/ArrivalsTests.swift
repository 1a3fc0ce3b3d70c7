// Limits of new connections with real sockets. Faults: one too many at the same moment on two workers, a place that
// is not given back or twice, a rate that cuts somebody, holds up for good or lets a flood through, the proxy in
// front taken for the client.
import Glibc
import Model
import Statistics
import Synchronization
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

private let other: Endpoint = .ipv4(0x7F00_0002, port: 0)

private func isServed(_ client: BlockingSocket, _ text: String = "x") -> Bool {
    do { try client.send(text) } catch { return false }
    return client.receive(exactly: 1).count == 1
}

private func withPlane(
    _ workers: Int, _ limits: ArrivalLimits, trusted: Bool = false, at bind: Endpoint = .ipv4(0x7F00_0001, port: 0),
    _ body: @escaping @Sendable (PlaneUnderTest) async throws -> Void
) async throws {
    var rules = ListenerRules()
    rules.arrivals = limits
    if trusted { rules.acceptProxy = .required(trusted: [try Network("127.0.0.0/8")], timeout: .seconds(10)) }
    try await onThread { [rules] in
        let backend = try TestBackend.echo()
        defer { backend.stop() }
        try await body(try PlaneUnderTest(workers: workers, backends: [backend.endpoint], at: bind, rules: rules))
    }
}

extension PlaneUnderTest {
    fileprivate var sources: Int { plane.plane.sourceCounts?.used ?? 0 }

    fileprivate func wait(forSources wanted: Int) throws {
        let deadline = Clocks.monotonic().nanoseconds + 20_000_000_000
        while sources != wanted {
            guard Clocks.monotonic().nanoseconds < deadline else { throw PlaneProblem(description: "\(sources) sources, not \(wanted)") }
            sched_yield()
        }
    }
}

/// What several threads have connected.
private final class Clients: Sendable {
    private let all = Mutex<[(client: BlockingSocket, isServed: Bool)]>([])

    func add(_ client: BlockingSocket, isServed: Bool) { all.withLock { $0.append((client, isServed)) } }
    var served: [BlockingSocket] { all.withLock { $0.filter(\.isServed).map(\.client) } }
}

@Suite(.serialized) struct ArrivalsTests {
    @Test("never more of one source at once, whichever workers they come to; every end gives its place back", arguments: [1, 2])
    func sourceConnections(workers: Int) async throws {
        try await withPlane(workers, ArrivalLimits(sourceConnectionsMax: 5)) { plane in
            for round in 0..<3 {
                let clients = Clients()
                try await onThreads(8) { [endpoint = plane.endpoint] _ in
                    for _ in 0..<10 {
                        let client = try BlockingSocket.connect(to: endpoint)
                        clients.add(client, isServed: isServed(client))
                    }
                }
                #expect(clients.served.count == 5, "round \(round)")
                let another = try plane.connect(from: other)
                #expect(isServed(another))
                #expect(plane.sources == 2)
                // One by FIN, one by reset, the others by being dropped.
                clients.served[0].finish()
                clients.served[1].reset()
                for client in clients.served + [another] { client.close() }
                try plane.plane.waitUntilEmpty()
                #expect(plane.sources == 0)
            }
            #expect(plane.listener.refused == 3 * 75)
            #expect(try plane.plane.news { if case .sourceRefused(0, IPAddress(ipv4: 0x7F00_0001), .connectionsMax(5), _) = $0 { true } else { false } } > 0)
        }
    }

    @Test("nothing is left of places after 1,000 connections that are cut in every way", arguments: [1, 2])
    func conservation(workers: Int) async throws {
        try await withPlane(workers, ArrivalLimits(sourceConnectionsMax: 6)) { plane in
            try await onThreads(8) { [endpoint = plane.endpoint] thread in
                var random = SeededGenerator(seed: SeededGenerator.seed &+ UInt64(thread))
                for _ in 0..<125 {
                    let client = try BlockingSocket.connect(to: endpoint, from: .ipv4(0x7F00_0001 + UInt32(thread % 3), port: 0))
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: client.reset()
                    case 1: client.close()
                    case 2:
                        _ = isServed(client)
                        client.reset()
                    default:
                        _ = isServed(client)
                        client.finish()
                        _ = client.receiveAll()
                    }
                }
            }
            try plane.plane.waitUntilFollowed(plane.plane.plane.closeListeners())
            try plane.plane.waitUntilEmpty()
            #expect(plane.sources == 0)
            #expect(plane.listener.open == 0 && plane.listener.accepted == 1000)
        }
    }

    @Test("idle timeouts, backends that refuse and the plane's end give places back too", arguments: [1, 2])
    func ends(workers: Int) async throws {
        try await withPlane(workers, ArrivalLimits(sourceConnectionsMax: 1)) { plane in
            try plane.plane.route([], idle: .milliseconds(200))
            let refused = try plane.connect()
            #expect(!isServed(refused))
            try plane.plane.waitUntilEmpty()
            #expect(plane.sources == 0)
            let silent = try TestBackend { connection in _ = connection.receiveAll() }
            defer { silent.stop() }
            try plane.plane.route([silent.endpoint], slot: 1, idle: .milliseconds(200))
            for _ in 0..<3 {
                let idle = try plane.connect()
                #expect(idle.receiveAll().end == .finished)
                try plane.plane.waitUntilEmpty()
                #expect(plane.sources == 0)
            }
            try plane.plane.route([silent.endpoint], slot: 2)
            let last = try plane.connect()
            try last.send("x")
            try plane.wait(forSources: 1)
            plane.plane.plane.closeConnections()
            #expect(last.receiveAll().end != .timedOut)
            try plane.plane.waitUntilEmpty()
            #expect(plane.sources == 0)
        }
    }

    @Test("behind a proxy the header's address counts, an IPv4 one in IPv6's clothes as IPv4", arguments: [1, 2])
    func header(workers: Int) async throws {
        try await withPlane(workers, ArrivalLimits(sourceConnectionsMax: 1), trusted: true) { plane in
            let header = { (source: String, family: String) in "PROXY \(family) \(source) \(family == "TCP4" ? "1.2.3.4" : "::1") 1 2\r\nx" }
            let silent = try plane.connect()
            let first = try plane.connect(), second = try plane.connect(), mapped = try plane.connect(), third = try plane.connect()
            #expect(isServed(first, header("192.0.2.1", "TCP4")))
            #expect(!isServed(second, header("192.0.2.1", "TCP4")))
            #expect(!isServed(mapped, header("::ffff:192.0.2.1", "TCP6")))
            #expect(isServed(third, header("192.0.2.2", "TCP4")))
            #expect(plane.sources == 2)
            first.close()
            try plane.wait(forSources: 1)
            let again = try plane.connect()
            #expect(isServed(again, header("192.0.2.1", "TCP4")))
            for client in [silent, third, again] { client.close() }
            try plane.plane.waitUntilEmpty()
            #expect(plane.sources == 0)
        }
    }

    @Test("a source over its rate is reset, another is not; one report a second at most", arguments: [1, 2])
    func sourceRate(workers: Int) async throws {
        let limits = ArrivalLimits(sourceRate: SourceRate(rate: ConnectionRate(perSecond: 1, burst: 3)))
        try await withPlane(workers, limits) { plane in
            let started = Clocks.monotonic()
            var served = 0
            for _ in 0..<30 where isServed(try plane.connect()) { served += 1 }
            let seconds = Int((Clocks.monotonic().nanoseconds - started.nanoseconds) / 1_000_000_000)
            #expect((3...(3 + seconds + 1)).contains(served), "\(served) within \(seconds) s")
            for _ in 0..<3 { #expect(isServed(try plane.connect(from: other))) }
            try plane.plane.waitUntilEmpty()
            #expect(plane.listener.refused == UInt64(30 - served))
            let reports = try plane.plane.news { if case .sourceRefused(0, _, .rate(perSecond: 1), _) = $0 { true } else { false } }
            #expect((1...(seconds + 2)).contains(reports))
        }
    }

    @Test("a listener's rate holds clients up and serves all of them, no faster than it says", arguments: [1, 2])
    func rate(workers: Int) async throws {
        try await withPlane(workers, ArrivalLimits(rate: ConnectionRate(perSecond: 50, burst: 10))) { plane in
            let started = Clocks.monotonic()
            let clients = try (0..<40).map { _ in try plane.connect() }
            for client in clients { #expect(isServed(client)) }
            // Ten at once, thirty every 20 ms.
            #expect(Clocks.monotonic().nanoseconds - started.nanoseconds >= 600_000_000)
            #expect(try plane.plane.news { if case .rateReached(0, 50) = $0 { true } else { false } } == 1)
            #expect(plane.listener.refused == 0)
        }
    }

    @Test("within the rate nothing is said, and nobody waits")
    func withinRate() async throws {
        try await withPlane(1, ArrivalLimits(rate: ConnectionRate(perSecond: 1, burst: 10))) { plane in
            for _ in 0..<10 { #expect(isServed(try plane.connect())) }
            try plane.plane.waitUntilEmpty()
            #expect(try plane.plane.news { if case .rateReached = $0 { true } else { false } } == 0)
        }
    }

    @Test("clients who are turned away use up nothing of the listener's rate")
    func refusedTakeNothing() async throws {
        let limits = ArrivalLimits(rate: ConnectionRate(perSecond: 1, burst: 2), sourceConnectionsMax: 1)
        try await withPlane(1, limits) { plane in
            let first = try plane.connect()
            #expect(isServed(first))
            let started = Clocks.monotonic()
            for _ in 0..<30 { #expect(!isServed(try plane.connect())) }
            #expect(isServed(try plane.connect(from: other)))
            // Each would have waited a second for its token.
            #expect(Clocks.monotonic().nanoseconds - started.nanoseconds < 20_000_000_000)
        }
    }

    @Test("a listener that closes while its rate holds clients up takes them all first", arguments: [1, 2])
    func closing(workers: Int) async throws {
        try await withPlane(workers, ArrivalLimits(rate: ConnectionRate(perSecond: 1, burst: 1))) { plane in
            let clients = try (0..<30).map { _ in try plane.connect() }
            try plane.plane.wait { if case .rateReached = $0 { true } else { false } }
            try plane.plane.waitUntilFollowed(plane.plane.plane.closeListeners())
            #expect(plane.listener.accepted == 30)
            for client in clients { #expect(isServed(client)) }
        }
    }

    @Test("clients of a Unix listener have no address and no limits of one; who comes is asked only where it matters")
    func unix() async throws {
        let folder = try TemporaryFolder()
        let limits = ArrivalLimits(sourceRate: SourceRate(rate: ConnectionRate(perSecond: 1, burst: 1)), sourceConnectionsMax: 1)
        try await withPlane(2, limits, at: .unix(path: folder.file("l"))) { plane in
            let clients = try (0..<6).map { _ in try plane.connect() }
            for client in clients { #expect(isServed(client)) }
            #expect(plane.sources == 0)
        }
    }
}
