// Reports of what happens again and again. Faults: more than one a second; the rest of a burst told minutes later with
// the next one, or never, so that the lines do not add up to the counters; connects that fail and nobody is told.
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

struct ReportPacingTests {
    @Test("one a second, and the clock tells the rest")
    func pacing() {
        var pacing = ReportPacing<String>()
        #expect(pacing.settle(now: 5) == nil)
        #expect(pacing.next("a", now: 5) == 0 && !pacing.owes)
        for _ in 0..<7 { #expect(pacing.next("b", now: 999_999_999) == nil) }
        #expect(pacing.owes && pacing.settle(now: 999_999_999) == nil)
        let tail = pacing.settle(now: 1_000_000_005)
        #expect(tail?.news == "b" && tail?.besides == 6 && !pacing.owes)
        #expect(pacing.next("c", now: 1_500_000_000) == nil)
        #expect(pacing.next("d", now: 2_000_000_005) == 1 && !pacing.owes)
        #expect(pacing.next("e", now: 2_000_000_006) == nil)
        let last = pacing.settle(now: 2_000_000_007, atOnce: true)
        #expect(last?.news == "e" && last?.besides == 0)
    }

    @Test("connects that fail, with how many were tried again, and the clients that were reset for them")
    func failures() throws {
        let failures = ConnectFailures()
        guard case .connectsFailing(3, 1, 111, 1) = failures.countFailed(slot: 3, errorNumber: 111, retried: true, now: 0) else {
            throw PlaneProblem(description: "the first is told at once")
        }
        for number in 1...4 { #expect(failures.countFailed(slot: 3, errorNumber: 110, retried: number > 1, now: 1) == nil) }
        guard case .poolUnreachable(0, 1) = failures.countReset(pool: 0, now: 0) else {
            throw PlaneProblem(description: "the first is told at once")
        }
        #expect(failures.countReset(pool: 0, now: 1) == nil && failures.owes)
        #expect(failures.settle(now: 2, atOnce: false).isEmpty)
        let reports = failures.settle(now: 2_000_000_000, atOnce: false)
        guard reports.count == 2, case .connectsFailing(3, 4, 110, 3) = reports[0], case .poolUnreachable(0, 1) = reports[1] else {
            throw PlaneProblem(description: "the rest is told by the clock, not \(reports)")
        }
        #expect(!failures.owes)
    }

    @Test("the lines add up to the counters without a further refusal", arguments: [1, 3])
    func tails(workers: Int) throws {
        let backend = try TestBackend { connection in
            while case .success(let bytes) = connection.receive() { try connection.send(bytes) }
        }
        defer { backend.stop() }
        let plane = try TestPlane(workers: workers)
        try plane.route([backend.endpoint], most: 1)
        let full = try plane.listen()
        var rules = ListenerRules()
        rules.arrivals.sourceConnectionsMax = 1
        let limited = try plane.listen(listener: 1, rules: rules)
        let holder = try BlockingSocket.connect(to: limited)
        try greet(holder)
        for endpoint in [full, limited] {
            for _ in 0..<20 { _ = try BlockingSocket.connect(to: endpoint).receive() }
        }
        var (poolFull, sourceRefused) = (0, 0)
        while (poolFull, sourceRefused) != (20, 20) {
            try plane.wait { report in
                switch report {
                case .poolFull(_, let refused, _): poolFull += refused
                case .sourceRefused(1, _, _, let besides): sourceRefused += 1 + besides
                default: return false
                }
                return true
            }
        }
    }

    @Test("connects to a dead backend are told, and so are the clients that were reset", arguments: [1, 3])
    func unreachable(workers: Int) throws {
        let backend = try TestBackend { _ in }
        let dead = backend.endpoint
        backend.stop()
        let plane = try TestPlane(workers: workers)
        try plane.route([dead], retries: 1)
        let endpoint = try plane.listen()
        for _ in 0..<10 { _ = try BlockingSocket.connect(to: endpoint).receive() }
        var (failed, retried, reset) = (0, 0, 0)
        while (failed, retried, reset) != (20, 10, 10) {
            try plane.wait { report in
                switch report {
                case .connectsFailing(0, let count, _, let again): (failed, retried) = (failed + count, retried + again)
                case .poolUnreachable(0, let count): reset += count
                default: return false
                }
                return true
            }
        }
    }
}
