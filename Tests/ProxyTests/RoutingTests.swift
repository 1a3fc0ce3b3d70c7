// The flat block in which workers read a pool's routing. Faults: a field in another's place, durations in another unit.
import Glibc
import Model
import Testing

@testable import Proxy

struct RouteTests {
    private func routing(_ balance: Balance, _ targets: [(String, Int)]) throws -> PoolRouting {
        PoolRouting(
            balance: balance, timeouts: PoolTimeouts(connect: .milliseconds(1500), idle: .seconds(60), halfClosed: .seconds(7)),
            connectRetries: 2,
            targets: try targets.enumerated().map {
                PoolRouting.Target(slot: 10 + $0.offset, address: try Endpoint($0.element.0), weight: $0.element.1)
            })
    }

    @Test func readsBackWhatWasWritten() throws {
        let targets = [("127.0.0.1:80", 5), ("[2001:db8::7]:443", 1), ("unix:/run/x.sock", 1)]
        let route = Route(try routing(.roundRobin, targets), generation: 42)
        defer { route.free() }
        #expect(route.header.generation == 42 && route.header.balance == .roundRobin)
        #expect(route.header.connectTimeout == 1_500_000_000)
        #expect(route.header.idleTimeout == 60_000_000_000)
        #expect(route.header.stalledTimeout == 300_000_000_000 && route.header.lifetime == 0)
        #expect(route.header.tcp.isEmpty && route.source == nil)
        #expect(route.header.halfClosedTimeout == 7_000_000_000)
        #expect(route.header.connectRetries == 2 && route.header.targetCount == 3)
        for (index, target) in targets.enumerated() {
            #expect(route.slot(index) == 10 + index && route.weight(index) == target.1)
            #expect(route.target(index).address.endpoint == (try Endpoint(target.0)))
        }
        #expect((0..<route.header.scheduleCount).map(route.scheduled) == [0, 0, 1, 0, 2, 0, 0])
    }

    @Test func leastConnectionsNeedsNoSchedule() throws {
        let route = Route(try routing(.leastConnections, [("127.0.0.1:1", 3), ("127.0.0.1:2", 5)]), generation: 1)
        defer { route.free() }
        #expect(route.header.scheduleCount == 0 && route.header.targetCount == 2)
    }

    @Test func nobodyEligibleIsARouteToo() throws {
        let route = Route(try routing(.roundRobin, []), generation: 1)
        defer { route.free() }
        #expect(route.header.targetCount == 0 && route.header.scheduleCount == 0)
    }

    /// Indices above 255, weights of 256.
    @Test func manyBackends() throws {
        let targets = (0..<300).map { ("127.0.0.1:\($0 + 1)", $0 == 0 ? 256 : 1) }
        let route = Route(try routing(.roundRobin, targets), generation: 1)
        defer { route.free() }
        var seen = [Int](repeating: 0, count: 300)
        for position in 0..<route.header.scheduleCount { seen[route.scheduled(position)] += 1 }
        #expect(seen == targets.map(\.1))
    }
}

struct ConnectionBudgetTests {
    /// Two descriptors each, less what is open, the reserve and the pipes; never none at all, never a negative number.
    @Test(arguments: [
        (1024, 20, 3, (1024 - 20 - 67 - 2 * 32) / 2), (1_048_576, 20, 3, (1_048_576 - 20 - 155 - 2 * 256) / 2),
        (100, 20, 3, (100 - 20 - 25 - 2 * 3) / 2),
        (20, 20, 3, 1), (0, 0, 0, 1),
    ])
    func leavesTheReserve(_ limit: Int, _ open: Int, _ backends: Int, _ expected: Int) {
        #expect(ConnectionBudget(limit: limit, open: open, backends: backends).connectionsMax == expected)
    }
}

/// Faults: a configured limit that promises more than the descriptors carry, or is not kept to.
struct ConfiguredBudgetTests {
    @Test func theLowerOneHolds() {
        #expect(ConnectionBudget(limit: 1024, open: 20, backends: 3, connectionsMax: 7).connectionsMax == 7)
        #expect(ConnectionBudget(limit: 100, open: 20, backends: 3, connectionsMax: 9000).connectionsMax == 24)
    }

    @Test("a limit that cannot be kept says what would carry it, and that does", arguments: [2, 30, 500, 5000, 300_000])
    func shortfall(wanted: Int) throws {
        let budget = ConnectionBudget(limit: 60, open: 50, backends: 3, connectionsMax: wanted)
        let shortfall = try #require(budget.shortfall)
        #expect((shortfall.wanted, shortfall.limit, budget.connectionsMax) == (wanted, 60, 1))
        let raised = ConnectionBudget(limit: shortfall.limitWanted, open: 50, backends: 3, connectionsMax: wanted)
        #expect(raised.connectionsMax == wanted && raised.shortfall == nil)
        #expect(budget.descriptorLimit == 60 && raised.descriptorLimit == nil)
        #expect(ConnectionBudget(limit: 60, open: 50, backends: 3).shortfall == nil)
    }
}

struct MailboxTests {
    @Test func messagesComeInOrderAndOnce() throws {
        let mailbox = try Mailbox()
        for number in 0..<10 { mailbox.post(.closeListeners(generation: UInt64(number))) }
        #expect(mailbox.take().map(\.generation) == (0..<10).map { UInt64($0) })
        #expect(mailbox.take().isEmpty)
    }

    @Test func acknowledgementsAreSeen() throws {
        let mailbox = try Mailbox()
        #expect(mailbox.acknowledgedGeneration == 0)
        mailbox.acknowledge(7)
        #expect(mailbox.acknowledgedGeneration == 7)
    }

    /// A control plane that hangs must not make workers eat the memory; it learns that it missed something.
    @Test func reportsAreBoundedAndTheLossIsTold() throws {
        let queue = try ReportQueue()
        for _ in 0..<4096 { queue.post(.allConnectionsGone) }
        #expect(queue.take().overflowed == false)
        for _ in 0..<5000 { queue.post(.allConnectionsGone) }
        let taken = queue.take()
        #expect(taken.reports.count == 4096 && taken.overflowed)
        #expect(queue.take().reports.isEmpty && !queue.take().overflowed)
    }
}
