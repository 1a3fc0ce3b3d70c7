// Backends at their connections-max: refused or queued. Faults: one connection too many across workers, somebody who
// overtakes, a ticket that returns and wakes nobody, a client that left and is served, a queue that outlives its
// backends, tickets that stay when all is over, a worker that spins while others wait.
import Glibc
import Model
import Statistics
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

/// A plane whose backends greet with a byte, echo, and have room for `most` connections each.
private final class FullPool {
    let plane: TestPlane
    let backends: [TestBackend]
    let endpoint: Endpoint
    private let most: Int
    private let whenFull: WhenFull
    private let balance: Balance

    init(
        workers: Int, backends count: Int = 1, most: Int, whenFull: WhenFull = .queue(lengthMax: 1000, timeout: Patience.limit),
        balance: Balance = .leastConnections, sendProxy: SendProxy = .none
    ) throws {
        (self.most, self.whenFull, self.balance) = (most, whenFull, balance)
        backends = try (0..<count).map { _ in
            try TestBackend { connection in
                try connection.send("!")
                while case .success(let bytes) = connection.receive() { try connection.send(bytes) }
                connection.finish()
            }
        }
        plane = try TestPlane(workers: workers)
        try plane.route(backends.map(\.endpoint), balance: balance, most: most, whenFull: whenFull)
        endpoint = try plane.listen()
    }

    deinit { for backend in backends { backend.stop() } }

    /// Only these backends, `most` each, from now on.
    func route(_ chosen: [Int], most: Int? = nil) throws {
        guard let first = chosen.first else { return try plane.route([], whenFull: whenFull) }
        try plane.route(chosen.map { backends[$0].endpoint }, slot: first, balance: balance, most: most ?? self.most, whenFull: whenFull)
    }

    func connect() throws -> BlockingSocket { try .connect(to: endpoint) }

    /// One more, and it is served.
    func served() throws -> BlockingSocket {
        let client = try connect()
        #expect(client.receive(exactly: 1) == [UInt8(ascii: "!")])
        return client
    }

    /// One more, and it stands in line behind the others.
    func queued() throws -> BlockingSocket {
        let before = plane.plane.queueReport(pool: 0).waiting
        let client = try connect()
        try waitUntil("\(before + 1) wait") { $0.waiting == before + 1 }
        return client
    }

    func waitUntil(_ what: String, _ isSo: (QueueReport) -> Bool) throws {
        let deadline = ContinuousClock.now + Patience.limit
        while !isSo(plane.plane.queueReport(pool: 0)) {
            guard ContinuousClock.now < deadline else { throw PlaneProblem(description: "not so within \(Patience.limit.spoken): \(what)") }
            poll(nil, 0, 1)
        }
    }

    func expectNothingHeld(_ location: SourceLocation = #_sourceLocation) throws {
        try plane.waitUntilEmpty()
        let statistics = plane.plane.statistics
        #expect((0..<4).map { statistics.tickets(slot: $0).held } == [0, 0, 0, 0], sourceLocation: location)
        #expect(statistics.tickets(listener: 0).held == 0 && plane.plane.queueReport(pool: 0).waiting == 0, sourceLocation: location)
        let totals = statistics.totals(listener: 0)
        #expect(totals.accepted == totals.closed, sourceLocation: location)
    }
}

