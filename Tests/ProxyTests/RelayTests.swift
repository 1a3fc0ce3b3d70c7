// Bytes from end to end, through real workers. Faults: bytes lost, doubled or swapped; a half-close that ends both
// directions (relayd, le-proxy) or none.
import Model
import Synchronization
import TestSupport
import Testing

@testable import Proxy
@testable import Statistics

private let megabytes8 = 8 << 20

struct RelayTests {
    @Test(arguments: [1, 2], Splicing.allCases) func echo(_ workers: Int, _ splice: Splicing) async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers)
            try plane.route([backend.endpoint], transport: PoolTransport(splice: splice))
            let endpoint = try plane.listen()
            try await onThreads(8) { index in
                for round in 0..<10 {
                    let client = try BlockingSocket.connect(to: endpoint)
                    for size in [1, 100, 65_536, 70_001] {
                        let bytes = pattern(size, seed: index * 100 + round)
                        try client.send(bytes)
                        #expect(isSame(client.receive(exactly: size), bytes))
                    }
                    client.finish()
                    #expect(client.receiveAll() == ([], .finished))
                }
            }
            try plane.waitUntilEmpty()
            let totals = plane.plane.statistics.totals(slot: 0)
            #expect(totals.connections == 80 && totals.connectFailures == 0)
            #expect(totals.backendResets == 0 && totals.clientResets == 0)
            #expect(totals.bytesToBackend == 80 * 135_638 && totals.bytesToClient == totals.bytesToBackend)
            let listener = plane.plane.statistics.totals(listener: 0)
            #expect(listener.accepted == 80 && listener.closed == 80 && listener.refused == 0)
        }
    }

    /// The client ends first; the backend then answers.
    @Test(arguments: [1, 2]) func clientEndsFirst(_ workers: Int) async throws {
        try await onThread {
            let up = pattern(megabytes8, seed: 1), down = pattern(megabytes8, seed: 2)
            let backend = try TestBackend { connection in
                let (bytes, end) = connection.receiveAll()
                #expect(isSame(bytes, up) && end == .finished)
                try connection.send(down)
                connection.finish()
            }
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers)
            try plane.route([backend.endpoint])
            let client = try BlockingSocket.connect(to: try plane.listen())
            try client.send(up)
            client.finish()
            let (bytes, end) = client.receiveAll()
            #expect(isSame(bytes, down) && end == .finished)
            try plane.waitUntilEmpty()
        }
    }

    /// The mirror image: the backend says all and ends; the client's direction stays open.
    @Test(arguments: [1, 2]) func backendEndsFirst(_ workers: Int) async throws {
        try await onThread {
            let up = pattern(megabytes8, seed: 1), down = pattern(megabytes8, seed: 2)
            let arrived = Counter()
            let backend = try TestBackend { connection in
                try connection.send(down)
                connection.finish()
                let (bytes, end) = connection.receiveAll()
                #expect(isSame(bytes, up) && end == .finished)
                arrived.add(1)
            }
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers)
            try plane.route([backend.endpoint])
            let client = try BlockingSocket.connect(to: try plane.listen())
            let (bytes, end) = client.receiveAll()
            #expect(isSame(bytes, down) && end == .finished)
            try client.send(up)
            client.finish()
            try plane.waitUntilEmpty()
            while arrived.value == 0 { try waitALittle() }
        }
    }

    /// Both directions full at the same time, each reader slower than its writer.
    @Test(arguments: Splicing.allCases) func bothDirectionsAtOnce(_ splice: Splicing) async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1)
            try plane.route([backend.endpoint], transport: PoolTransport(splice: splice))
            let client = try BlockingSocket.connect(to: try plane.listen())
            let sent = pattern(megabytes8)
            try await onThreads(2) { index in
                if index == 0 {
                    try client.send(sent)
                    client.finish()
                } else {
                    let (bytes, end) = client.receiveAll()
                    #expect(isSame(bytes, sent) && end == .finished)
                }
            }
            try plane.waitUntilEmpty()
        }
    }

    /// A Unix listener has one acceptor, which hands connections to the other workers in turn.
    @Test func unixSocketsOnBothSides() async throws {
        try await onThread {
            let folder = try TemporaryFolder()
            let backend = try TestBackend(at: .unix(path: folder.file("b"))) { connection in
                while case .success(let bytes) = connection.receive() { try connection.send(bytes) }
            }
            defer { backend.stop() }
            let plane = try TestPlane(workers: 2)
            try plane.route([backend.endpoint])
            let endpoint = try plane.listen(.unix(path: folder.file("l")))
            let clients = try (0..<20).map { _ in try BlockingSocket.connect(to: endpoint) }
            for (index, client) in clients.enumerated() {
                try client.send(pattern(5000, seed: index))
                #expect(client.receive(exactly: 5000) == pattern(5000, seed: index))
            }
            for worker in 0..<2 { #expect(plane.plane.connectionsAccepted(by: worker) == 10) }
            for client in clients { client.close() }
            try plane.waitUntilEmpty()
        }
    }
}

extension DataPlane {
    /// Of listener 0.
    func connectionsAccepted(by worker: Int) -> UInt64 {
        statistics.listener(worker: worker, listener: 0).line.pointee.accepted.load(ordering: .relaxed)
    }
}
