// Random changes under traffic, by seed. Faults: numbers that never come back, or come back too early; a message that
// names what is gone; a worker that counts a pool's connections wrong; waiters that nobody releases.
import EventLoop
import Glibc
import Model
import Statistics
import Synchronization
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

struct ChurnTests {
    @Test(arguments: [1, 2, 3])
    func everyNumberComesBack(_ workers: Int) async throws {
        let servers = try (1...4).map { try named("\($0)") }
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, workers: workers, ["a": [at[0]]]) }) { lbd in
            let (slots, pools, listeners) = try await onLoop { lbd.numbersLeft }
            let targets = Targets()
            async let traffic: Void = onThreads(4) { index in
                var random = SeededGenerator(seed: SeededGenerator.seed &+ UInt64(index))
                while !targets.hasEnded {
                    if let endpoint = targets.pick(&random) { visit(endpoint, &random) } else { sched_yield() }
                }
            }
            do {
                var random = SeededGenerator(seed: SeededGenerator.seed)
                for _ in 0..<200 {
                    let seed = random.next()
                    let endpoints = try await onLoop {
                        var changes = RandomChanges(at: at, seed: seed)
                        try lbd.apply(now: changes.isHasty) { try changes.make(in: &$0) }
                        await pause(for: .milliseconds(5))
                        return lbd.daemon.listeners.open.map(\.endpoint)
                    }
                    targets.set(endpoints)
                }
            } catch { Issue.record(error) }
            targets.end()
            try await traffic
            try await onLoop {
                try lbd.apply { $0.listeners = [$0.listeners[0]]; $0.pools = [try pool("a", [at[0]])]; $0.listeners[0] = try listener("a") }
                try await lbd.settle()
                try await lbd.waitUntil("every number is back") { lbd.numbersLeft == (slots, pools, listeners) }
                #expect(lbd.daemon.plane.statistics.process.held == 0)
            }
            // And it serves as ever.
            let endpoint = try await onLoop { try lbd.endpoint() }
            for _ in 0..<10 { #expect(try connect(endpoint).backend == "1") }
        }
    }
}

/// Where clients may connect now.
final class Targets: Sendable {
    private let endpoints = Mutex<[Endpoint]>([])
    private let isOver = Atomic(false)
    func set(_ new: [Endpoint]) { endpoints.withLock { $0 = new } }
    func pick(_ random: inout SeededGenerator) -> Endpoint? { endpoints.withLock { $0.randomElement(using: &random) } }
    func end() { isOver.store(true, ordering: .relaxed) }
    var hasEnded: Bool { isOver.load(ordering: .relaxed) }
}

/// Comes, says something or not, goes in some way; what becomes of it is the change's affair.
func visit(_ endpoint: Endpoint, _ random: inout SeededGenerator) {
    do {
        let client = try BlockingSocket.connect(to: endpoint)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: client.close()
        case 1: client.reset()
        default:
            _ = client.receive(max: 1)
            try client.send("x")
            _ = client.receive(max: 1)
            client.close()
        }
    } catch { return }
}
