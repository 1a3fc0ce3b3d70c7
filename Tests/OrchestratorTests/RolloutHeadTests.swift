// Which rollouts are meant where none is named: by their balancers and their pool.
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Orchestrator
@testable import Rollout
@testable import lbctl

@Suite struct RolloutHeadTests {
    let temporary: TemporaryFolder
    let store: RolloutStore
    /// As `SampleJournal` has it.
    private let controls = ["run/lbd.sock"]

    init() throws {
        temporary = try TemporaryFolder()
        store = RolloutStore(path: temporary.path)
    }

    @discardableResult
    private func add(_ id: String, hasEnded: Bool = false) throws -> RolloutFolder {
        var journal = SampleJournal()
        try journal.begin(["web-1"])
        if hasEnded { journal.add(1, .ended(JournalEnd(done: true, reason: nil, nodes: []))) }
        let folder = RolloutFolder(store: store, id: id)
        try journal.write(to: folder)
        return folder
    }

    /// Fault: `resume` took up the rollout of another balancer.
    @Test func oneOfAnotherBalancerIsNotGoneOnWith() throws {
        try add("20261121T180000Z-web-0001")
        let heads = try store.heads()
        let here = ResumeChoice(heads, at: controls), there = ResumeChoice(heads, at: ["/other.sock"])
        #expect(here.candidates.map(\.folder.id) == ["20261121T180000Z-web-0001"])
        #expect(there.candidates.isEmpty)
        #expect(there.nothing.count == 2 && there.nothing[1].contains("lbctl rollout resume 20261121T180000Z-web-0001"), "\(there.nothing)")
        #expect(try store.newest(at: ["/other.sock"]) == nil)
        #expect(try store.newest(at: controls)?.folder.id == "20261121T180000Z-web-0001")
    }

    /// Fault: one that was killed was gone on with after a whole new one, and restarted nodes again.
    @Test func oneThatWasOvertakenIsLeftAlone() throws {
        let old = try add("20261121T180000Z-web-0001")
        let new = try add("20261121T190000Z-web-0002", hasEnded: true)
        let heads = try store.heads()
        let choice = ResumeChoice(heads, at: controls)
        #expect(choice.candidates.isEmpty)
        #expect(choice.nothing.last?.contains("\(new.id) of the same pool began after it") == true, "\(choice.nothing)")
        #expect(ResumeChoice.refusal(of: old, among: heads)?.contains("--force") == true)
        #expect(ResumeChoice.refusal(of: new, among: heads) == nil)
    }

    @Test func theOwnerOfADrainIsFoundByItsJournal() throws {
        let folder = try add("20261121T180000Z-web-0001")
        let heads = try store.heads()
        let rival = try #require(RolloutRival("rollout-web", among: heads))
        #expect(rival.standing == .abandoned(words: folder.words))
        #expect(rival.text(of: PoolName(unchecked: "web")).hasSuffix("lbctl rollout resume \(folder.words)"))
        #expect(RolloutRival("rollout-other", among: heads)?.standing == .elsewhere)
        #expect(RolloutRival("alice", among: heads) == nil)
        try add("20261121T190000Z-web-0002", hasEnded: true)
        let later = try store.heads()
        #expect(RolloutRival("rollout-web", among: later)?.standing == .ended)
    }
}
