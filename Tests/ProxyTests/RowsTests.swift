// What the data path writes into the segment about each connection, and how it counts ends and times. Faults: a row that
// stays behind or shows another's state, an end counted twice or not at all, a worker whose lag nobody sees.
import Glibc
import Model
import Statistics
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

/// A plane whose segment somebody looks into.
private final class WatchedPlane {
    let plane: TestPlane
    private let reader: SegmentReader

    var statistics: SegmentView { plane.plane.statistics }

    init(workers: Int, folder: String = "/dev/shm") throws {
        plane = try TestPlane(workers: workers, folders: [folder])
        guard let path = plane.plane.segment.path else { throw PlaneProblem(description: "the segment has no file") }
        reader = try SegmentReader(path: path)
        unlink(path)
        statistics.write(ProcessEntry(
            version: "1", pid: getpid(), startTime: try ProcessTrace.of(getpid())?.startTime ?? 0, startedAt: Clocks.calendar(),
            boot: try ProcessTrace.boot(), connectionsMax: 1, descriptorsMax: 1))
    }

    func unlisted() throws -> Int { try reader.observe().unlisted }

    /// Looks until it is so.
    func await(_ isSo: ([ObservedConnection]) -> Bool, at location: SourceLocation = #_sourceLocation) throws {
        let deadline = Clocks.monotonic().advanced(by: Patience.limit)
        var seen: [ObservedConnection] = []
        repeat {
            seen = try reader.observe().connections
            if isSo(seen) { return }
            try waitALittle()
        } while Clocks.monotonic() < deadline
        Issue.record("\(seen)", sourceLocation: location)
    }
}

struct RowsTests {
    @Test(arguments: [1, 2], Splicing.allCases) func aRowFollowsItsConnection(_ workers: Int, _ splice: Splicing) async throws {
        try await onThread {
            let mayEnd = Counter()
            let backend = try TestBackend { connection in
                _ = connection.receive(exactly: 5)
                try connection.send([1, 2, 3])
                _ = connection.receiveAll()
                while mayEnd.value == 0 { try waitALittle() }
            }
            defer { backend.stop() }
            let watched = try WatchedPlane(workers: workers)
            try watched.plane.route([backend.endpoint], transport: PoolTransport(splice: splice))
            let client = try BlockingSocket.connect(to: try watched.plane.listen())
            let own = IPEndpoint(try Sockets.localEndpoint(of: client.number))
            try watched.await { $0.count == 1 && $0[0].client == own && $0[0].phase == .relaying && $0[0].slot == 0 }
            try client.send([1, 2, 3, 4, 5])
            _ = client.receive(exactly: 3)
            try watched.await { $0.count == 1 && $0[0].bytesToBackend == 5 && $0[0].bytesToClient == 3 && $0[0].idle < .seconds(60) }
            client.finish()
            try watched.await { $0.count == 1 && $0[0].phase == .halfClosedByClient }
            mayEnd.add(1)
            _ = client.receiveAll()
            try watched.plane.waitUntilEmpty()
            try watched.await { $0.isEmpty }
            #expect(watched.statistics.endings(listener: 0) == [Ending(by: .client, .finished): 1])
            #expect(watched.statistics.connectTimes(pool: 0).total == 1 && watched.statistics.firstByteTimes(pool: 0).total == 1)
            #expect(watched.statistics.durations(pool: 0).total == 1)
        }
    }

