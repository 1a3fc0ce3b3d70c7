// What a rollout tells its balancers, over the line and back. Faults: a plan too long for a line, a step or a time that is
// taken for another.
import ControlProtocol
import Model
import Testing

private let began = Timestamp(rfc3339: "2026-11-21T08:33:04.120Z")!

private func notice(nodes count: Int = 2) -> RolloutNotice {
    let pool = String(repeating: "p", count: 64)
    return RolloutNotice(
        id: "web 1", owner: "rollout-1", state: .paused, began: began,
        nodes: (0..<count).map { number in
            let name = String(repeating: "b", count: 60) + "\(number)"
            return RolloutNotice.Node(
                BackendReference(pool: PoolName(unchecked: pool), backend: BackendName(unchecked: name)), RolloutNotice.Step.allCases[number % RolloutNotice.Step.allCases.count],
                since: number == 0 ? nil : began, began: number.isMultiple(of: 2) && number > 0 ? began : nil)
        }, steps: 500, stepsDone: 7, end: began, endAtMost: nil, lease: .seconds(30))
}

struct RolloutNoticeTests {
    @Test(arguments: [1, 2, RolloutNotice.nodesMax]) func aLineReadsBack(nodes: Int) throws {
        let request = Request(.rolloutReport(notice(nodes: nodes)))
        #expect(request.line.utf8.count <= RequestLine.bytesMax)
        #expect(try Request(line: Array(request.line.utf8)) == request)
    }

    @Test("of a plan some, of which all are done: what lbctl tells of a long one, and of any at its end")
    func honestNumbers() throws {
        let line = "rollout report web/a=done web/b=rolledBack id=a owner=b state=done began=2026-11-21T08:33:04.120Z lease=1s"
        for (more, steps, done) in [("", 2, 1), (" steps=2 done=2", 2, 2), (" steps=300 done=300", 300, 300), (" steps=300 done=0", 300, 0)] {
            guard case .rolloutReport(let notice) = try Request(line: Array((line + more).utf8)).command else {
                Issue.record("another command")
                return
            }
            #expect(notice.steps == steps && notice.stepsDone == done)
        }
    }

    @Test(arguments: [
        ("rollout report id=a owner=b state=running began=2026-11-21T08:33:04.120Z lease=1s", "is about 1 to"),
        ("rollout report web/a=done x/b=done id=a owner=b state=running began=2026-11-21T08:33:04.120Z lease=1s", "of one pool"),
        ("rollout report web/a=flying id=a owner=b state=running began=2026-11-21T08:33:04.120Z lease=1s", "no step"),
        ("rollout report web/a=done@now id=a owner=b state=running began=2026-11-21T08:33:04.120Z lease=1s", "no good time"),
        ("rollout report web/a=done@2026-11-21T08:33:04.120Z,then id=a owner=b state=running began=2026-11-21T08:33:04.120Z lease=1s", "no good time"),
        ("rollout report web/a=done id=a owner=b state=running lease=1s", "needs id, owner, state, began and lease"),
        ("rollout report web/a=done id=a owner=b state=running began=yesterday lease=1s", "write a time"),
        ("rollout report web/a=waiting web/a=done id=a owner=b state=running began=2026-11-21T08:33:04.120Z lease=1s", "'web/a' stands twice"),
        ("rollout report web/a=done web/b=done id=a owner=b state=running began=2026-11-21T08:33:04.120Z lease=1s steps=1", "steps=1 is less than the 2 backends"),
        ("rollout report web/a=done id=a owner=b state=running began=2026-11-21T08:33:04.120Z lease=1s steps=3 done=4", "done=4 is more than the 3 steps"),
        ("rollout report web/a=done id=a owner=b state=running began=2026-11-21T08:33:04.120Z lease=1s done=2", "done=2 is more than the 1 step "),
        ("rollout", "write rollout report"),
    ])
    func badLines(line: String, words: String) {
        let failure = #expect(throws: LineError.self) { _ = try Request(line: Array(line.utf8)) }
        #expect(failure?.description.contains(words) == true, "\(failure?.description ?? "")")
    }
}
