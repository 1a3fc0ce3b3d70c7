// Each method of balancing with real sockets, on one worker and on two. Faults: a table that is not handed to the
// method that needs it, a client's address read wrong, counts that one worker keeps from the other, a routing that
// changes under connections which still hold their backends.
import Decisions
import Glibc
import Model
import Proxy
import Statistics
import SystemCalls
import TestSupport
import Testing

private let loopback = Endpoint.ipv4(0x7F00_0001, port: 0)

/// A data plane with backends that greet with their number and then hold the connection.
private final class BalancedPool {
    let plane: DataPlane
    let backends: [TestBackend]
    private(set) var endpoint = loopback

    init(_ balance: Balance, weights: [Int], workers: Int, at endpoint: Endpoint = loopback) throws {
        backends = try weights.indices.map { number in
            try TestBackend { connection in
                try connection.send([UInt8(number)])
                // However long a busy machine takes: only the other end ends it.
                while true {
                    guard case .failure(let ended) = connection.receive() else { continue }
                    guard case .timedOut = ended.end else { return }
                }
            }
        }
        plane = try DataPlane(
            segment: Segment(layout: SegmentLayout(workers: workers, slots: 8, listeners: 1)), descriptorLimit: 8192, descriptorsOpen: 0, backends: 0)
        try plane.start()
        publish(balance, Array(weights.enumerated().map { ($0.offset, $0.element) }))
        self.endpoint = try plane.open(listener: 0, endpoint, backlog: 1024, pool: 0)
    }

    deinit {
        plane.end()
        for backend in backends { backend.stop() }
    }

    /// Returns when all workers follow the routing.
    func publish(_ balance: Balance, _ targets: [(number: Int, weight: Int)]) {
        let routing = PoolRouting(
            balance: balance, timeouts: PoolTimeouts(connect: .seconds(60), idle: Patience.limit, halfClosed: Patience.limit),
            connectRetries: 3,
            targets: targets.map {
                .init(name: name($0.number), slot: 3 + $0.number, address: backends[$0.number].endpoint, weight: $0.weight)
            })
        let generation = plane.publish(routing, pool: 0)
        while !plane.isFollowed(generation) { sched_yield() }
    }

    func name(_ number: Int) -> String { "web/web-\(number)" }

