// What changes and goes while workers run. Faults: a raised limit that nobody who waits learns of; a place that is given
// back to rules that are others by now; a pool that is let go of while a connection names it; a reset that misses one.
import Glibc
import Model
import Statistics
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

struct RetireTests {
    private func echoPlane(_ workers: Int, _ body: (TestPlane, TestBackend) throws -> Void) throws {
        let backend = try TestBackend.echo()
        defer { backend.stop() }
        let plane = try TestPlane(workers: workers)
        try plane.route([backend.endpoint])
        try body(plane, backend)
    }

    private func change(
        _ plane: TestPlane, to sockets: ListenerSockets? = nil, connectionsMax: Int? = nil, rules: ListenerRules = ListenerRules()
    ) throws {
        plane.plane.change(listener: 0, to: sockets, pool: 0, connectionsMax: connectionsMax, rules: rules)
        try plane.waitUntilFollowed(plane.plane.generation)
    }

    // MARK: Limits

    /// Up: whoever waits comes in. Down: nobody is cut.
    @Test(arguments: [1, 2])
    func theLimitOfAListenerMoves(_ workers: Int) async throws {
        try await onThread {
            try echoPlane(workers) { plane, _ in
                let endpoint = try plane.listen(connectionsMax: 1)
                let first = try BlockingSocket.connect(to: endpoint)
                try greet(first)
                let others = try (0..<4).map { _ in try BlockingSocket.connect(to: endpoint) }
                for other in others { try other.send("x") }
                #expect(others.allSatisfy(isSilent))
                try change(plane, connectionsMax: 5)
                for other in others { #expect(other.receive(exactly: 1).count == 1) }
                try change(plane, connectionsMax: 2)
                for client in others + [first] { try greet(client) }
                let late = try BlockingSocket.connect(to: endpoint)
                try late.send("x")
                for client in others.prefix(3) { client.close() }
                #expect(isSilent(late))
                first.close()
                #expect(late.receive(exactly: 1).count == 1)
                late.close()
                others[3].close()
                try plane.waitUntilEmpty()
            }
        }
    }

    @Test(arguments: [1, 2])
    func theLimitOfTheProcessMoves(_ workers: Int) async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers, connectionsMax: 1)
            try plane.route([backend.endpoint])
            let endpoint = try plane.listen()
            let clients = try (0..<3).map { _ in try BlockingSocket.connect(to: endpoint) }
            for client in clients { try client.send("x") }
            while plane.plane.statistics.process.held < 1 { sched_yield() }
            #expect(clients.count { isSilent($0) } >= 2)
            plane.plane.rebudget(descriptorsOpen: 0, backends: 0, connectionsMax: 3)
            for client in clients { #expect(client.receive(exactly: 1).count == 1) }
            #expect(plane.plane.connectionsMax == 3)
            plane.plane.rebudget(descriptorsOpen: 0, backends: 0, connectionsMax: 1)
            try plane.waitUntilFollowed(plane.plane.fence())
            for client in clients { try greet(client) }
            for client in clients { client.close() }
            try plane.waitUntilEmpty()
        }
    }

    /// The places that sources were given are given back, whatever the listener's rules are when they go.
    @Test func placesComeBackThroughOtherRules() async throws {
        try await onThread {
            try echoPlane(2) { plane, _ in
                let limited = ListenerRules(acceptProxy: .no, allow: [.everyIPv4], deny: [], arrivals: ArrivalLimits(sourceConnectionsMax: 2))
                let endpoint = try plane.listen(rules: limited)
                let clients = try (0..<2).map { _ in try BlockingSocket.connect(to: endpoint) }
                for client in clients { try greet(client) }
                #expect(plane.plane.sourceCounts?.used == 1)
                try change(plane)
                for client in clients { client.close() }
                try plane.waitUntilEmpty()
                #expect(plane.plane.sourceCounts?.used == 0)
                // And under the old rules again they are there to be had.
                try change(plane, rules: limited)
                for _ in 0..<4 {
                    let client = try BlockingSocket.connect(to: endpoint)
                    try greet(client)
                    client.close()
                    try plane.waitUntilEmpty()
                }
            }
        }
    }

    /// One a second, and then as many as come: who was held up is let in with the change.
    @Test func aRateIsLifted() async throws {
        try await onThread {
            try echoPlane(1) { plane, _ in
                let slow = ListenerRules(
                    acceptProxy: .no, allow: [.everyIPv4], deny: [], arrivals: ArrivalLimits(rate: ConnectionRate(perSecond: 1, burst: 1)))
                let endpoint = try plane.listen(rules: slow)
                let clients = try (0..<30).map { _ in try BlockingSocket.connect(to: endpoint) }
                for client in clients { try client.send("x") }
                #expect(clients[0].receive(exactly: 1).count == 1)
                try change(plane)
                // 20 s is the sockets' patience; at the old rate the last would come after 29.
                for client in clients[1...] { #expect(client.receive(exactly: 1).count == 1) }
                for client in clients { client.close() }
                try plane.waitUntilEmpty()
            }
        }
    }

    /// Who has been asked for a PROXY header may still send it when new clients are not asked any more.
    @Test func aHeaderIsAwaitedThroughOtherRules() async throws {
        try await onThread {
            try echoPlane(1) { plane, _ in
                let endpoint = try plane.listen(rules: ListenerRules(
                    acceptProxy: .required(trusted: [.everyIPv4], timeout: .seconds(10)), allow: [.everyIPv4], deny: []))
                let client = try BlockingSocket.connect(to: endpoint)
                while plane.plane.statistics.totals(listener: 0).accepted == 0 { sched_yield() }
                try change(plane)
                let plain = try BlockingSocket.connect(to: endpoint)
                try greet(plain)
                try client.send("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\nx")
                #expect(client.receive(exactly: 1) == Array("x".utf8))
                client.close()
                plain.close()
                try plane.waitUntilEmpty()
            }
        }
    }

    // MARK: Listeners

    /// New clients find the new address at once, standing connections stay, and the old address refuses.
    @Test(arguments: [1, 2])
    func aListenerMoves(_ workers: Int) async throws {
        try await onThread {
            try echoPlane(workers) { plane, _ in
                let old = try plane.listen()
                let standing = try (0..<5).map { _ in try BlockingSocket.connect(to: old) }
                let sockets = try plane.plane.openSockets(.ipv4(0x7F00_0001, port: 0), backlog: 1024, tcp: TCPOptions())
                // It listens before anybody is told.
                let early = try BlockingSocket.connect(to: sockets.endpoint)
                try change(plane, to: sockets)
                for client in standing + [early] { try greet(client) }
                #expect(throws: (any Error).self) { try BlockingSocket.connect(to: old) }
                #expect(plane.plane.statistics.tickets(listener: 0).held == 6)
                for client in standing + [early] { client.close() }
                try plane.waitUntilEmpty()
            }
        }
    }

    /// The number of a listener that is gone is another's: its connections, limits and counts are its own.
    @Test(arguments: [1, 2])
    func aListenersNumberIsUsedAgain(_ workers: Int) async throws {
        try await onThread {
            try echoPlane(workers) { plane, _ in
                for _ in 0..<20 {
                    let endpoint = try plane.listen(connectionsMax: 2)
                    let before = plane.plane.statistics.totals(listener: 0).accepted
                    let clients = try (0..<4).map { _ in try BlockingSocket.connect(to: endpoint) }
                    for client in clients { try client.send("x") }
                    while plane.plane.statistics.tickets(listener: 0).held < 2 { sched_yield() }
                    try plane.waitUntilFollowed(plane.plane.close(listener: 0))
                    // Two hold on; the two that were left in the backlog for want of a ticket are accepted at its end.
                    #expect(plane.plane.statistics.totals(listener: 0).accepted == before + 4)
                    for client in clients { client.close() }
                    try plane.waitUntilEmpty()
                    #expect(plane.plane.statistics.tickets(listener: 0).held == 0)
                    try plane.waitUntilFollowed(plane.plane.forget(listener: 0))
                }
            }
        }
    }

    // MARK: Pools and backends

    /// A connection that awaits its header holds no backend, and names its pool all the same.
    @Test(arguments: [1, 2])
    func aPoolIsReleasedByItsLastConnection(_ workers: Int) async throws {
        try await onThread {
            try echoPlane(workers) { plane, _ in
                let endpoint = try plane.listen(rules: ListenerRules(
                    acceptProxy: .required(trusted: [.everyIPv4], timeout: .seconds(10)), allow: [.everyIPv4], deny: []))
                let client = try BlockingSocket.connect(to: endpoint)
                while plane.plane.statistics.totals(listener: 0).accepted == 0 { sched_yield() }
                try plane.waitUntilFollowed(plane.plane.close(listener: 0))
                try plane.route([])
                plane.plane.retire(pool: 0)
                try plane.waitUntilFollowed(plane.plane.fence())
                #expect(!plane.plane.isReleased(pool: 0))
                try client.send("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n")
                // No backend any more.
                #expect(client.receiveAll().end == .reset)
                while !plane.plane.isReleased(pool: 0) { try plane.hear() }
                try plane.waitUntilFollowed(plane.plane.forget(pool: 0))
                // The number again, for another pool.
                let other = try TestBackend.echo()
                defer { other.stop() }
                try plane.waitUntilEmpty()
                try plane.waitUntilFollowed(plane.plane.forget(listener: 0))
                try plane.route([other.endpoint])
                let again = try BlockingSocket.connect(to: try plane.listen())
                try greet(again)
                again.close()
                try plane.waitUntilEmpty()
            }
        }
    }

    /// Those of one backend, in every phase, and nobody else's.
    @Test(arguments: [1, 2])
    func onlyOneBackendsConnectionsAreReset(_ workers: Int) async throws {
        try await onThread {
            let servers = try (0..<2).map { _ in try TestBackend.echo() }
            defer { for server in servers { server.stop() } }
            let plane = try TestPlane(workers: workers)
            try plane.route(servers.map(\.endpoint), balance: .leastConnections)
            let endpoint = try plane.listen()
            let clients = try (0..<40).map { _ in try BlockingSocket.connect(to: endpoint) }
            for client in clients { try greet(client) }
            for client in clients.prefix(10) { client.finish() }
            let held = plane.plane.statistics.tickets(slot: 0).held
            try plane.route([servers[1].endpoint], slot: 1)
            plane.plane.resetConnections(.slots([0]))
            try plane.waitUntilFree(slot: 0)
            let ends = clients.map { client -> Bool in
                client.finish()
                return client.receiveAll().end == .reset
            }
            #expect(ends.count { $0 } <= held && ends.count { !$0 } >= 40 - held)
            for client in clients { client.close() }
            try plane.waitUntilEmpty()
        }
    }

    /// The removal of what thousands hold does not hold up the others of the worker, nor end who comes meanwhile.
    @Test func manyAreResetInParts() throws {
        let worker = try IdleWorker()
        let clients = (0..<1000).map { _ in worker.client() }
        let reset = GroupReset(.listener(0), workers: 1)
        reset.arrived(at: worker.handle)
        // Other errands may come first.
        var newcomers = [worker.client()]
        var next: Int? = 0
        while let position = next {
            let before = clients.count(where: \.isLive)
            next = reset.perform(from: position, on: worker.handle)
            #expect(before - clients.count(where: \.isLive) <= 100 + 64)
            newcomers.append(worker.client())
        }
        #expect(!clients.contains(where: \.isLive) && newcomers.allSatisfy(\.isLive))
        #expect(newcomers.count >= 7)
    }

    /// What was not told of a backend is told when it goes, and the next one with its slot begins anew.
    @Test func failuresAreNotInherited() {
        let failures = ConnectFailures()
        #expect(failures.countFailed(slot: 3, errorNumber: 111, retried: false, now: 1) != nil)
        for _ in 0..<5 { #expect(failures.countFailed(slot: 3, errorNumber: 111, retried: true, now: 2) == nil) }
        guard case .connectsFailing(3, count: 5, errorNumber: 111, retried: 5) = failures.forget(slot: 3, now: 3) else {
            Issue.record("five were not told")
            return
        }
        #expect(!failures.owes)
        #expect(failures.forget(slot: 3, now: 3) == nil)
        guard case .connectsFailing(3, count: 1, errorNumber: 110, retried: 0) = failures.countFailed(slot: 3, errorNumber: 110, retried: false, now: 4) else {
            Issue.record("the new one is told at once, by itself")
            return
        }
    }
}
