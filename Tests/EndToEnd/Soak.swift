// Everything at once for a while: what clients do, what operators do, what backends suffer; nothing piles up.
import ControlProtocol
import Model
import Synchronization
import SystemCalls
import Testing

@Suite(.lab) struct Soak {
    let lab = Lab.current
    private static let time: Duration = Scale.of(.seconds(30), full: .seconds(300))
    private static let clients = 6
    private static let seed = SeededRandom.seedOfThisRun

    /// What a client does with its connection; its request's first word.
    private enum Course: String, CaseIterable { case short, pingPong, bulk, halfClose, clientResets, serverResets }

    /// Grows with each fault that may cut connections: who lived through one is excused.
    private let faults = Counter()

    @Test("mixed traffic, drains and killed backends: memory and descriptors stay flat, counters conserve", arguments: Scale.workers)
    func mixed(workers: Int) throws {
        let content = try Content.random(1 << 20)
        let backends = try (1...3).map { try Backend("web-\($0)", lab, content) }
        let balancer = try Balancer(lab, ConfigurationText(
            backends: backends.map { ($0.name, "\($0.endpoint)") },
            ["health: { check: connect, interval: 200ms, timeout: 500ms, rise: 1, fall: 2 }", "idle-timeout: 30s"], workers: workers))
        try balancer.becomesAvailable()
        let baseline = try Baseline(balancer)
        let stopping = StopFlag()
        let endpoint = try balancer.endpoint()
        let load = Background {
            try concurrently(Soak.clients, within: Soak.time * 3) { try self.client($0, endpoint, content, until: stopping) }
        }
        let operators = Background { try self.operate(balancer, backends, until: stopping) }
        let memory = try watch(balancer, load)
        stopping.raise()
        try operators.result()
        let opened = try load.result().reduce(0, +)

        try baseline.isBack(balancer, within: .seconds(20), "SEED=\(Soak.seed)")
        // The first half fills caches. KiB; glibc's arenas breathe by some hundred.
        let half = memory.count / 2
        let (first, second) = (memory[(half / 2)..<half].reduce(0, +) / max(1, half - half / 2), memory[(memory.count - half / 2)...].reduce(0, +) / max(1, half / 2))
        #expect(second - first < 2048 * Scale.patience, "memory grew from \(first) to \(second) KiB; samples: \(memory)")
        let status = try balancer.status()
        #expect(status.listeners[0].connectionsTotal == UInt64(opened), "clients opened \(opened)")
        #expect(opened > 300, "the soak did next to nothing: \(opened) connections")
        try ProcessTable.awaitThreads(workers + 1, of: balancer.process)
        let complaints = balancer.program.errors.split(separator: "\n").filter { $0.contains(" error ") }
        #expect(complaints.isEmpty, "\(complaints.prefix(5))")
    }

    /// Samples of the resident memory, two a second; and that no count is ever out of its bounds.
    private func watch(_ balancer: Balancer, _ load: Background<[Int]>) throws -> [Int] {
        let end = ContinuousClock.now + Soak.time
        var samples: [Int] = []
        var total: UInt64 = 0
        while ContinuousClock.now < end, !load.isFinished {
            observe(for: .milliseconds(500))
            let listener = try balancer.status().listeners[0]
            #expect((0...4 * Soak.clients).contains(listener.connections), "\(listener.connections) connections of \(Soak.clients) clients")
            #expect(listener.connectionsTotal >= total)
            total = listener.connectionsTotal
            samples.append(try ProcessTable.residentKiB(balancer.process))
        }
        return samples
    }

    // MARK: Clients

    /// How many connections it opened.
    private func client(_ number: Int, _ endpoint: Endpoint, _ content: [UInt8], until stopping: StopFlag) throws -> Int {
        var random = SeededRandom(seed: Soak.seed &+ UInt64(number))
        var opened = 0
        while !stopping.isRaised {
            let before = faults.value
            let course = Course.allCases.randomElement(using: &random) ?? .short
            opened += 1
            do { try Soak.play(course, endpoint, content, &random) } catch {
                // A backend was killed meanwhile: its connections are cut.
                observe(for: .milliseconds(50))
                guard faults.value != before else { throw HarnessError("SEED=\(Soak.seed), client \(number), connection \(opened), \(course): \(error)") }
            }
            observe(for: .milliseconds(Int.random(in: 0...4, using: &random)))
        }
        return opened
    }