    @Test func whoWaitsIsShownWaiting() async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let watched = try WatchedPlane(workers: 1)
            try watched.plane.route([backend.endpoint], most: 1, whenFull: .queue(lengthMax: 5, timeout: .seconds(60)))
            let endpoint = try watched.plane.listen()
            let first = try BlockingSocket.connect(to: endpoint)
            try watched.await { $0.map(\.phase) == [.relaying] }
            let second = try BlockingSocket.connect(to: endpoint)
            try watched.await { $0.map(\.phase).contains(.queued) && $0.first { $0.phase == .queued }?.slot == nil }
            first.reset()
            try watched.await { $0.map(\.phase) == [.relaying] && $0[0].slot == 0 }
            second.reset()
            try watched.plane.waitUntilEmpty()
            #expect(watched.statistics.endings(listener: 0) == [Ending(by: .client, .reset): 2])
        }
    }

    /// Fault: who came while there was no memory is unlisted for ever, and so is whoever gets the record after that.
    @Test func whoCameWithoutMemoryIsListedWhenThereIsSome() async throws {
        try await onThread {
            let folder = try TemporaryFolder()
            let mounting = try ChildProcess(starting: ["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder.path], output: nil)
            #expect(isReadable(mounting.number))
            // Only root may.
            guard try mounting.end() == .exited(status: 0) else { return }
            defer { _ = umount2(folder.path, Int32(MNT_DETACH)) }
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let watched = try WatchedPlane(workers: 1, folder: folder.path)
            try watched.plane.route([backend.endpoint])
            let endpoint = try watched.plane.listen()
            let filler = folder.file("filler")
            let file = try Files.open(filler, O_WRONLY | O_CREAT, 0o600)
            #expect(throws: SystemError.self) { try Files.write([UInt8](repeating: 1, count: 9 << 20), to: file.number) }
            var clients: [BlockingSocket] = []
            for _ in 0..<100 {
                let client = try BlockingSocket.connect(to: endpoint)
                try client.send([1])
                #expect(client.receive(exactly: 1).count == 1)
                clients.append(client)
            }
            #expect(try watched.unlisted() == 100)
            watched.plane.plane.beat()
            try waitALittle()
            #expect(try watched.unlisted() == 100, "there is no memory yet")
            #expect(ftruncate(file.number, 0) == 0)
            watched.plane.plane.beat()
            try watched.await { $0.count == 100 && Set($0.map(\.client)).count == 100 && $0.allSatisfy { $0.bytesToClient == 1 && $0.phase == .relaying } }
            #expect(try watched.unlisted() == 0)
            try clients[7].send([1, 2])
            #expect(clients[7].receive(exactly: 2).count == 2)
            try watched.await { $0.contains { $0.bytesToBackend == 3 } }
            for client in clients { client.close() }
            try watched.plane.waitUntilEmpty()
            try watched.await { $0.isEmpty }
            #expect(try watched.unlisted() == 0)
            let late = try BlockingSocket.connect(to: endpoint)
            try watched.await { $0.count == 1 }
            late.close()
        }
    }

    /// However they end, each is counted once, and those that failed by why.
    @Test(arguments: [1, 2]) func everyEndIsCountedOnce(_ workers: Int) async throws {
        try await onThread {
            let refusing = try RefusingAddress()
            let watched = try WatchedPlane(workers: workers)
            try watched.plane.route([refusing.endpoint], retries: 0)
            let endpoint = try watched.plane.listen()
            for _ in 0..<20 { _ = try BlockingSocket.connect(to: endpoint).receiveAll() }
            try watched.plane.waitUntilEmpty()
            #expect(watched.statistics.endings(listener: 0) == [Ending(by: .backend, .connectFailed): 20])
            #expect(watched.statistics.connectFailures(slot: 0) == [.refused: 20])
            #expect(watched.statistics.totals(slot: 0).connectFailures == 20 && watched.statistics.totals(listener: 0).closed == 20)
            #expect(watched.statistics.durations(pool: 0).total == 0, "none had a backend")
            try watched.await { $0.isEmpty }
        }
    }

    @Test(arguments: [Splicing.off, .on]) func hopsAreSampled(_ splice: Splicing) async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1)
            try plane.route([backend.endpoint], transport: PoolTransport(splice: splice))
            let client = try BlockingSocket.connect(to: try plane.listen())
            for _ in 0..<400 {
                try client.send([7])
                _ = client.receive(exactly: 1)
            }
            let hops = plane.plane.statistics.hopTimes()
            // 800 messages, one round in 32 is looked at.
            #expect(hops.total >= 5 && hops.total <= 200, "\(hops.total)")
            #expect(hops.sum > 0 && hops.sum / hops.total < 10_000_000_000)
        }
    }

    @Test func everyWorkerAnswersABeat() async throws {
        try await onThread {
            let plane = try TestPlane(workers: 2)
            plane.plane.beat()
            let deadline = Clocks.monotonic().advanced(by: Patience.limit)
            while (0..<2).contains(where: { plane.plane.lag(worker: $0) == .zero }), Clocks.monotonic() < deadline { try waitALittle() }
            #expect((0..<2).allSatisfy { plane.plane.lag(worker: $0) > .zero })
        }
    }
}
