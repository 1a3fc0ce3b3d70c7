// A pool without backends: held, diverted or refused. Faults: bytes that are lost or sent twice, somebody who overtakes,
// a held client that nobody serves, one that left and is served, a second header before the client's bytes, a place in
// the release that never becomes free.
import Glibc
import Model
import Statistics
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

/// A plane with one pool that has nobody at first.
private final class EmptyPool {
    let plane: TestPlane
    let backend: TestBackend
    let endpoint: Endpoint
    private let whenNone: PoolRouting.WhenNone

    init(workers: Int, whenNone: PoolRouting.WhenNone = .hold(lengthMax: 1000, timeout: Patience.limit)) throws {
        self.whenNone = whenNone
        backend = try TestBackend.echo()
        plane = try TestPlane(workers: workers)
        try plane.route([], whenNone: whenNone)
        endpoint = try plane.listen()
    }

    deinit { backend.stop() }

    func route(_ backends: [Endpoint]? = nil, most: Int? = nil, whenFull: WhenFull = .refuse) throws {
        try plane.route(backends ?? [backend.endpoint], most: most, whenFull: whenFull, whenNone: whenNone)
    }

    func connect() throws -> BlockingSocket { try .connect(to: endpoint) }
    var report: QueueReport { plane.plane.queueReport(pool: 0) }

    /// One more, held behind the others.
    func held() throws -> BlockingSocket {
        let before = report.held
        let client = try connect()
        try waitUntil("\(before + 1) are held") { $0.held == before + 1 }
        return client
    }

    func waitUntil(_ what: String, _ isSo: (QueueReport) -> Bool) throws {
        let deadline = ContinuousClock.now + Patience.limit
        while !isSo(report) {
            guard ContinuousClock.now < deadline else { throw PlaneProblem(description: "not so within \(Patience.limit.spoken): \(what); \(report)") }
            poll(nil, 0, 1)
        }
    }

    func expectNothingHeld(_ location: SourceLocation = #_sourceLocation) throws {
        try plane.waitUntilEmpty()
        let statistics = plane.plane.statistics
        #expect((0..<4).map { statistics.tickets(slot: $0).held } == [0, 0, 0, 0], sourceLocation: location)
        #expect(report.held == 0 && report.waiting == 0, sourceLocation: location)
        let totals = statistics.totals(listener: 0)
        #expect(totals.accepted == totals.closed, sourceLocation: location)
    }
}

/// What the backend was told, and echoed.
private func expectHeader(
    _ version: SendProxy, before words: String, in received: (bytes: [UInt8], end: PeerEnd), _ location: SourceLocation = #_sourceLocation
) {
    #expect(received.end == .finished, sourceLocation: location)
    let header = received.bytes.dropLast(words.utf8.count)
    #expect(received.bytes.suffix(words.utf8.count) == Array(words.utf8)[...], sourceLocation: location)
    switch version {
    case .none: #expect(header.isEmpty, sourceLocation: location)
    case .v1:
        let line = String(decoding: header, as: UTF8.self)
        #expect(line.wholeMatch(of: /PROXY TCP4 127.0.0.1 127.0.0.1 \d+ \d+\r\n/) != nil, sourceLocation: location)
    case .v2: #expect(header.count == 28 && header.first == 0x0D, sourceLocation: location)
    }
}

struct HoldTests {
    @Test(arguments: [1, 2])
    func whatIsHeldIsServedWithAllItHasSaid(_ workers: Int) async throws {
        try await onThread {
            let pool = try EmptyPool(workers: workers)
            let clients = try (0..<40).map { number in
                let client = try pool.held()
                try client.send("I am \(number).")
                return client
            }
            // More than the kernel takes for nobody: it is not read here either.
            #expect(clients.allSatisfy(isSilent(_:)) && pool.backend.accepted == 0)
            try pool.route()
            for (number, client) in clients.enumerated() {
                let word = "I am \(number)."
                #expect(client.receive(exactly: word.utf8.count) == Array(word.utf8))
                try greet(client)
                client.close()
            }
            #expect(pool.plane.plane.statistics.totals(listener: 0).refused == 0)
            try pool.expectNothingHeld()
        }
    }

