// Ends by the clock that count from other moments than the last byte. Faults: a reader that has stopped holds its backend
// for ever; a slow reader is taken for one; all clients of a pool come back in the same second.
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

/// A backend that sends without end, and says by a counter how its connections end.
private func endlessBackend(_ resets: Counter) throws -> TestBackend {
    try TestBackend { connection in
        let block = pattern(64 * 1024)
        do { while true { try connection.send(block) } } catch { resets.add(1) }
    }
}

struct DeadlineTests {
    @Test(arguments: [1, 2], Splicing.allCases) func aStalledReaderIsReset(_ workers: Int, _ splice: Splicing) async throws {
        try await onThread {
            let resets = Counter()
            let backend = try endlessBackend(resets)
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers)
            try plane.route([backend.endpoint], transport: PoolTransport(splice: splice), stalled: .milliseconds(400))
            let client = try BlockingSocket.connect(to: try plane.listen())
            _ = client.receive(exactly: 1 << 20)
            let since = Clocks.monotonic()
            while resets.value == 0 { try waitALittle() }
            let taken = since.duration(to: Clocks.monotonic())
            #expect(taken > .milliseconds(350) && taken < .seconds(60), "ended after \(taken)")
            #expect(client.receiveAll().end == .reset)
            try plane.waitUntilEmpty()
        }
    }

    /// The kernel says that there is room when a third of its buffer is free; a slow reader needs longer than the
    /// timeout for that, and takes bytes all the time.
    @Test(arguments: [Splicing.auto, .off]) func aSlowReaderIsNotAStalledOne(_ splice: Splicing) async throws {
        try await onThread {
            let backend = try endlessBackend(Counter())
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1)
            try plane.route([backend.endpoint], transport: PoolTransport(splice: splice), stalled: .seconds(2))
            let client = try BlockingSocket.connect(to: try plane.listen())
            // Windows and buffers grow to their full size.
            for _ in 0..<1024 { _ = client.receive(exactly: 64 * 1024) }
            for _ in 0..<25 {
                #expect(client.receive(exactly: 96 * 1024).count == 96 * 1024)
                poll(nil, 0, 240)
            }
            client.close()
            try plane.waitUntilEmpty()
        }
    }

    @Test(arguments: [1, 2]) func aLifetimeEndsWhatIsBusyAndCleanly(_ workers: Int) async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers)
            // Long enough for a byte there and back where the machine is busy.
            try plane.route([backend.endpoint], lifetime: Lifetime(longest: .seconds(3), jitter: 0))
            let endpoint = try plane.listen()
            let since = Clocks.monotonic()
            let clients = try (0..<10).map { _ in
                let client = try BlockingSocket.connect(to: endpoint)
                try greet(client)
                return client
            }
            for client in clients { #expect(client.receiveAll() == ([], .finished)) }
            let taken = since.duration(to: Clocks.monotonic())
            #expect(taken > .milliseconds(2990) && taken < .seconds(60), "ended after \(taken)")
            try plane.waitUntilEmpty()
        }
    }

    @Test func lifetimesAreSpreadByJitter() async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1)
            try plane.route([backend.endpoint], lifetime: Lifetime(longest: .seconds(3), jitter: 50))
            let endpoint = try plane.listen()
            let since = Clocks.monotonic()
            let clients = try (0..<40).map { _ in try BlockingSocket.connect(to: endpoint) }
            while plane.plane.statistics.totals(listener: 0).accepted < 40 { try waitALittle() }
            let accepted = since.duration(to: Clocks.monotonic())
            // How many are left, as seen again and again: not all leave at once, and none before half of the time.
            var left: Set<Int> = []
            while plane.plane.statistics.process.held == 40 { try waitALittle() }
            let first = since.duration(to: Clocks.monotonic())
            while plane.plane.statistics.process.held > 0 {
                left.insert(plane.plane.statistics.process.held)
                try waitALittle()
            }
            #expect(left.count >= 4, "the numbers left were \(left.sorted())")
            #expect(first > .milliseconds(1490), "the first ended after \(first), all were accepted after \(accepted)")
            for client in clients { #expect(client.receiveAll() == ([], .finished)) }
            try plane.waitUntilEmpty()
        }
    }
}
