// Backends that are held back, with real sockets on one worker and on two. Faults: shares that do not add up over the
// workers, credits that begin anew with every routing, a price for pools in which nobody is held back.
import Glibc
import Model
import Statistics
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

struct HeldBackRouteTests {
    private static func named(_ count: Int) throws -> [TestBackend] {
        try (0..<count).map { number in
            try TestBackend { connection in
                try connection.send([UInt8(number)])
                while case .success = connection.receive() {}
            }
        }
    }

    /// Connections that end at once, by backend.
    private static func census(_ endpoint: Endpoint, _ count: Int) throws -> [Int] {
        var had = [0, 0, 0, 0]
        for _ in 0..<count {
            let client = try BlockingSocket.connect(to: endpoint)
            guard let number = client.receive(exactly: 1).first else { continue }
            had[Int(number)] += 1
        }
        return had
    }

    private static func timed(_ plane: TestPlane) -> UInt64 {
        (0..<4).reduce(0) { $0 + plane.plane.statistics.totals(slot: $1).connectTimes.count }
    }

    @Test(arguments: [1, 2], Balance.allCases)
    func itsShareOverAllWorkers(_ workers: Int, _ balance: Balance) async throws {
        try await onThread {
            let backends = try HeldBackRouteTests.named(4)
            defer { for backend in backends { backend.stop() } }
            let plane = try TestPlane(workers: workers)
            let endpoints = backends.map(\.endpoint)
            // While the fourth is out, the others fill up.
            try plane.route(Array(endpoints[..<3]), balance: .roundRobin)
            let endpoint = try plane.listen()
            let held = try (0..<30).map { _ in try BlockingSocket.connect(to: endpoint) }
            for client in held { #expect(client.receive(exactly: 1).count == 1) }
            // Half of its fair share: an eighth. Published again and again, as a ramp does.
            var had = [0, 0, 0, 0]
            for _ in 0..<10 {
                try plane.route(endpoints, balance: balance, shares: [3: 128])
                had = zip(had, try HeldBackRouteTests.census(endpoint, 40)).map(+)
            }
            #expect(had.reduce(0, +) == 400)
            switch balance {
            case .leastConnections: #expect(abs(had[3] - 50) <= 3, "\(had)")
            // One client: all or nothing.
            case .sourceHash: #expect(had.contains(400), "\(had)")
            case .roundRobin, .twoChoices, .random: #expect(had[3] >= 20 && had[3] <= 53, "\(had)")
            }
            // Each connect is timed: the first thirty too.
            let timed = HeldBackRouteTests.timed(plane)
            #expect(timed == 430)
            try plane.route(endpoints, balance: .roundRobin)
            let even = try HeldBackRouteTests.census(endpoint, 40)
            #expect(even == [10, 10, 10, 10] || workers == 2)
            #expect(HeldBackRouteTests.timed(plane) == timed + 40)
            for client in held { client.close() }
            try plane.waitUntilEmpty()
        }
    }

    /// Fault: those who had waited in line went to each backend in its turn, and flooded the one that had just come back.
    @Test(arguments: [1, 2], [Balance.roundRobin, .leastConnections, .random])
    func whoHasWaitedGoesByTheSharesToo(_ workers: Int, _ balance: Balance) async throws {
        try await onThread {
            let backends = try HeldBackRouteTests.named(4)
            defer { for backend in backends { backend.stop() } }
            let plane = try TestPlane(workers: workers)
            let hold = PoolRouting.WhenNone.hold(lengthMax: 1000, timeout: Patience.limit)
            try plane.route([], balance: balance, whenNone: hold)
            let endpoint = try plane.listen()
            let line = try (0..<80).map { _ in try BlockingSocket.connect(to: endpoint) }
            while plane.plane.queueReport(pool: 0).held < 80 { poll(nil, 0, 1) }
            try plane.route(backends.map(\.endpoint), balance: balance, whenNone: hold, shares: [3: 13])
            var had = [0, 0, 0, 0]
            for client in line { if let number = client.receive(exactly: 1).first { had[Int(number)] += 1 } }
            // A twentieth of its share is one, and one a worker to begin with.
            #expect(had.reduce(0, +) == 80 && had[3] <= 1 + workers, "\(had)")
            for client in line { client.close() }
            try plane.waitUntilEmpty()
        }
    }

    /// All others are full, or refuse, or are held back too.
    @Test func whereNobodyElseCanItTakesAll() async throws {
        try await onThread {
            let backends = try HeldBackRouteTests.named(2)
            defer { for backend in backends { backend.stop() } }
            let plane = try TestPlane(workers: 1)
            try plane.route(backends.map(\.endpoint), balance: .leastConnections, most: 30, shares: [1: 13])
            let endpoint = try plane.listen()
            let held = try (0..<60).map { _ in try BlockingSocket.connect(to: endpoint) }
            for client in held { #expect(client.receive(exactly: 1).count == 1) }
            for client in held { client.close() }
            try plane.waitUntilEmpty()
            let refusing = try RefusingAddress()
            try plane.route([refusing.endpoint, backends[1].endpoint], balance: .leastConnections, shares: [1: 13])
            #expect(try HeldBackRouteTests.census(endpoint, 10)[1] == 10)
            try plane.route(backends.map(\.endpoint), balance: .roundRobin, shares: [0: 13, 1: 13])
            #expect(try HeldBackRouteTests.census(endpoint, 10) == [5, 5, 0, 0])
            try plane.waitUntilEmpty()
        }
    }

    /// Fault: a backend that is to get nothing more while others can take it, and clients turned away because it is the last.
    @Test(arguments: [1, 2], Balance.allCases)
    func aWeightOfNothingIsTheLastResort(_ workers: Int, _ balance: Balance) async throws {
        try await onThread {
            let backends = try HeldBackRouteTests.named(4)
            defer { for backend in backends { backend.stop() } }
            let plane = try TestPlane(workers: workers)
            let endpoints = backends.map(\.endpoint)
            try plane.route(endpoints, balance: balance, percents: [0: 0, 3: 0])
            let endpoint = try plane.listen()
            let had = try HeldBackRouteTests.census(endpoint, 60)
            #expect(had[0] == 0 && had[3] == 0 && had[1] + had[2] == 60, "\(had)")
            if balance != .sourceHash { #expect(had[1] > 5 && had[2] > 5, "\(had)") }
            // One that is held back after its return still goes before those that are to get nothing.
            try plane.route(endpoints, balance: balance, shares: [1: 13], percents: [0: 0, 2: 0, 3: 0])
            #expect(try HeldBackRouteTests.census(endpoint, 20) == [0, 20, 0, 0])
            // The others refuse.
            let refusing = try RefusingAddress()
            try plane.route([endpoints[0], refusing.endpoint], balance: balance, percents: [0: 0])
            #expect(try HeldBackRouteTests.census(endpoint, 10)[0] == 10)
            // All at nothing is as if nobody had said so.
            try plane.route(endpoints, balance: .roundRobin, percents: [0: 0, 1: 0, 2: 0, 3: 0])
            let even = try HeldBackRouteTests.census(endpoint, 40)
            #expect(even == [10, 10, 10, 10] || workers == 2 && even.reduce(0, +) == 40, "\(even)")
            try plane.waitUntilEmpty()
        }
    }

    @Test func whereTheOthersAreFullTheLastResortTakesOver() async throws {
        try await onThread {
            let backends = try HeldBackRouteTests.named(2)
            defer { for backend in backends { backend.stop() } }
            let plane = try TestPlane(workers: 1)
            try plane.route(backends.map(\.endpoint), balance: .leastConnections, most: 10, percents: [1: 0])
            let endpoint = try plane.listen()
            var held: [BlockingSocket] = []
            var had: [UInt8] = []
            for _ in 0..<20 {
                held.append(try BlockingSocket.connect(to: endpoint))
                had += held[held.count - 1].receive(exactly: 1)
            }
            #expect(had == Array(repeating: 0, count: 10) + Array(repeating: 1, count: 10))
            for client in held { client.close() }
            try plane.waitUntilEmpty()
        }
    }

    /// A third of the connections to one of half its weight beside one of all.
    @Test(arguments: Balance.allCases)
    func halfAWeight(_ balance: Balance) async throws {
        try await onThread {
            let backends = try HeldBackRouteTests.named(2)
            defer { for backend in backends { backend.stop() } }
            let plane = try TestPlane(workers: 1)
            try plane.route(backends.map(\.endpoint), balance: balance, percents: [1: 50])
            let endpoint = try plane.listen()
            let had = try HeldBackRouteTests.census(endpoint, 300)
            switch balance {
            case .leastConnections, .roundRobin: #expect(abs(had[1] - 100) <= 3, "\(had)")
            // One client: all or nothing.
            case .sourceHash: #expect(had.contains(300), "\(had)")
            case .twoChoices, .random: #expect(had[1] >= 60 && had[1] <= 103, "\(had)")
            }
            try plane.waitUntilEmpty()
        }
    }

    @Test func aRouteWithoutAnyAsksNothing() {
        let targets = (0..<3).map { PoolRouting.Target(slot: $0, address: .ipv4(0x7F00_0001, port: 9), weight: 1) }
        let routing = PoolRouting(
            balance: .random, timeouts: PoolTimeouts(connect: .zero, idle: .zero, halfClosed: .zero), connectRetries: 0, targets: targets)
        let route = Route(routing, generation: 1, workers: 2)
        defer { route.free() }
        #expect(!route.header.holdsBack && route.heldBack.isEmpty)
    }
}
