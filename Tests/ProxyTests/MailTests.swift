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

private func greeting(_ client: BlockingSocket) -> String { String(decoding: client.receive(exactly: 1), as: UTF8.self) }

private func connect(_ count: Int, to endpoint: Endpoint) throws -> [BlockingSocket] {
    try (0..<count).map { _ in try BlockingSocket.connect(to: endpoint) }
}

/// A worker in the midst of what one wait has brought: it has heard that early clients are there, and has begun none of them.
private struct Caught {
    let plane: TestPlane
    let endpoint: Endpoint
    /// Until this ends.
    let busy: Busy
    let early: [BlockingSocket]
    /// The early ones, and those that were served before.
    let clients: [BlockingSocket]

    init(serving backend: TestBackend, early count: Int) throws {
        plane = try TestPlane(workers: 1)
        try plane.route([backend.endpoint])
        endpoint = try plane.listen()

        // Four at once teach it to accept several at a time.
        let first = plane.plane.send(Busy(.betweenWaits))
        first.awaitBegin()
        let served = try connect(4, to: endpoint)
        first.end()
        #expect(served.map(greeting) == ["1", "1", "1", "1"])

        // It reads the second errand, and has heard of the early clients by then.
        let second = plane.plane.send(Busy(.betweenWaits))
        second.awaitBegin()
        busy = plane.plane.send(Busy(.amongEvents))
        early = try connect(count, to: endpoint)
        clients = served + early
        second.end()
        busy.awaitBegin()
    }
}

struct MailTests {
    /// Whoever connects after a routing was posted is served by it, though the worker has not read it yet, and has
    /// already heard that somebody is there. `asked`: before the routing a question lies in the mail, as `explain` asks
    /// all workers, which let those begin who had been accepted.
    @Test(arguments: [false, true])
    func whoComesAfterAnOrderMeetsIt(asked: Bool) async throws {
        try await onThread {
            let before = try TestBackend { try $0.send("1") }
            let after = try TestBackend { try $0.send("2") }
            defer { before.stop(); after.stop() }
            let caught = try Caught(serving: before, early: 1)
            let plane = caught.plane
            let question = asked ? plane.plane.survey() : nil
            let generation = plane.publish([after.endpoint], slot: 1)
            let late = try connect(2, to: caught.endpoint)
            caught.busy.end()
            #expect(late.map(greeting) == ["2", "2"])
            try plane.waitUntilFollowed(generation)
            while let question, !question.progress.isDone { try plane.hear() }
            for client in caught.clients + late { client.close() }
            try plane.waitUntilEmpty()
        }
    }

    /// A listener and its pool go in one reload: whoever was accepted meanwhile is served, as those are whom the close finds.
    @Test func whoWasAcceptedBeforeItsListenerAndPoolGoIsServed() async throws {
        try await onThread {
            let before = try TestBackend { try $0.send("1") }
            defer { before.stop() }
            let caught = try Caught(serving: before, early: 2)
            let plane = caught.plane
            _ = plane.plane.close(listener: 0)
            let generation = plane.publish([], slot: 1)
            caught.busy.end()
            #expect(caught.early.map(greeting) == ["1", "1"])
            try plane.waitUntilFollowed(generation)
            for client in caught.clients { client.close() }
            try plane.waitUntilEmpty()
        }
    }
}