    func connect(from source: Endpoint? = nil) throws -> (socket: BlockingSocket, backend: Int) {
        let socket = try BlockingSocket.connect(to: endpoint, from: source)
        let greeting = socket.receive(exactly: 1)
        return (socket, try Int(#require(greeting.first)))
    }

    /// Connections that end at once.
    func census(_ count: Int) throws -> [Int] {
        var had = Array(repeating: 0, count: backends.count)
        for _ in 0..<count { had[try connect().backend] += 1 }
        return had
    }

    func holders(_ number: Int) -> Int { plane.statistics.tickets(slot: 3 + number).held }
    func waitUntilFree(_ number: Int) { while holders(number) > 0 { sched_yield() } }
}

struct BalancingTests {
    @Test func roundRobinGoesByWeight() async throws {
        try await onThread {
            let pool = try BalancedPool(.roundRobin, weights: [3, 1], workers: 1)
            #expect(try pool.census(40) == [30, 10])
        }
    }

    @Test(arguments: [1, 2])
    func randomGoesByWeight(_ workers: Int) async throws {
        try await onThread {
            let pool = try BalancedPool(.random, weights: [3, 1, 4], workers: workers)
            let had = try pool.census(400)
            // 150, 50 and 200, give or take five standard deviations: a worker's seed is the kernel's.
            #expect(abs(had[0] - 150) < 50 && abs(had[1] - 50) < 34 && abs(had[2] - 200) < 51, "\(had)")
        }
    }

    /// Of two backends, two different ones are both: whoever has fewer gets the next.
    @Test(arguments: [1, 2])
    func twoChoicesAreTwoDifferentOnes(_ workers: Int) async throws {
        try await onThread {
            let pool = try BalancedPool(.twoChoices, weights: [1, 1], workers: workers)
            let held = try (0..<40).map { _ in try pool.connect() }
            #expect(held.count { $0.backend == 0 } == 20 && pool.holders(0) == 20 && pool.holders(1) == 20)
        }
    }

    @Test(arguments: [1, 2])
    func leastConnectionsCountsOverAllWorkers(_ workers: Int) async throws {
        try await onThread {
            let pool = try BalancedPool(.leastConnections, weights: [1, 1, 2], workers: workers)
            var held = try (0..<40).map { _ in try pool.connect() }
            #expect([0, 1, 2].map { pool.holders($0) } == [10, 10, 20])
            held.removeAll { $0.backend == 1 }
            pool.waitUntilFree(1)
            let next = try (0..<10).map { _ in try pool.connect() }
            #expect(next.allSatisfy { $0.backend == 1 })
        }
    }

    @Test(arguments: [1, 2])
    func leastConnectionsTiesGoRound(_ workers: Int) async throws {
        try await onThread {
            let pool = try BalancedPool(.leastConnections, weights: [1, 1, 1], workers: workers)
            var had = [0, 0, 0]
            for _ in 0..<60 {
                let number = try pool.connect().backend
                had[number] += 1
                pool.waitUntilFree(number)
            }
            // Each worker goes round for itself, from where it happens to begin.
            #expect((had.max() ?? 0) - (had.min() ?? 0) <= workers, "\(had)")
        }
    }

    /// Connections outlive the routing that they were chosen by: their tickets come back under another, which
    /// does not know the backend, or knows it by another index.
    @Test func leastConnectionsSurvivesChangesOfRouting() async throws {
        try await onThread {
            let pool = try BalancedPool(.leastConnections, weights: [1, 1, 1], workers: 1)
            var held = try (0..<9).map { _ in try pool.connect() }
            pool.publish(.leastConnections, [(2, 1), (1, 1)])
            held.removeAll { $0.backend == 0 }
            held.removeAll { $0.backend == 2 }
            pool.waitUntilFree(0)
            pool.waitUntilFree(2)
            let next = try (0..<3).map { _ in try pool.connect() }
            #expect(next.map(\.backend) == [2, 2, 2])
            pool.publish(.leastConnections, [])
            held = []
            pool.waitUntilFree(1)
            pool.publish(.leastConnections, [(0, 1), (1, 1)])
            #expect(try Set((0..<2).map { _ in try pool.connect().backend }) == [0, 1])
        }
    }
}

struct SourceHashTests {
    private let clients = (1...40).map { UInt32(0x7F00_0100 + $0) }

    private func choices(_ pool: BalancedPool) throws -> [Int] {
        try clients.map { try pool.connect(from: .ipv4($0, port: 0)).backend }
    }

    /// The same client always comes to the same backend, which is the one that the table names, on every worker;
    /// when a backend goes, its clients move.
    @Test(arguments: [1, 2])
    func aClientStaysWithItsBackend(_ workers: Int) async throws {
        try await onThread {
            let pool = try BalancedPool(.sourceHash, weights: [1, 1, 1], workers: workers)
            let positions = MaglevTable.positions(names: (0..<3).map { pool.name($0) }, weights: [1, 1, 1])
            let expected = clients.map {
                Int(positions[Int(ClientHash.ofIPv4(word: $0.byteSwapped) % UInt64(MaglevTable.size))])
            }
            #expect(Set(expected) == [0, 1, 2])
            for _ in 0..<3 { #expect(try choices(pool) == expected) }
            pool.publish(.sourceHash, [(0, 1), (2, 1)])
            let after = try choices(pool)
            #expect(!after.contains(1))
            #expect(zip(expected, after).count { $0 != $1 && $0 != 1 } <= 4)
        }
    }

    @Test func anIPv6ClientToo() async throws {
        try await onThread {
            let home = IPv6Groups(groups: [0, 0, 0, 0, 0, 0, 0, 1])
            let pool = try BalancedPool(.sourceHash, weights: [1, 1, 1], workers: 2, at: .ipv6(home, port: 0))
            let positions = MaglevTable.positions(names: (0..<3).map { pool.name($0) }, weights: [1, 1, 1])
            let hash = ClientHash.ofIPv6(low: 0, high: 1 << 56)
            let expected = Int(positions[Int(hash % UInt64(MaglevTable.size))])
            #expect(try (0..<6).allSatisfy { _ in try pool.connect().backend == expected })
        }
    }

    /// The next one along the table serves the clients of a backend that refuses, before a probe has found it down.
    @Test func aRefusingBackendsClientsAreServed() async throws {
        try await onThread {
            let pool = try BalancedPool(.sourceHash, weights: [1, 1, 1], workers: 1)
            let before = try choices(pool)
            pool.backends[1].stop()
            let after = try choices(pool)
            #expect(!after.contains(1))
            #expect(zip(before, after).allSatisfy { $0 == $1 || $0 == 1 })
        }
    }

    /// A Unix client has no address: the backends take turns.
    @Test func unixClientsGoRound() async throws {
        try await onThread {
            let folder = try TemporaryFolder()
            let pool = try BalancedPool(.sourceHash, weights: [1, 1], workers: 1, at: .unix(path: folder.path + "/s"))
            #expect(try pool.census(10) == [5, 5])
        }
    }
}