    /// The pool's options change while they wait: the backend gets the header that it expects by then.
    @Test(arguments: [SendProxy.none, .v1, .v2], [SendProxy.none, .v1, .v2])
    func whoIsHeldIsAnnouncedAsThePoolWantsItByThen(_ before: SendProxy, _ after: SendProxy) async throws {
        try await onThread {
            let pool = try EmptyPool(workers: 2)
            let hold = PoolRouting.WhenNone.hold(lengthMax: 10, timeout: Patience.limit)
            try pool.plane.route([], sendProxy: before, whenNone: hold)
            let client = try pool.held()
            try client.send("hello")
            client.finish()
            try pool.plane.route([pool.backend.endpoint], sendProxy: after, whenNone: hold)
            expectHeader(after, before: "hello", in: client.receiveAll())
            client.close()
            try pool.expectNothingHeld()
        }
    }

    @Test(arguments: [1, 2])
    func firstComeFirstServed(_ workers: Int) async throws {
        try await onThread {
            let pool = try EmptyPool(workers: workers)
            var line = try (0..<8).map { _ in try pool.held() }
            for client in line { try client.send("!") }
            // Room for one at a time, so that their order is seen.
            try pool.route(most: 1)
            while !line.isEmpty {
                let client = line.removeFirst()
                #expect(client.receive(exactly: 1).count == 1)
                for other in line { #expect(!isReadable(other.number, within: 0), "overtaken; \(line.count) left") }
                client.close()
            }
            try pool.expectNothingHeld()
        }
    }

    @Test(arguments: [1, 2])
    func nobodyBeyondTheLengthAndNobodyBeyondTheTimeout(_ workers: Int) async throws {
        try await onThread {
            let pool = try EmptyPool(workers: workers, whenNone: .hold(lengthMax: 3, timeout: .seconds(5)))
            let began = ContinuousClock.now
            let held = try (0..<3).map { _ in try pool.held() }
            for _ in 0..<4 { #expect(try pool.connect().receiveAll().end == .reset) }
            #expect(ContinuousClock.now - began < .seconds(5) || pool.report.held == 0)
            for client in held { #expect(client.receiveAll().end == .reset) }
            let took = ContinuousClock.now - began
            #expect(took > .milliseconds(4950) && took < .seconds(60), "\(took)")
            try pool.waitUntil("three have waited in vain") { $0.holdTimeouts == 3 && $0.refused == 0 }
            try pool.plane.wait { if case .holdLost(pool: 0, _, _) = $0 { true } else { false } }
            #expect(pool.plane.plane.statistics.totals(listener: 0).refused == 7)
            try pool.expectNothingHeld()
        }
    }

    @Test(arguments: [1, 2])
    func whoLeavesIsNotServed(_ workers: Int) async throws {
        try await onThread {
            let pool = try EmptyPool(workers: workers)
            var line = try (0..<4).map { _ in try pool.held() }
            line.remove(at: 2).reset()
            try pool.waitUntil("one has left") { $0.held == 3 }
            line.remove(at: 0).close()
            try pool.waitUntil("two have left") { $0.held == 2 }
            try pool.route()
            for client in line { try greet(client) }
            #expect(pool.backend.accepted == 2)
            for client in line { client.close() }
            try pool.expectNothingHeld()
        }
    }

    /// Nobody has found it down yet: a client whose connects all fail is held as well, and those behind it do not try
    /// in vain each for itself.
    @Test(arguments: [1, 2])
    func connectsThatFailEverywhereAreHeld(_ workers: Int) async throws {
        try await onThread {
            let pool = try EmptyPool(workers: workers)
            let refusing = try RefusingAddress()
            try pool.route([refusing.endpoint])
            let line = try (0..<30).map { number in
                let client = try pool.connect()
                try client.send("\(number % 10)")
                return client
            }
            try pool.waitUntil("all are held") { $0.held == 30 }
            let failures = pool.plane.plane.statistics.totals(slot: 0).connectFailures
            poll(nil, 0, 1500)
            #expect(pool.report.held >= 26 && pool.plane.plane.statistics.totals(slot: 0).connectFailures < failures + 60)
            #expect(line.allSatisfy { !isReadable($0.number, within: 0) })
            try pool.route()
            for (number, client) in line.enumerated() {
                #expect(client.receive(exactly: 1) == Array("\(number % 10)".utf8))
                client.close()
            }
            #expect(pool.plane.plane.statistics.totals(listener: 0).refused == 0)
            try pool.expectNothingHeld()
        }
    }

    /// Fault: a look for a backend passed over eight that had refused and no more, so that with more of them those in line
    /// waited for as long as they refused, beside one that could have taken them.
    @Test(arguments: [1, 2], Balance.allCases)
    func manyThatRefuseDoNotHideTheOneThatServes(_ workers: Int, _ balance: Balance) async throws {
        try await onThread {
            let refusing = try RefusingAddress()
            let serving = try TestBackend.echo()
            defer { serving.stop() }
            let plane = try TestPlane(workers: workers, slots: 16)
            let hold = PoolRouting.WhenNone.hold(lengthMax: 100, timeout: Patience.limit * 2)
            try plane.route([serving.endpoint], slot: 14, balance: balance, whenNone: hold)
            let endpoint = try plane.listen()
            // By its connections it is the last that one would choose.
            let held = try (0..<4).map { _ in try BlockingSocket.connect(to: endpoint) }
            for client in held { try greet(client) }
            try plane.route(Array(repeating: refusing.endpoint, count: 14) + [serving.endpoint], balance: balance, retries: 0, whenNone: hold)
            let line = try (0..<6).map { _ in try BlockingSocket.connect(to: endpoint) }
            for client in line {
                try client.send("x")
                #expect(isReadable(client.number))
            }
            for client in held + line { client.close() }
            try plane.waitUntilEmpty()
        }
    }

    /// Fault: the full backlog of a backend's Unix socket ended the wait at connect-timeout, while one that refuses is
    /// waited for.
    @Test(arguments: [1, 2])
    func aFullBacklogIsWaitedForAsARefusedConnect(_ workers: Int) async throws {
        try await onThread {
            let folder = try TemporaryFolder()
            let backlog = try FullBacklog(folder.file("s"))
            let pool = try EmptyPool(workers: workers)
            let route = { (timeout: Duration) in
                try pool.plane.route(
                    [backlog.endpoint], connect: .milliseconds(200), whenNone: .hold(lengthMax: 10, timeout: timeout))
            }
            try route(Patience.limit)
            let client = try pool.connect()
            try client.send("x")
            // Some connect timeouts.
            #expect(!isReadable(client.number, within: 1))
            backlog.empty()
            let accepted = try backlog.accept()
            #expect(accepted.receive(exactly: 1) == Array("x".utf8))
            accepted.finish()
            client.close()
            try backlog.fill()
            try route(.seconds(1))
            let late = try pool.connect()
            #expect(late.receiveAll().end == .reset && pool.report.holdTimeouts == 1)
            accepted.close()
            try pool.expectNothingHeld()
        }
    }

    /// Complaint 14: HAProxy let a returned node have twice its maxconn.
    @Test(arguments: [1, 2])
    func complaint14AReturnedBackendNeverGetsMoreThanItsConnectionsMax(_ workers: Int) async throws {
        try await onThread {
            let inside = Occupancy()
            let backend = try TestBackend { connection in
                inside.enter()
                try connection.send("!")
                while case .success = connection.receive() {}
                inside.leave()
            }
            defer { backend.stop() }
            let pool = try EmptyPool(workers: workers)
            for round in 0..<3 {
                let line = try (0..<24).map { _ in try pool.held() }
                try pool.route([backend.endpoint], most: 3, whenFull: round == 0 ? .refuse : .queue(lengthMax: 100, timeout: Patience.limit))
                try await onThreads(line.count) { number in
                    #expect(line[number].receive(exactly: 1).count == 1)
                    line[number].close()
                }
                try pool.plane.waitUntilFree(slot: 0)
                try pool.route([])
            }
            #expect(inside.most <= 3, "\(inside.most) at once")
            try pool.expectNothingHeld()
        }
    }

    /// Out while some are on their way and others wait; in again; and so on, with clients that leave: all who stay are
    /// served, and the pace has no places that are lost.
    @Test(arguments: [1, 2])
    func comesAndGoes(_ workers: Int) async throws {
        try await onThread {
            let pool = try EmptyPool(workers: workers)
            for round in 0..<6 {
                var line = try (0..<80).map { _ in try pool.connect() }
                for client in line { try client.send("x") }
                try pool.route()
                if round % 2 == 0 { try pool.route([]) }
                for _ in 0..<10 { line.removeLast().reset() }
                try pool.route()
                for client in line {
                    #expect(client.receive(exactly: 1).count == 1)
                    client.close()
                }
                try pool.route([])
            }
            try pool.expectNothingHeld()
        }
    }

    @Test(arguments: [1, 2])
    func thePlaneEndsWithHeldConnections(_ workers: Int) async throws {
        try await onThread {
            let pool = try EmptyPool(workers: workers)
            let line = try (0..<6).map { _ in try pool.held() }
            try pool.plane.waitUntilFollowed(pool.plane.plane.closeListeners())
            pool.plane.plane.closeConnections()
            for client in line { _ = client.receiveAll() }
            try pool.expectNothingHeld()
        }
    }

    /// `hold` is taken back while some are held.
    @Test func refusesFromThenOn() async throws {
        try await onThread {
            let pool = try EmptyPool(workers: 2)
            let line = try (0..<6).map { _ in try pool.held() }
            try pool.plane.route([])
            for client in line { #expect(client.receiveAll().end == .reset) }
            try pool.expectNothingHeld()
        }
    }
}

/// A Unix socket whose backlog takes nobody.
private final class FullBacklog {
    let endpoint: Endpoint
    private let listener: Descriptor
    private var waiting: [Int32] = []

    init(_ path: String) throws {
        endpoint = .unix(path: path)
        listener = try Sockets.bindUnix(path, mode: 0o600)
        try Sockets.listen(listener.number, backlog: 0)
        try fill()
    }

    func fill() throws {
        let address = SocketAddress(endpoint)
        while true {
            let socket = try Sockets.open(for: address)
            guard case .connected = Sockets.startConnect(socket.number, to: address) else { return }
            waiting.append(socket.release())
        }
    }

    /// Those who wait are accepted and gone.
    func empty() {
        for number in waiting { close(number) }
        for _ in waiting {
            let (accepted, _) = Sockets.accept(on: listener.number)
            if accepted >= 0 { close(accepted) }
        }
        waiting = []
    }

    func accept() throws -> BlockingSocket {
        #expect(isReadable(listener.number))
        return try BlockingSocket(owning: Sockets.accept(on: listener.number).accepted)
    }

    deinit { empty() }
}

struct DivertTests {
    private static let proxies = ListenerRules(acceptProxy: .required(trusted: [.everyIPv4], timeout: .seconds(10)), allow: [.everyIPv4], deny: [])

    /// Fault: the listener's rules of now decided who the client is of one that came under others: a proxy in front was
    /// announced as the client, and a client was cut off for want of a header that it was never asked for.
    @Test(arguments: [true, false])
    func whoCameByAProxyIsDecidedAtItsAcceptance(_ cameByProxy: Bool) async throws {
        try await onThread {
            let pool = try EmptyPool(workers: 1)
            let rules = cameByProxy ? DivertTests.proxies : ListenerRules(), later = cameByProxy ? ListenerRules() : DivertTests.proxies
            let listener = try pool.plane.listen(listener: 1, rules: rules)
            try pool.plane.route([pool.backend.endpoint], slot: 2, sendProxy: .v1, pool: 2)
            let client = try BlockingSocket.connect(to: listener)
            try client.send((cameByProxy ? "PROXY TCP4 192.0.2.1 198.51.100.2 56789 443\r\n" : "") + "hello")
            try pool.waitUntil("it is held") { $0.held == 1 }
            pool.plane.plane.change(listener: 1, pool: 0, connectionsMax: nil, rules: later)
            try pool.plane.route([], whenNone: .divert(pool: 2))
            client.finish()
            if cameByProxy {
                // Nobody knows any more who it is.
                #expect(client.receiveAll().end == .reset && pool.backend.accepted == 0)
            } else {
                expectHeader(.v1, before: "hello", in: client.receiveAll())
            }
            client.close()
            try pool.plane.waitUntilEmpty()
        }
    }

    /// Pool 0 and 2 have nobody and divert to 3 by way of 2.
    @Test(arguments: [1, 2])
    func goesByTheOtherPool(_ workers: Int) async throws {
        try await onThread {
            let pool = try EmptyPool(workers: workers, whenNone: .divert(pool: 2))
            try pool.plane.route([pool.backend.endpoint], slot: 2, pool: 3)
            try pool.plane.route([], whenNone: .divert(pool: 3), pool: 2)
            for _ in 0..<6 {
                let client = try pool.connect()
                try greet(client)
                client.close()
            }
            #expect(pool.report.diverted == 6 && pool.plane.plane.queueReport(pool: 2).diverted == 6)
            #expect(pool.plane.plane.statistics.totals(slot: 2).connections == 6)
            // With somebody of its own it stays.
            try pool.route()
            try greet(pool.connect())
            #expect(pool.report.diverted == 6 && pool.plane.plane.statistics.totals(slot: 0).connections == 1)
            // The last one has nobody either.
            try pool.route([])
            try pool.plane.route([], pool: 3)
            #expect(try pool.connect().receiveAll().end == .reset)
            try pool.expectNothingHeld()
        }
    }

    /// Its only backend refuses: the client's first words go to the other pool, once, behind that pool's header.
    @Test(arguments: [SendProxy.none, .v1, .v2], [SendProxy.none, .v1, .v2])
    func aFailedConnectIsDivertedWithTheOtherPoolsHeader(_ before: SendProxy, _ after: SendProxy) async throws {
        try await onThread {
            let pool = try EmptyPool(workers: 1, whenNone: .divert(pool: 2))
            let refusing = try RefusingAddress()
            try pool.plane.route([pool.backend.endpoint], slot: 2, sendProxy: after, pool: 2)
            try pool.plane.route([refusing.endpoint], retries: 1, sendProxy: before, whenNone: .divert(pool: 2))
            let client = try pool.connect()
            try client.send("hello")
            client.finish()
            expectHeader(after, before: "hello", in: client.receiveAll())
            #expect(pool.report.diverted == 1)
            client.close()
            try pool.expectNothingHeld()
        }
    }

    /// Those who wait for room go too when nobody is left.
    @Test(arguments: [1, 2])
    func theLineGoesToo(_ workers: Int) async throws {
        try await onThread {
            let pool = try EmptyPool(workers: workers, whenNone: .divert(pool: 2))
            try pool.plane.route([pool.backend.endpoint], slot: 2, pool: 2)
            try pool.route(most: 1, whenFull: .queue(lengthMax: 100, timeout: Patience.limit))
            let holder = try pool.connect()
            try greet(holder)
            let line = try (0..<6).map { number in
                let client = try pool.connect()
                try pool.waitUntil("one more waits") { $0.waiting == number + 1 }
                return client
            }
            try pool.route([])
            for client in line { try greet(client) }
            #expect(pool.report.diverted == 6)
            for client in line + [holder] { client.close() }
            try pool.expectNothingHeld()
        }
    }

    /// Whoever finds the other pool's line full leaves that line alone: nobody else's place in it is given up.
    @Test(arguments: [1, 2])
    func whoDoesNotFitIntoTheOtherLineTakesNobodyOutOfIt(_ workers: Int) async throws {
        try await onThread {
            let pool = try EmptyPool(workers: workers, whenNone: .divert(pool: 2))
            let hold = PoolRouting.WhenNone.hold(lengthMax: 1, timeout: Patience.limit)
            try pool.plane.route([], whenNone: hold, pool: 2)
            let other = try pool.plane.plane.open(listener: 1, .ipv4(0x7F00_0001, port: 0), backlog: 16, pool: 2)
            let held = try BlockingSocket.connect(to: other)
            try held.send("!")
            while pool.plane.plane.queueReport(pool: 2).held == 0 { poll(nil, 0, 1) }
            // In the same row of its own pool's line.
            try pool.route(most: 1, whenFull: .queue(lengthMax: 100, timeout: Patience.limit))
            let holder = try pool.connect()
            try greet(holder)
            let waiting = try pool.connect()
            try pool.waitUntil("it waits") { $0.waiting == 1 }
            try pool.route([])
            #expect(waiting.receiveAll().end == .reset)
            #expect(pool.plane.plane.queueReport(pool: 2).held == 1)
            try pool.plane.route([pool.backend.endpoint], slot: 2, whenNone: hold, pool: 2)
            #expect(held.receive(exactly: 1).count == 1)
            for client in [held, holder] { client.close() }
            try pool.expectNothingHeld()
        }
    }
}
