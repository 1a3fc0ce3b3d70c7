// Orders and the connections that come after them. Faults: a client that comes after the answer to a drain, and is sent
// to the drained backend by a worker that was too busy to read its mail.
import Dispatch
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

/// Keeps the worker busy until it is let go: between two waits for events, or in the midst of what one wait has brought.
private final class Busy: Errand {
    enum Moment { case betweenWaits, amongEvents }

    let progress = ErrandProgress(workers: 1)
    private let began = DispatchSemaphore(value: 0)
    private let goOn = DispatchSemaphore(value: 0)
    private let moment: Moment

    init(_ moment: Moment) { self.moment = moment }

    func arrived(at worker: WorkerHandle) {
        if case .amongEvents = moment { stay() }
    }

    func perform(from position: Int, on worker: WorkerHandle) -> Int? {
        if case .betweenWaits = moment { stay() }
        return nil
    }

    private func stay() {
        began.signal()
        goOn.wait()
    }

    func awaitBegin() { began.wait() }
    func end() { goOn.signal() }
}

struct MailTests {
    private func greeting(_ client: BlockingSocket) -> String { String(decoding: client.receive(exactly: 1), as: UTF8.self) }

    private func connect(_ count: Int, to endpoint: Endpoint) throws -> [BlockingSocket] {
        try (0..<count).map { _ in try BlockingSocket.connect(to: endpoint) }
    }

    /// Whoever connects after a routing was posted is served by it, though the worker has not read it yet, and has
    /// already heard that somebody is there. `asked`: before the routing a question lies in the mail, as `explain` asks
    /// all workers, which let those begin who had been accepted.
    @Test(arguments: [false, true])
    func whoComesAfterAnOrderMeetsIt(asked: Bool) async throws {
        try await onThread {
            let before = try TestBackend { try $0.send("1") }
            let after = try TestBackend { try $0.send("2") }
            defer { before.stop(); after.stop() }
            let plane = try TestPlane(workers: 1)
            try plane.route([before.endpoint])
            let endpoint = try plane.listen()

            // Four at once teach it to accept several at a time.
            let first = plane.plane.send(Busy(.betweenWaits))
            first.awaitBegin()
            var clients = try connect(4, to: endpoint)
            first.end()
            #expect(clients.map(greeting) == ["1", "1", "1", "1"])

            // It reads the second errand, and has heard of the early client by then.
            let second = plane.plane.send(Busy(.betweenWaits))
            second.awaitBegin()
            let third = plane.plane.send(Busy(.amongEvents))
            clients += try connect(1, to: endpoint)
            second.end()
            third.awaitBegin()
            let question = asked ? plane.plane.survey() : nil
            let generation = plane.publish([after.endpoint], slot: 1)
            let late = try connect(2, to: endpoint)
            third.end()
            #expect(late.map(greeting) == ["2", "2"])
            try plane.waitUntilFollowed(generation)
            while let question, !question.progress.isDone { try plane.hear() }
            for client in clients + late { client.close() }
            try plane.waitUntilEmpty()
        }
    }

    /// A listener and its pool go in one reload: whoever was accepted meanwhile is served, as those are whom the close finds.
    @Test func whoWasAcceptedBeforeItsListenerAndPoolGoIsServed() async throws {
        try await onThread {
            let before = try TestBackend { try $0.send("1") }
            defer { before.stop() }
            let plane = try TestPlane(workers: 1)
            try plane.route([before.endpoint])
            let endpoint = try plane.listen()

            // Four at once teach it to accept several at a time.
            let first = plane.plane.send(Busy(.betweenWaits))
            first.awaitBegin()
            var clients = try connect(4, to: endpoint)
            first.end()
            #expect(clients.map(greeting) == ["1", "1", "1", "1"])

            // It reads the second errand, and has heard of the early client by then.
            let second = plane.plane.send(Busy(.betweenWaits))
            second.awaitBegin()
            let third = plane.plane.send(Busy(.amongEvents))
            clients += try connect(2, to: endpoint)
            second.end()
            third.awaitBegin()
            _ = plane.plane.close(listener: 0)
            let generation = plane.publish([], slot: 1)
            third.end()
            #expect(clients.dropFirst(4).map(greeting) == ["1", "1"])
            try plane.waitUntilFollowed(generation)
            for client in clients { client.close() }
            try plane.waitUntilEmpty()
        }
    }
}
