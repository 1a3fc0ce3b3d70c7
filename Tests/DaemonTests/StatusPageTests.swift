// The status page of a whole lbd. Faults: a page that grows with the configuration, a pool that is nowhere on it, a
// rollout that is shown for ever, and a control plane that stands still while it is made.
import ControlProtocol
import EventLoop
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

extension DaemonUnderTest {
    fileprivate func page(_ query: String? = nil) async throws -> String {
        let response = await daemon.admin.pages.answer(HTTPServer.Request(method: .get, path: "/", query: query))
        #expect(response.status == .ok)
        return String(decoding: response.body.bytes, as: UTF8.self)
    }

    fileprivate func tell(_ id: String, _ state: RolloutReport.State, lease: Duration = .seconds(60)) throws {
        let node = RolloutNotice.Node(try BackendReference("a/1"), .draining, since: nil)
        daemon.handler.status.rollouts.note(RolloutNotice(
            id: id, owner: "me", state: state, began: Clocks.calendar(), nodes: [node], steps: 1, stepsDone: 0, end: nil, endAtMost: nil,
            lease: lease), of: try pool())
    }

    /// The id of the rollout that is.
    fileprivate func shown() throws -> String? { try standing()?.id }
    fileprivate func standing() throws -> RolloutStanding? { daemon.handler.status.rollouts.standing(of: try pool()) }
}

struct StatusPageTests {
    @Test("50 pools of 20 backends, full of history: below 100 kB, every pool is on it, and each has its own page")
    func size() async throws {
        try await DaemonUnderTest.with({ folder in
            var whole = try configuration(in: folder, workers: 1, ["a": []])
            let backends = (1...20).map { Endpoint.ipv4(0x7F00_0001, port: UInt16(40_000 + $0)) }
            whole.pools = try (0..<50).map { try pool($0 == 0 ? "a" : "pool-with-a-long-name-\($0)", backends) }
            return whole
        }) { lbd in
            try await onLoop {
                let page = try await lbd.page()
                #expect(page.utf8.count < 100_000 && page.utf8.count > 10_000, "\(page.utf8.count) bytes")
                for number in 1..<50 { #expect(page.contains("<a href=\"/?pool=pool-with-a-long-name-\(number)\">")) }
                let own = try await lbd.page("pool=pool-with-a-long-name-49")
                #expect(own.contains("127.0.0.1:40020") && own.utf8.count < 60_000, "\(own.utf8.count) bytes")
                let beyond = try await lbd.page("pool=pool-with-a-long-name-49&from=900000")
                #expect(beyond.contains("127.0.0.1:40020") && !beyond.contains("to 20 of 20"))
                let missing = await lbd.daemon.admin.pages.answer(HTTPServer.Request(method: .get, path: "/", query: "pool=%3Cb%3E"))
                #expect(missing.status == .notFound && !String(decoding: missing.body.bytes, as: UTF8.self).contains("%3C"))
                #expect(String(decoding: missing.body.bytes, as: UTF8.self).contains("There is no such pool"))
            }
        }
    }

    @Test("the page of 120 backends that are drained with the longest texts is below 100 kB, and leads on where it ends")
    func longTexts() async throws {
        try await DaemonUnderTest.with({ folder in
            try configuration(in: folder, workers: 1, ["a": (1...120).map { .ipv4(0x7F00_0001, port: UInt16(40_000 + $0)) }])
        }) { lbd in
            try await onLoop {
                let long = String(repeating: "&", count: 200)
                let drain = DrainLease(owner: long, reason: long, since: Clocks.calendar(), lease: nil)
                for number in 1...120 { lbd.daemon.table.set(.drain, of: try lbd.backend("a/\(number)"), drain: drain, by: long, reason: long) }
                lbd.daemon.table.publishNow()
                let page = try await lbd.page("pool=a")
                #expect(page.utf8.count < 100_000, "\(page.utf8.count) bytes")
                let end = try #require(page.firstMatch(of: /1 to (\d+) of 120 backends/)?.1)
                #expect(page.contains("from=\(end)\">those after"))
                let next = try await lbd.page("pool=a&from=\(end)")
                #expect(next.contains("\((Int(end) ?? 0) + 1) to ") && next.utf8.count < 100_000, "\(next.utf8.count) bytes")
            }
        }
    }

    @Test("what is in trouble comes first: a drained backend's pool before those that are well")
    func troubleFirst() async throws {
        try await DaemonUnderTest.with({ folder in
            var whole = try configuration(in: folder, workers: 1, ["a": []])
            let backends = (1...3).map { Endpoint.ipv4(0x7F00_0001, port: UInt16(40_000 + $0)) }
            whole.pools = try ["a", "b", "c"].map { try pool($0, backends) }
            return whole
        }) { lbd in
            try await onLoop {
                let backend = try lbd.backend("c/2")
                let drain = DrainLease(owner: "amy", reason: "<repair>", since: Clocks.calendar(), lease: nil)
                lbd.daemon.table.set(.drain, of: backend, drain: drain, by: "amy", reason: nil)
                lbd.daemon.table.publishNow()
                let page = try await lbd.page()
                let places = ["id=\"pool-c\"", "id=\"pool-a\"", "id=\"pool-b\""].map { page.firstRange(of: $0)?.lowerBound }
                let known = places.compactMap { $0 }
                #expect(known.count == 3 && known == known.sorted())
                #expect(page.contains("&lt;repair&gt;"))
            }
        }
    }

    @Test("a rollout is shown with its end or its silence, no late end of another takes its place, and each of that is one event")
    func rollout() async throws {
        try await DaemonUnderTest.with({ try configuration(in: $0, workers: 1, ["a": [.ipv4(0x7F00_0001, port: 40_001)]]) }) { lbd in
            try await onLoop {
                #expect(try lbd.shown() == nil)
                try lbd.tell("one", .running, lease: .seconds(2))
                #expect(try lbd.shown() == "one")
                // Fault: it was shown as running, and then not at all, while it lay dead.
                try await lbd.waitUntil("its lease has ended") { try lbd.standing()?.state == .abandoned }
                #expect(try lbd.standing()?.resume == "lbctl rollout resume one")
                #expect(try await lbd.page("pool=a").contains("lbctl rollout resume one"))
                try lbd.tell("one", .running)
                #expect(try lbd.standing()?.state == .running, "it was only slow")
                try lbd.tell("two", .running)
                #expect(try lbd.standing()?.resume == nil)
                try lbd.tell("one", .stopped)
                #expect(try lbd.shown() == "two")
                #expect(try await lbd.page().contains("Rollout two"))
                try lbd.tell("two", .done)
                try lbd.tell("three", .running)
                try lbd.tell("three", .running)
                #expect(try lbd.shown() == "three")
                let turns = lbd.daemon.events.kept.compactMap { event in
                    if case .rollout(_, let turn) = event.change { "\(turn.id) \(turn.from?.rawValue ?? "-") \(turn.to.rawValue)" } else { nil as String? }
                }
                #expect(turns == [
                    "one - running", "one running abandoned", "one abandoned running", "two - running", "two running done", "three - running",
                ])
            }
        }
    }
}
