// Backends that fail their clients. Faults: resets before a byte came that nobody hears of, or one that is told for each;
// connections that hang at a backend which is known to be down, or others that end with them.
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

struct FailingBackendTests {
    /// Early resets reported so far, and how many reports there were.
    private func told(_ plane: TestPlane) throws -> (resets: Int, reports: Int) {
        var resets = 0
        let reports = try plane.news { report in
            guard case .earlyResets(0, let count) = report else { return false }
            resets += count
            return true
        }
        return (resets, reports)
    }

    @Test("resets before the backend's first byte are news, each counted, told once a second", arguments: [1, 2], Splicing.allCases)
    func earlyResets(workers: Int, splice: Splicing) async throws {
        try await onThread {
            let backend = try TestBackend { connection in
                let word = connection.receive(exactly: 1)
                if word == [UInt8(ascii: "a")] { try connection.send("an answer") }
                connection.reset()
            }
            defer { backend.stop() }
            let plane = try TestPlane(workers: workers)
            try plane.route([backend.endpoint], transport: PoolTransport(splice: splice))
            let endpoint = try plane.listen()
            for word in ["x", "a", "x", "x", "a", "x"] {
                let client = try BlockingSocket.connect(to: endpoint)
                try client.send(word)
                #expect(client.receiveAll().end == .reset)
            }
            while try told(plane).resets < 4 { try plane.hear() }
            let (resets, reports) = try told(plane)
            #expect(resets == 4, "with an answer it is no early reset")
            #expect(reports <= 3, "\(reports) reports for a burst")
        }
    }

    @Test("a client's own reset, and an end without a byte, say nothing about the backend")
    func notEarlyResets() async throws {
        try await onThread {
            let backend = try TestBackend { connection in
                if connection.receive(exactly: 1) == [UInt8(ascii: "q")] { return }
                _ = connection.receiveAll()
            }
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1)
            try plane.route([backend.endpoint])
            let endpoint = try plane.listen()
            for word in ["q", "r", "q", "r"] {
                let client = try BlockingSocket.connect(to: endpoint)
                try client.send(word)
                if word == "r" { client.reset() } else { #expect(client.receiveAll().end == .finished) }
                client.close()
            }
            try plane.waitUntilEmpty()
            #expect(try told(plane).reports == 0)
        }
    }

    @Test("all connections of one backend are reset, at every worker, and none of another", arguments: [1, 2])
    func resetConnections(workers: Int) async throws {
        try await onThread {
            let backends = try (0..<2).map { _ in try TestBackend.echo() }
            defer { for backend in backends { backend.stop() } }
            let plane = try TestPlane(workers: workers)
            try plane.route(backends.map(\.endpoint))
            let endpoint = try plane.listen()
            let clients = try (0..<40).map { _ in try BlockingSocket.connect(to: endpoint) }
            for client in clients { try greet(client) }
            let held = plane.plane.statistics.tickets(slot: 0).held
            #expect(held > 5 && held < 40)
            plane.plane.resetConnections(.taken(slot: 0))
            try plane.waitUntilFree(slot: 0)
            var reset = 0
            for client in clients {
                // Those of the other backend still answer.
                do { try client.send("y") } catch { reset += 1; continue }
                if client.receive(exactly: 1) != Array("y".utf8) { reset += 1 }
            }
            #expect(reset == held)
            #expect(plane.plane.statistics.tickets(slot: 1).held == 40 - held)
        }
    }
}