    private static func play(_ course: Course, _ endpoint: Endpoint, _ content: [UInt8], _ random: inout SeededRandom) throws {
        let peer = try Peer(connecting: endpoint)
        let size = Int.random(in: 1...(course == .bulk ? 1 << 20 : 8192), using: &random)
        try peer.send("\(course.rawValue) \(size)\n")
        switch course {
        case .short, .bulk, .halfClose:
            if course == .halfClose { peer.halfClose() }
            let (bytes, ending) = try peer.toEnd()
            let isWhole = bytes.count == size && Content.isPrefix(bytes, of: content) && ending == .end
            guard isWhole else { throw HarnessError("\(bytes.count) of \(size) bytes, then \(ending)") }
        case .pingPong:
            for _ in 0..<20 {
                try peer.send("ping")
                guard try peer.receive(exactly: 4) == Array("ping".utf8) else { throw HarnessError("another answer") }
            }
        case .clientResets:
            _ = try peer.receive(exactly: Int.random(in: 1...size, using: &random))
            peer.reset()
        case .serverResets:
            let (bytes, ending) = try peer.toEnd()
            guard bytes.count == size, ending == .reset else { throw HarnessError("\(bytes.count) of \(size) bytes, then \(ending)") }
        }
    }

    // MARK: Operators and faults

    private func operate(_ balancer: Balancer, _ backends: [Backend], until stopping: StopFlag) throws {
        var random = SeededRandom(seed: ~Soak.seed)
        while !stopping.isRaised {
            let backend = backends[Int.random(in: 0..<backends.count, using: &random)]
            if Bool.random(using: &random) {
                _ = try balancer.command("drain web/\(backend.name) owner=soak")
                observe(for: .milliseconds(300))
                _ = try balancer.command("undrain web/\(backend.name) owner=soak")
            } else {
                faults.increase()
                backend.kill()
                // Again, for those that came between the two: what they had is cut a moment later.
                faults.increase()
                observe(for: .milliseconds(300))
                try backend.start()
                try balancer.backend(backend.name) { $0.availability == .available }
            }
            observe(for: .milliseconds(200))
        }
    }
}

/// A server that can be killed and started again at its address.
private final class Backend: Sendable {
    let name: String
    let endpoint: Endpoint
    private let lab: Lab
    private let content: [UInt8]
    private let server: Mutex<TestServer>

    init(_ name: String, _ lab: Lab, _ content: [UInt8]) throws {
        let server = try Backend.server(lab, at: .loopback(0), content)
        (self.name, self.lab, self.content, endpoint) = (name, lab, content, server.endpoint)
        self.server = Mutex(server)
    }

    func kill() { server.withLock { $0.stop() } }

    func start() throws {
        let next = try Backend.server(lab, at: endpoint, content)
        server.withLock { $0 = next }
    }

    private static func server(_ lab: Lab, at endpoint: Endpoint, _ content: [UInt8]) throws -> TestServer {
        try TestServer(lab, at: endpoint) { peer in
            let request: String
            // A probe ends without a word.
            do { request = try peer.line() } catch is HarnessError { return }
            let words = request.split(separator: " ")
            guard words.count == 2, let size = Int(words[1]) else { throw HarnessError("not a request: \(words)") }
            switch words[0] {
            case "pingPong": try peer.echoToEnd()
            case "serverResets":
                try peer.send(Array(content.prefix(size)))
                try peer.flush()
                peer.reset()
            default:
                try peer.send(Array(content.prefix(size)))
            }
        }
    }
}

/// A number that several threads count up.
private final class Counter: Sendable {
    private let number = Atomic(0)
    var value: Int { number.load(ordering: .acquiring) }
    func increase() { number.add(1, ordering: .acquiringAndReleasing) }
}
