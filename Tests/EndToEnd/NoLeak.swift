// Thousands of connections, a third of them cut by either side at random moments: nothing stays.
import Model
import SystemCalls
import Testing

@Suite(.lab(.heavy)) struct NoLeak {
    let lab = Lab.current
    private static let clients = 16
    private static let connections = Scale.of(10_000, full: 200_000)
    /// Before the baseline is taken: caches and pools fill.
    private static let warmUp = 1_600

    private static let seed = SeededRandom.seedOfThisRun

    /// What one connection does; the client tells the server in its first line.
    private struct Course {
        enum Kind { case whole, clientCuts, serverCuts }
        let kind: Kind
        let size: Int
        /// Bytes after which it is cut; -1: before anything was sent.
        let cut: Int
        let withReset: Bool

        init(_ random: inout SeededRandom) {
            kind = [.whole, .whole, .whole, .whole, .clientCuts, .serverCuts][Int.random(in: 0...5, using: &random)]
            // Most are small; one in fifty is large enough to fill every buffer on the way.
            size = Int.random(in: 0..<50, using: &random) == 0 ? 1 << 20 : Int.random(in: 1...8192, using: &random)
            cut = Int.random(in: -1..<size, using: &random)
            withReset = Bool.random(using: &random)
        }

        /// `SIZE CUT RESET`: how much the server sends, and where it cuts if it does (SIZE: not at all).
        var request: String { "\(size) \(kind == .serverCuts ? max(0, cut) : size) \(withReset)\n" }
    }

    @Test("descriptors, threads and memory are back at their baseline, and no whole connection failed", arguments: Scale.workers)
    func backAtBaseline(workers: Int) throws {
        _ = try Limits.raiseDescriptors()
        let content = try Content.random(1 << 20)
        let servers = try ["web-1", "web-2", "web-3"].map { name in
            (name, try TestServer(lab) { try NoLeak.serve($0, content) })
        }
        let balancer = try Balancer(lab, ConfigurationText(servers, workers: workers))
        try balancer.becomesAvailable()
        let baseline = try Baseline(balancer)
        try run(balancer, content, NoLeak.warmUp, seed: NoLeak.seed &+ 1_000_000)
        try awaitNothingOpen(balancer)
        let memory = try ProcessTable.residentKiB(balancer.process)

        try run(balancer, content, NoLeak.connections, seed: NoLeak.seed)
        try awaitNothingOpen(balancer)
        try baseline.isBack(balancer, "seed \(NoLeak.seed)")
        try ProcessTable.awaitThreads(workers + 1, of: balancer.process)
        let grown = try ProcessTable.residentKiB(balancer.process) - memory
        #expect(grown < 16 * 1024 * Scale.patience, "resident memory grew by \(grown) KiB")
        let status = try balancer.status()
        let total = status.listeners[0].connectionsTotal
        #expect(total == UInt64(NoLeak.connections + NoLeak.warmUp), "the listener counted \(total)")
        #expect(status.pools[0].backends.allSatisfy { $0.connectionsTotal > UInt64(NoLeak.connections / 6) })
    }

    private func awaitNothingOpen(_ balancer: Balancer) throws {
        try eventually(within: .seconds(20), "no connection to be open") {
            let status = try balancer.status()
            return status.listeners[0].connections == 0 && status.pools[0].backends.allSatisfy { $0.connections == 0 }
        }
    }

    private func run(_ balancer: Balancer, _ content: [UInt8], _ connections: Int, seed: UInt64) throws {
        let endpoint = try balancer.endpoint()
        _ = try concurrently(NoLeak.clients, within: Scale.of(.seconds(180), full: .seconds(3600))) { client in
            var random = SeededRandom(seed: seed &+ UInt64(client))
            for number in 0..<(connections / NoLeak.clients) {
                let course = Course(&random)
                do { try NoLeak.connect(endpoint, course, content) } catch {
                    throw HarnessError("seed \(seed), client \(client), connection \(number), \(course): \(error)")
                }
            }
        }
    }

    /// The client's side of a course; throws when a whole one was not whole.
    private static func connect(_ endpoint: Endpoint, _ course: Course, _ content: [UInt8]) throws {
        let peer = try Peer(connecting: endpoint)
        switch course.kind {
        case .whole:
            try peer.send(course.request)
            peer.halfClose()
            let (bytes, ending) = try peer.toEnd()
            guard ending == .end, bytes.count == course.size, Content.isPrefix(bytes, of: content) else {
                throw HarnessError("\(bytes.count) bytes, then \(ending)")
            }
        case .clientCuts:
            if course.cut >= 0 {
                try peer.send(course.request)
                if course.cut > 0 { _ = try peer.receive(exactly: course.cut) }
            }
            if course.withReset { peer.reset() } else { peer.close() }
        case .serverCuts:
            try peer.send(course.request)
            let (bytes, _) = try peer.toEnd()
            guard bytes.count <= course.size else { throw HarnessError("\(bytes.count) bytes") }
        }
    }

    /// The server's side of a course.
    private static func serve(_ peer: Peer, _ content: [UInt8]) throws {
        let words = try peer.line().split(separator: " ")
        guard words.count == 3, let size = Int(words[0]), let cut = Int(words[1]) else {
            throw HarnessError("not a course: \(words)")
        }
        try peer.send(Array(content.prefix(min(size, cut))))
        if cut < size, words[2] == "true" { peer.reset() } else { peer.close() }
    }
}
