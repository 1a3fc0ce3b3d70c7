// What a rollout tells each of its balancers of how it stands, so that whoever looks at one sees it: the order, the verb
// and the report in the status.
import Model

/// Told again and again; without it for the length of the lease, the balancer takes it for dead.
package struct RolloutNotice: Equatable, Sendable {
    package enum Step: String, CaseIterable, Codable, Equatable, Sendable {
        case waiting, draining, restarting, probing, warming, watching
        case done
        /// The command that brings back the release before runs, or has run.
        case rollingBack, rolledBack
        /// In rotation again, and not restarted.
        case undone
        /// It is out, and stays out.
        case failed

        /// As pages have it.
        package var words: String {
            switch self {
            case .rollingBack: "rolling back"
            case .rolledBack: "rolled back"
            case .undone: "skipped"
            case .waiting, .draining, .restarting, .probing, .warming, .watching, .done, .failed: rawValue
            }
        }
    }

    package struct Node: Equatable, Sendable {
        package let backend: BackendReference
        package let step: Step
        /// When that began; nil: nothing has yet.
        package let since: Timestamp?
        /// When the first of what was done to it began, where that is known.
        package let began: Timestamp?

        package init(_ backend: BackendReference, _ step: Step, since: Timestamp?, began: Timestamp? = nil) {
            (self.backend, self.step, self.since, self.began) = (backend, step, since, began)
        }
    }

    package let id: String
    package let owner: String
    package let state: RolloutReport.State
    package let began: Timestamp
    /// In the order of the plan, all of one pool, at least one. Of a very long plan those about the one in hand.
    package let nodes: [Node]
    package let steps: Int
    package let stepsDone: Int
    /// As predicted, as likely as not and nine times of ten.
    package let end: Timestamp?
    package let endAtMost: Timestamp?
    package let lease: Duration

    package init(
        id: String, owner: String, state: RolloutReport.State, began: Timestamp, nodes: [Node], steps: Int, stepsDone: Int,
        end: Timestamp?, endAtMost: Timestamp?, lease: Duration
    ) {
        (self.id, self.owner, self.state, self.began, self.nodes) = (id, owner, state, began, nodes)
        (self.steps, self.stepsDone, self.end, self.endAtMost, self.lease) = (steps, stepsDone, end, endAtMost, lease)
    }

    /// Nodes of one notice: a request's line has its bound.
    package static let nodesMax = 200

    package var pool: PoolName {
        guard let first = nodes.first else { preconditionFailure("a notice names a backend") }
        return first.backend.pool
    }
}

extension Verb {
    static let rolloutVerbs = [
        Verb(
            name: "rollout report", arguments: "POOL/BACKEND=STEP[@TIME[,BEGAN]]... id=ID owner=NAME state=STATE began=TIME lease=D [steps=N] [done=N] [end=TIME] [end-at-most=TIME]",
            doc: "how a rollout stands, from itself: shown in the status until its lease ends",
            keys: ["id", "owner", "state", "began", "lease", "steps", "done", "end", "end-at-most"], takesShares: true),
    ]
}

extension Arguments {
    mutating func rolloutNotice() throws(LineError) -> RolloutNotice {
        var nodes: [RolloutNotice.Node] = []
        while let word = word() { nodes.append(try RolloutNotice.Node(written: word)) }
        guard let pool = nodes.first?.backend.pool, nodes.count <= RolloutNotice.nodesMax, nodes.allSatisfy({ $0.backend.pool == pool }) else {
            throw LineError(description: "'rollout report' is about 1 to \(RolloutNotice.nodesMax) backends of one pool: \(verb.usage)")
        }
        let state: RolloutReport.State? = try word("state")
        guard let id = try text("id"), let owner = try text("owner"), let state, let began = try timestamp("began"), let lease = try time("lease") else {
            throw LineError(description: "'rollout report' needs id, owner, state, began and lease: \(verb.usage)")
        }
        let (steps, done) = try progress(nodes)
        return RolloutNotice(
            id: id, owner: owner, state: state, began: began, nodes: nodes, steps: steps, stepsDone: done, end: try timestamp("end"),
            endAtMost: try timestamp("end-at-most"), lease: lease)
    }

    /// Steps, and those that are done: what does not add up is refused, for it would be shown.
    private mutating func progress(_ nodes: [RolloutNotice.Node]) throws(LineError) -> (steps: Int, done: Int) {
        var seen: Set<BackendReference> = []
        for node in nodes where !seen.insert(node.backend).inserted { throw LineError(description: "'\(node.backend)' stands twice") }
        let steps = try count("steps", in: 1...1_000_000) ?? nodes.count
        guard steps >= nodes.count else { throw LineError(description: "steps=\(steps) is less than the \(nodes.count) backends that are named") }
        let done = try count("done", in: 0...1_000_000) ?? nodes.count { $0.step == .done }
        guard done <= steps else { throw LineError(description: "done=\(done) is more than the \(counted(steps, "step")) of the rollout") }
        return (steps, done)
    }

