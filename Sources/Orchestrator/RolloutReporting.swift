// From a rollout's history to the report of how it stands now.
import ControlProtocol
import Model
import Rollout

extension RolloutReport {
    /// `process`: that carries it out. `elapsed`: since the beginning, where that is known better than from the last record.
    /// `at`: now.
    package init(_ history: RolloutHistory, in folder: RolloutFolder, process: Int32?, elapsed: Duration? = nil, at: Timestamp) {
        self.init(
            id: folder.id, pool: history.begin.pool, state: RolloutReport.state(history, process), startedAt: history.beganAt.rfc3339,
            folder: folder.path)
        let now = elapsed ?? history.elapsed
        self.process = process
        self.elapsed = now.inSeconds
        steps = history.nodes.count
        stepsDone = history.nodes.count { $0.isDone }
        step = history.nodes.firstIndex { if case .inHand = $0.fate { true } else { false } }.map { $0 + 1 }
        nodes = history.nodes.map { Node($0, now) }
        reason = history.end?.reason
        lastRecord = history.lastSequence
        lastRecordAt = history.lastAt.rfc3339
        let last = history.entries.last
        lastText = (last?.backend.map { "\($0): " } ?? "") + (last?.text ?? "")
        guard history.end == nil else { return }
        waitingFor = history.waits(now, folder.words)
        guard state == .abandoned else {
            deadline = history.inHand.compactMap { $0.openSpan?.deadline }.min().map { ($0 - now).inSeconds }
            return
        }
        // How long anything has lasted by now nobody knows.
        for index in nodes.indices { nodes[index].seconds = nil }
        silent = Double(max(0, at.milliseconds - history.lastAt.milliseconds)) / 1000
        next = ["to go on: lbctl rollout resume \(folder.words)"]
    }

    static func state(_ history: RolloutHistory, _ process: Int32?) -> State {
        if let end = history.end { return end.done ? .done : .stopped }
        guard process != nil else { return .abandoned }
        return history.isStopping ? .stopping : history.isPaused ? .paused : .running
    }
}

extension RolloutReport.Node {
    fileprivate init(_ node: RolloutHistory.Node, _ now: Duration) {
        self.init(backend: node.backend, address: node.address, state: node.fate.word, detail: node.fate.detail)
        if let span = node.openSpan { seconds = (now - span.from).inSeconds }
    }
}

extension RolloutHistory.Node {
    /// Its step has come to its end, and it serves.
    package var isDone: Bool {
        switch fate {
        case .restarted: true
        case .ended(let state, _): state == "restarted"
        case .untouched, .inHand, .rolledBack, .undone, .held, .drainLost: false
        }
    }
}

extension RolloutHistory.Fate {
    /// As JSON and tables carry it.
    package var word: String {
        switch self {
        case .untouched: "untouched"
        case .inHand(let phase): phase.word
        case .restarted: "restarted"
        case .rolledBack: "rolledBack"
        case .undone: "undone"
        case .held: "drained"
        case .drainLost: "drainLost"
        case .ended(let state, _): state
        }
    }

    package var detail: String? {
        switch self {
        case .held(let text), .drainLost(let text): text
        case .ended(_, let detail): detail
        case .untouched, .inHand, .restarted, .rolledBack, .undone: nil
        }
    }
}

extension RolloutHistory.Span.Phase {
    package var word: String {
        switch self {
        case .drain: "draining"
        case .restart: "restarting"
        case .ready: "probing"
        case .warm: "warming"
        case .watch: "watched"
        case .rollback: "rollingBack"
        case .held: "drained"
        }
    }
}

extension RolloutHistory {
    /// What is waited for, one line each.
    /// `words`: that name the rollout.
    fileprivate func waits(_ now: Duration, _ words: String) -> [String] {
        var lines = inHand.compactMap { node in node.openSpan.map { "\(node.backend): \(wait(node, $0, now, words))" } }
        if waitsForCapacity { lines.append(capacity ?? "the others to carry the load") }
        if lines.isEmpty, isPaused { lines.append("paused: lbctl rollout continue \(words)") }
        return lines
    }

    private func wait(_ node: Node, _ span: Span, _ now: Duration, _ words: String) -> String {
        let time = " since \((now - span.from).spoken)"
        switch span.phase {
        case .drain: return (node.counts.last.map { counted($0.connections, "connection") } ?? "its connections") + ", draining\(time)"
        case .restart: return manual(node.backend).map { "a person: \($0); then: lbctl rollout done \(words)" } ?? "its restart\(time)"
        case .ready: return "its probes to say up\(time)"
        case .warm: return "its share of connections to grow\(time)"
        case .watch: return "its connections, compared with the others'\(time)"
        case .rollback: return "the command that brings back the release before\(time)"
        case .held: return "nothing more: it stays drained"
        }
    }

    private func manual(_ backend: String) -> String? { begin.steps.first { $0.backend == backend }?.restart.manual }
}
