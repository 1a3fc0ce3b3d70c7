// Running out of connections. Faults: somebody who was accepted is cut to make room; a pause that traps, never ends or
// says so a thousand times; listeners that are closed while they are paused.
import Model
import TestSupport
import Testing

@testable import Proxy

struct AcceptPauseTests {
    @Test func whoComesTooManyWaitsAndIsServed() async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1, descriptorLimit: 40)
            let most = plane.plane.connectionsMax
            try plane.route([backend.endpoint])
            let endpoint = try plane.listen()
            var served = try (0..<most).map { _ in try BlockingSocket.connect(to: endpoint) }
            for client in served { try greet(client) }
            let waiting = try (0..<5).map { _ in try BlockingSocket.connect(to: endpoint) }
            try plane.wait(for: \.isPause)
            #expect(plane.plane.statistics.process.held == most)
            for client in waiting {
                try client.send("x")
                served.removeFirst().close()
                // Served as soon as one has gone; those before are still there.
                #expect(client.receive(exactly: 1).count == 1)
            }
            for client in served { try greet(client) }
            for client in served + waiting { client.close() }
            try plane.wait(for: \.isResume)
            try plane.waitUntilEmpty()
            // However often it ran out meanwhile: a line a second, on a machine that is slow.
            #expect(try plane.news(\.isPause) < 20)
        }
    }

    /// The last accepts of a listener that is being closed may run out, and pause the others: one of them was already
    /// freed then.
    @Test func listenersAreClosedWhileAllConnectionsAreInUse() async throws {
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1, descriptorLimit: 40)
            try plane.route([backend.endpoint])
            let endpoints = [try plane.listen(), try plane.listen(listener: 1)]
            let served = try (0..<plane.plane.connectionsMax).map { _ in try BlockingSocket.connect(to: endpoints[0]) }
            for client in served { try greet(client) }
            let waiting = try endpoints.flatMap { endpoint in try (0..<3).map { _ in try BlockingSocket.connect(to: endpoint) } }
            try plane.waitUntilFollowed(plane.plane.closeListeners())
            for client in served { try greet(client) }
            // Nobody will take them any more, and they learn so.
            for client in waiting { #expect(client.receiveAll().bytes == []) }
            for client in served { client.close() }
            try plane.waitUntilEmpty()
        }
    }

    private func greet(_ client: BlockingSocket) throws {
        try client.send("x")
        #expect(client.receive(exactly: 1).count == 1)
    }
}