    private mutating func timestamp(_ key: String) throws(LineError) -> Timestamp? {
        guard let text = try text(key) else { return nil }
        guard let time = Timestamp(rfc3339: text) else { throw LineError(description: "\(key)=\(text.escapedForOneLine): write a time such as 2026-11-21T08:33:04.120Z") }
        return time
    }
}

extension RolloutNotice.Node {
    /// `POOL/BACKEND=STEP@SINCE,BEGAN`
    fileprivate init(written word: String) throws(LineError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let values = parts.last?.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false) ?? []
        guard parts.count == 2, let step = RolloutNotice.Step(rawValue: String(values[0])) else {
            throw LineError(description: "'\(word.escapedForOneLine)' is no step: write POOL/BACKEND=STEP@TIME, a step being one of "
                + RolloutNotice.Step.allCases.map(\.rawValue).joined(separator: ", "))
        }
        let times = values.count == 2 ? values[1].split(separator: ",", omittingEmptySubsequences: false).map { Timestamp(rfc3339: String($0)) } : []
        guard times.count <= 2, times.allSatisfy({ $0 != nil }) else { throw LineError(description: "'\(word.escapedForOneLine)' has no good time after the '@'") }
        do { self.init(try BackendReference(String(parts[0])), step, since: times.first ?? nil, began: times.count == 2 ? times[1] : nil) } catch { throw LineError(description: error.description) }
    }
}

extension RolloutNotice {
    var words: [String] {
        let parts = nodes.map { "\($0.backend)=\($0.step.rawValue)" + Self.times($0) }
        let times = [("end", end), ("end-at-most", endAtMost)].compactMap { key, time in time.map { "\(key)=\($0.rfc3339)" } }
        return ["rollout", "report"] + parts
            + ["id=\(id)", "owner=\(owner)", "state=\(state.rawValue)", "began=\(began.rfc3339)", "lease=\(lease.written)", "steps=\(steps)", "done=\(stepsDone)"] + times
    }

    private static func times(_ node: Node) -> String {
        guard let since = node.since else { return "" }
        return "@\(since.rfc3339)" + (node.began.map { ",\($0.rfc3339)" } ?? "")
    }
}

/// A pool's rollout in the status, as it told last.
package struct RolloutStanding: Codable, Equatable, Sendable {
    package struct Node: Codable, Equatable, Sendable {
        package var backend: String
        package var step: RolloutNotice.Step
        package var since: String?
        /// When the first of what was done to it began.
        package var began: String?
    }

    package var id: String
    package var owner: String
    package var state: RolloutReport.State
    package var startedAt: String
    package var steps: Int
    package var stepsDone: Int
    package var nodes: [Node]
    /// As predicted; absent: not known, or it has ended.
    package var endsAt: String?
    package var endsAtMost: String?
    /// When it was last heard of; its state is `abandoned` where its lease has ended since.
    package var reportedAt: String
    /// What to type where nobody carries it out any more.
    package var resume: String?

    package init(_ notice: RolloutNotice, at: Timestamp) {
        (id, owner, state, startedAt) = (notice.id, notice.owner, notice.state, notice.began.rfc3339)
        (steps, stepsDone, reportedAt) = (notice.steps, notice.stepsDone, at.rfc3339)
        nodes = notice.nodes.map { Node(backend: $0.backend.backend.text, step: $0.step, since: $0.since?.rfc3339, began: $0.began?.rfc3339) }
        (endsAt, endsAtMost) = (notice.end?.rfc3339, notice.endAtMost?.rfc3339)
    }

    /// It told nothing more for the length of its lease, and not how it ended.
    package var silent: RolloutStanding {
        var silent = self
        (silent.state, silent.endsAt, silent.endsAtMost) = (.abandoned, nil, nil)
        silent.resume = "lbctl rollout resume \(id)"
        return silent
    }
}

/// The answer to `rollout report`.
package struct RolloutNoticeRecord: Record, Equatable {
    package var pool: String
    package var rollout: RolloutStanding

    package init(pool: PoolName, _ rollout: RolloutStanding) { (self.pool, self.rollout) = (pool.text, rollout) }

    package var lines: [String] { ["pool \(pool): rollout \(rollout.id) is \(rollout.state.rawValue), \(rollout.stepsDone) of \(rollout.steps) done"] }
}

/// Of a rollout in an event.
package struct RolloutTurnReport: Codable, Equatable, Sendable {
    package var id: String
    package var steps: Int
    package var stepsDone: Int

    package init(_ turn: RolloutTurn) { (id, steps, stepsDone) = (turn.id, turn.steps, turn.stepsDone) }
}