struct FullPoolTests {
    @Test(arguments: [1, 2], Balance.allCases)
    func refusesByAResetAndServesAgain(_ workers: Int, _ balance: Balance) async throws {
        try await onThread {
            let pool = try FullPool(workers: workers, backends: 3, most: 2, whenFull: .refuse, balance: balance)
            // Whatever the method would rather have: all six places are used before anybody is refused.
            var held = try (0..<6).map { _ in try pool.served() }
            for _ in 0..<5 { #expect(try pool.connect().receiveAll().end == .reset) }
            for round in 0..<6 {
                held.remove(at: round % held.count).close()
                while pool.plane.plane.statistics.process.held > 5 { sched_yield() }
                held.append(try pool.served())
                #expect(try pool.connect().receiveAll().end == .reset)
            }
            try pool.plane.wait { if case .poolFull(pool: 0, refused: 1, timedOut: 0) = $0 { true } else { false } }
            #expect(pool.plane.plane.queueReport(pool: 0) == QueueReport(waiting: 0, refused: 11, timeouts: 0))
            #expect(pool.plane.plane.statistics.totals(listener: 0).refused == 11)
            for client in held { client.close() }
            try pool.expectNothingHeld()
        }
    }

    /// Hundreds of connects on both workers: never more than the limit at once, and everybody is served.
    @Test(arguments: [1, 2], [Balance.leastConnections, .random])
    func neverOneTooMany(_ workers: Int, _ balance: Balance) async throws {
        try await onThread {
            let pool = try FullPool(workers: workers, backends: 2, most: 3, balance: balance)
            let inside = Occupancy()
            try await onThreads(24) { [endpoint = pool.endpoint] _ in
                for _ in 0..<20 {
                    let client = try BlockingSocket.connect(to: endpoint)
                    #expect(client.receive(exactly: 1).count == 1)
                    inside.enter()
                    try greet(client)
                    inside.leave()
                    client.close()
                }
            }
            #expect(inside.most <= 6, "\(inside.most)")
            #expect(pool.plane.plane.statistics.totals(slot: 0).connections + pool.plane.plane.statistics.totals(slot: 1).connections == 480)
            try pool.expectNothingHeld()
        }
    }

    @Test func aLimitThatIsRaisedOrLoweredHoldsFromThenOn() async throws {
        try await onThread {
            let pool = try FullPool(workers: 2, most: 2, whenFull: .refuse)
            var held = try (0..<2).map { _ in try pool.served() }
            #expect(try pool.connect().receiveAll().end == .reset)
            try pool.route([0], most: 4)
            held += try (0..<2).map { _ in try pool.served() }
            try pool.route([0], most: 1)
            for left in [3, 2, 1] {
                held.removeLast().close()
                while pool.plane.plane.statistics.process.held > left { sched_yield() }
                #expect(try pool.connect().receiveAll().end == .reset)
            }
            held.removeLast().close()
            try pool.plane.waitUntilEmpty()
            try pool.served().close()
            try pool.expectNothingHeld()
        }
    }
}

struct QueueTests {
    /// Over all workers, and newcomers stand behind.
    @Test(arguments: [1, 2])
    func firstComeFirstServed(_ workers: Int) async throws {
        try await onThread {
            let pool = try FullPool(workers: workers, most: 1)
            var holder = try pool.served()
            var line = try (0..<12).map { _ in try pool.queued() }
            for round in 0..<24 {
                if round < 6 { line.append(try pool.queued()) }
                guard !line.isEmpty else { break }
                #expect(line.allSatisfy { client in
                    var entry = pollfd(fd: client.number, events: Int16(POLLIN), revents: 0)
                    return poll(&entry, 1, 0) == 0
                })
                holder.close()
                let next = line.removeFirst()
                let started = ContinuousClock.now
                #expect(next.receive(exactly: 1).count == 1, "round \(round)")
                #expect(ContinuousClock.now - started < .seconds(20))
                holder = next
            }
            try greet(holder)
            holder.close()
            try pool.expectNothingHeld()
            #expect(pool.plane.plane.queueReport(pool: 0).refused == 0)
        }
    }

    /// What the client said before and while it waited arrives whole; its FIN after a request is a half-close.
    @Test(arguments: [1, 2], [SendProxy.none, .v1])
    func whatWasSaidWhileWaitingArrives(_ workers: Int, _ sendProxy: SendProxy) async throws {
        try await onThread {
            let backend = try TestBackend { connection in
                try connection.send(connection.receiveAll().bytes)
                connection.finish()
            }
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers)
            try plane.route([backend.endpoint], sendProxy: sendProxy, most: 1, whenFull: .queue(lengthMax: 9, timeout: Patience.limit))
            let endpoint = try plane.listen()
            let holder = try BlockingSocket.connect(to: endpoint)
            while plane.plane.statistics.tickets(slot: 0).held == 0 { sched_yield() }
            let client = try BlockingSocket.connect(to: endpoint)
            let bytes = pattern(40_000)
            try client.send(Array(bytes[..<1000]))
            while plane.plane.queueReport(pool: 0).waiting == 0 { sched_yield() }
            try client.send(Array(bytes[1000...]))
            client.finish()
            #expect(isSilent(client) && plane.plane.queueReport(pool: 0).waiting == 1)
            holder.close()
            let (answer, end) = client.receiveAll()
            #expect(end == .finished && isSame(Array(answer.suffix(bytes.count)), bytes))
            #expect((answer.count > bytes.count) == (sendProxy == .v1))
            try plane.waitUntilEmpty()
        }
    }

    @Test(arguments: [1, 2])
    func whoHasWaitedTooLongIsReset(_ workers: Int) async throws {
        try await onThread {
            let pool = try FullPool(workers: workers, most: 1, whenFull: .queue(lengthMax: 3, timeout: .seconds(3)))
            let holder = try pool.served()
            let started = ContinuousClock.now
            let line = try (0..<3).map { _ in try pool.queued() }
            // The queue is full: the fourth learns so at once.
            #expect(try pool.connect().receiveAll().end == .reset)
            #expect(pool.plane.plane.queueReport(pool: 0).waiting > 0 || ContinuousClock.now - started > .seconds(3))
            for client in line {
                let (bytes, end) = client.receiveAll()
                #expect(bytes.isEmpty && end == .reset)
            }
            #expect(ContinuousClock.now - started >= .seconds(3))
            #expect(pool.plane.plane.queueReport(pool: 0) == QueueReport(waiting: 0, refused: 4, timeouts: 3))
            try greet(holder)
            holder.close()
            try pool.plane.waitUntilEmpty()
            try pool.served().close()
            try pool.expectNothingHeld()
        }
    }

    /// One in the middle and the first one leave: by an end, and by a reset. The places close up at once.
    @Test(arguments: [1, 2])
    func whoLeavesIsNotServed(_ workers: Int) async throws {
        try await onThread {
            let pool = try FullPool(workers: workers, most: 1)
            let holder = try pool.served()
            let line = try (0..<5).map { _ in try pool.queued() }
            line[0].close()
            try pool.waitUntil("4 wait") { $0.waiting == 4 }
            line[2].reset()
            try pool.waitUntil("3 wait") { $0.waiting == 3 }
            holder.close()
            for number in [1, 3, 4] {
                #expect(line[number].receive(exactly: 1).count == 1)
                line[number].close()
            }
            try pool.expectNothingHeld()
            #expect(pool.backends[0].accepted == 4)
        }
    }

    /// All of them leave while tickets return: each ticket finds its way back, nobody stays in line.
    @Test(arguments: [1, 2])
    func leavingAndServingAtTheSameTime(_ workers: Int) async throws {
        try await onThread {
            let pool = try FullPool(workers: workers, backends: 2, most: 2, whenFull: .queue(lengthMax: 6, timeout: .milliseconds(100)))
            try await onThreads(16) { [endpoint = pool.endpoint] index in
                var random = SeededGenerator(seed: SeededGenerator.seed &+ UInt64(index))
                for _ in 0..<60 {
                    let client = try BlockingSocket.connect(to: endpoint)
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: client.close()
                    case 1: client.reset()
                    case 2:
                        _ = client.receive(max: 1)
                        client.reset()
                    default:
                        if case .success = client.receive(max: 1) { try greet(client) }
                        client.close()
                    }
                }
            }
            // The last ones may have left before they were accepted; until then nothing is held for them.
            while pool.plane.plane.statistics.totals(listener: 0).accepted < 16 * 60 { try waitALittle() }
            try pool.expectNothingHeld()
            // And the pool is whole: as many as ever are served.
            let held = try (0..<4).map { _ in try pool.served() }
            for client in held { client.close() }
            try pool.expectNothingHeld()
        }
    }

    @Test(arguments: [1, 2])
    func newRoomServesThoseWhoWait(_ workers: Int) async throws {
        try await onThread {
            let pool = try FullPool(workers: workers, backends: 2, most: 1)
            try pool.route([0])
            let holder = try pool.served()
            var line = try (0..<4).map { _ in try pool.queued() }
            // A second backend comes: one more.
            try pool.route([0, 1])
            #expect(line[0].receive(exactly: 1).count == 1)
            #expect(line.dropFirst().allSatisfy(isSilent))
            // Limits rise: one more on each.
            try pool.route([0, 1], most: 2)
            for client in line[1...2] { #expect(client.receive(exactly: 1).count == 1) }
            #expect(isSilent(line[3]))
            line.append(holder)
            for client in line.dropLast(2) { client.close() }
            #expect(line[3].receive(exactly: 1).count == 1)
            for client in line { client.close() }
            try pool.expectNothingHeld()
        }
    }

    /// A draining backend's tickets are nobody's: they return, and those in line wait for the others.
    @Test(arguments: [1, 2])
    func aDrainedBackendIsNotHandedOn(_ workers: Int) async throws {
        try await onThread {
            let pool = try FullPool(workers: workers, backends: 2, most: 1)
            let holders = try (0..<2).map { _ in try pool.served() }
            let line = try (0..<2).map { _ in try pool.queued() }
            try pool.route([1])
            for holder in holders { holder.close() }
            for client in line {
                #expect(client.receive(exactly: 1).count == 1)
                client.close()
            }
            #expect(pool.backends.map(\.accepted) == [1, 3])
            try pool.expectNothingHeld()
        }
    }

    @Test(arguments: [1, 2])
    func withoutAnyBackendLeftThoseInLineAreReset(_ workers: Int) async throws {
        try await onThread {
            let pool = try FullPool(workers: workers, most: 1)
            let holder = try pool.served()
            let line = try (0..<4).map { _ in try pool.queued() }
            try pool.route([])
            for client in line { #expect(client.receiveAll().end == .reset) }
            try greet(holder)
            holder.close()
            try pool.expectNothingHeld()
        }
    }

    /// Its ticket comes back at once, and would be handed to one after the other: each is spared a backend that has just
    /// refused, waits on at his place, and is served by another.
    @Test(arguments: [1, 2])
    func aBackendThatRefusesIsNoTrapForThoseInLine(_ workers: Int) async throws {
        try await onThread {
            let pool = try FullPool(workers: workers, most: 1)
            let holder = try pool.served()
            let refusing = try RefusingAddress()
            try pool.plane.route([pool.backends[0].endpoint, refusing.endpoint], most: 1, whenFull: .queue(lengthMax: 100, timeout: Patience.limit))
            var line = try (0..<6).map { _ in try pool.queued() }
            // Long enough for the one that refuses to be tried again, once.
            poll(nil, 0, 1500)
            #expect(pool.plane.plane.queueReport(pool: 0).waiting == 6)
            holder.close()
            // Who tried that one meanwhile may stand a place further back.
            let deadline = ContinuousClock.now + Patience.limit
            while let served = line.firstIndex(where: { isReadable($0.number, within: 0) }) ?? (line.isEmpty ? nil : -1) {
                guard ContinuousClock.now < deadline else { throw PlaneProblem(description: "\(line.count) still wait") }
                guard served >= 0 else { continue }
                let client = line.remove(at: served)
                #expect(client.receive(exactly: 1) == [UInt8(ascii: "!")])
                client.close()
            }
            #expect(pool.plane.plane.statistics.totals(listener: 0).refused == 0)
            #expect(pool.plane.plane.statistics.totals(slot: 1).connectFailures <= 9)
            try pool.expectNothingHeld()
        }
    }

    /// With nobody else to wait for: an end after the queue's timeout, and no loop until then.
    @Test(arguments: [1, 2])
    func aBackendThatRefusesEndsThoseInLine(_ workers: Int) async throws {
        try await onThread {
            let pool = try FullPool(workers: workers, most: 1, whenFull: .queue(lengthMax: 1000, timeout: .seconds(5)))
            let holder = try pool.served()
            let line = try (0..<6).map { _ in try pool.queued() }
            pool.backends[0].stop()
            holder.close()
            for client in line { #expect(client.receiveAll().end == .reset) }
            #expect(pool.plane.plane.statistics.totals(slot: 0).connectFailures < 12)
            try pool.expectNothingHeld()
        }
    }

    /// Ending the plane with connections in line frees everything and does not hang. Fault: where one worker ended its
    /// connections first, somebody in line at the other was connected, and cut at once.
    @Test(arguments: [1, 2])
    func thePlaneEndsWithConnectionsInLine(_ workers: Int) async throws {
        try await onThread {
            let pool = try FullPool(workers: workers, most: 1)
            let holder = try pool.served()
            let line = try (0..<6).map { _ in try pool.queued() }
            try pool.plane.waitUntilFollowed(pool.plane.plane.closeListeners())
            pool.plane.plane.closeConnections()
            for client in line { #expect(client.receiveAll().bytes.isEmpty) }
            _ = holder.receiveAll()
            try pool.expectNothingHeld()
        }
    }
}
