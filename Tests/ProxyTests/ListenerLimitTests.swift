// Most connections of a listener and of the process. Faults: one too many across workers, one too few while somebody
// waits, a worker that is always first and starves the other, a backlog that is not looked at when a ticket returns,
// tickets that stay when all is over.
import Glibc
import Model
import Statistics
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

struct ListenerLimitTests {
    @Test(arguments: [1, 2])
    func theBacklogWaitsAndIsServedAtOnceWhenATicketReturns(_ workers: Int) async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers)
            try plane.route([backend.endpoint])
            let limited = try plane.listen(connectionsMax: 5)
            let other = try plane.listen(listener: 1)
            var served = try (0..<5).map { _ in try BlockingSocket.connect(to: limited) }
            for client in served { try greet(client) }
            // Ten come too many: whatever worker the kernel gave them to, none is served.
            var waiting = try (0..<10).map { _ in try BlockingSocket.connect(to: limited) }
            for client in waiting { try client.send("x") }
            try plane.wait { if case .listenerFull(listener: 0, _) = $0 { true } else { false } }
            #expect(waiting.allSatisfy(isSilent))
            #expect(plane.plane.statistics.tickets(listener: 0).held == 5 && plane.plane.statistics.process.held == 5)
            // Another listener does not wait.
            try greet(try BlockingSocket.connect(to: other))
            while !waiting.isEmpty {
                served.removeFirst().close()
                let started = ContinuousClock.now
                let next = try firstAnswered(waiting)
                #expect(ContinuousClock.now - started < .seconds(20))
                served.append(waiting.remove(at: next))
                #expect(plane.plane.statistics.tickets(listener: 0).held <= 5)
            }
            for client in served { client.close() }
            try plane.waitUntilEmpty()
            #expect(plane.plane.statistics.tickets(listener: 0).held == 0)
            try plane.wait { if case .listenerHasRoom(listener: 0, _) = $0 { true } else { false } }
        }
    }

    /// Fault: the backlog that had waited for room was reset by the kernel when its listener was removed or moved.
    @Test(arguments: [1, 2])
    func whatWaitsIsAcceptedBeforeTheListenerCloses(_ workers: Int) async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers)
            try plane.route([backend.endpoint])
            let endpoint = try plane.listen(connectionsMax: 3)
            let served = try (0..<3).map { _ in try BlockingSocket.connect(to: endpoint) }
            for client in served { try greet(client) }
            let waiting = try (0..<12).map { _ in try BlockingSocket.connect(to: endpoint) }
            for client in waiting { try client.send("x") }
            try plane.wait { if case .listenerFull(listener: 0, _) = $0 { true } else { false } }
            try plane.waitUntilFollowed(plane.plane.close(listener: 0))
            for client in waiting { #expect(client.receive(exactly: 1).count == 1) }
            #expect(plane.plane.statistics.tickets(listener: 0).held == 15 && plane.plane.statistics.totals(listener: 0).refused == 0)
            for client in served + waiting { client.close() }
            try plane.waitUntilEmpty()
            #expect(plane.plane.statistics.tickets(listener: 0).held == 0)
        }
    }

    /// More than the process carries are not accepted there either: they are refused, and counted.
    @Test func whatTheProcessDoesNotCarryIsRefusedWhenTheListenerCloses() async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1, connectionsMax: 6)
            try plane.route([backend.endpoint])
            let endpoint = try plane.listen(connectionsMax: 4)
            let served = try (0..<4).map { _ in try BlockingSocket.connect(to: endpoint) }
            for client in served { try greet(client) }
            let waiting = try (0..<5).map { _ in try BlockingSocket.connect(to: endpoint) }
            for client in waiting { try client.send("x") }
            try plane.wait { if case .listenerFull(listener: 0, _) = $0 { true } else { false } }
            try plane.waitUntilFollowed(plane.plane.close(listener: 0))
            for client in waiting[..<2] { #expect(client.receive(exactly: 1).count == 1) }
            for client in waiting[2...] { #expect(client.receiveAll().end == .reset) }
            #expect(plane.plane.statistics.process.held == 6 && plane.plane.statistics.totals(listener: 0).refused == 3)
            for client in served + waiting { client.close() }
            try plane.waitUntilEmpty()
        }
    }

    /// The first of `clients` that has its echo, which is taken.
    private func firstAnswered(_ clients: [BlockingSocket]) throws -> Int {
        var entries = clients.map { pollfd(fd: $0.number, events: Int16(POLLIN), revents: 0) }
        guard poll(&entries, nfds_t(entries.count), 20_000) > 0, let index = entries.firstIndex(where: { $0.revents != 0 }) else {
            throw PlaneProblem(description: "nobody of \(clients.count) was served")
        }
        #expect(clients[index].receive(exactly: 1).count == 1)
        return index
    }

    /// The clients of one listener hold everything and more of them wait: another listener gets its share all the same.
    @Test func whoHasTheFewestIsNext() async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1, connectionsMax: 6)
            try plane.route([backend.endpoint])
            let endpoints = [try plane.listen(), try plane.listen(listener: 1)]
            let greedy = try (0..<6).map { _ in try BlockingSocket.connect(to: endpoints[0]) }
            for client in greedy { try greet(client) }
            let waiting = try (0..<6).map { _ in try BlockingSocket.connect(to: endpoints[0]) }
            let modest = try (0..<3).map { _ in try BlockingSocket.connect(to: endpoints[1]) }
            for client in waiting + modest { try client.send("x") }
            #expect(isSilent(modest[0]) && isSilent(waiting[0]))
            for index in 0..<3 {
                greedy[index].close()
                #expect(modest[index].receive(exactly: 1).count == 1)
            }
            #expect(isSilent(waiting[0]))
            for client in greedy + modest + waiting { client.close() }
            try plane.waitUntilEmpty()
        }
    }

    /// As many as the limit, whatever share of them the kernel gave to which worker: no worker keeps tickets for itself.
    @Test(arguments: [1, 2])
    func theProcessLimitIsUsedToTheLast(_ workers: Int) async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers, connectionsMax: 8)
            #expect(plane.plane.connectionsMax == 8)
            try plane.route([backend.endpoint])
            let endpoint = try plane.listen()
            for _ in 0..<10 {
                let clients = try (0..<8).map { _ in try BlockingSocket.connect(to: endpoint) }
                for client in clients { try greet(client) }
                let late = try BlockingSocket.connect(to: endpoint)
                try late.send("x")
                #expect(isSilent(late))
                clients[0].close()
                #expect(late.receive(exactly: 1).count == 1)
                for client in clients { client.close() }
                late.close()
                try plane.waitUntilEmpty()
            }
            #expect(plane.plane.statistics.tickets(listener: 0).held == 0)
        }
    }

    /// Hundreds at once, each gone after its answer: never one too many, and everybody is served in the end.
    @Test(arguments: [1, 2])
    func holdsUnderPressure(_ workers: Int) async throws {
        try await onThread {
            let (all, first) = (Occupancy(), Occupancy())
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers, connectionsMax: 6)
            try plane.route([backend.endpoint])
            let endpoints = [try plane.listen(connectionsMax: 4), try plane.listen(listener: 1, connectionsMax: 3)]
            try await onThreads(16) { index in
                for _ in 0..<25 {
                    let client = try BlockingSocket.connect(to: endpoints[index % 2])
                    try greet(client)
                    // From the first answer to before the end is within the time in which it holds its tickets.
                    let inside = index % 2 == 0 ? [all, first] : [all]
                    for occupancy in inside { occupancy.enter() }
                    try greet(client)
                    for occupancy in inside { occupancy.leave() }
                    client.close()
                }
            }
            try plane.waitUntilEmpty()
            let statistics = plane.plane.statistics
            #expect([0, 1].allSatisfy { statistics.tickets(listener: $0).held == 0 })
            #expect(statistics.totals(listener: 0).accepted + statistics.totals(listener: 1).accepted == 400)
            #expect(all.most <= 6 && first.most <= 4, "\(all.most), \(first.most)")
        }
    }

    @Test(arguments: [1, 2])
    func aUnixListenersConnectionsKeepTheirTicketsWhenHandedOn(_ workers: Int) async throws {
        try await onThread {
            let folder = try TemporaryFolder()
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers)
            try plane.route([backend.endpoint])
            let endpoint = try plane.listen(.unix(path: folder.path + "/s"), connectionsMax: 4)
            for _ in 0..<5 {
                let clients = try (0..<4).map { _ in try BlockingSocket.connect(to: endpoint) }
                for client in clients { try greet(client) }
                let late = try BlockingSocket.connect(to: endpoint)
                try late.send("x")
                #expect(isSilent(late) && plane.plane.statistics.tickets(listener: 0).held == 4)
                clients[2].close()
                #expect(late.receive(exactly: 1).count == 1)
                for client in clients + [late] { client.close() }
                try plane.waitUntilEmpty()
            }
            #expect(plane.plane.statistics.tickets(listener: 0).held == 0)
        }
    }
}
