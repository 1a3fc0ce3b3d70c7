// How a rollout stands, from itself or from its journal: what it waits for, how each backend fares, what to type next.
import Model

package struct RolloutReport: Codable, Equatable, Sendable {
    package typealias State = RolloutState

    package struct Node: Codable, Equatable, Sendable {
        package var backend: String
        package var address: String
        /// `untouched`, `draining`, `restarted`, `drained`, …
        package var state: String
        package var detail: String?
        /// Seconds in this phase.
        package var seconds: Double?

        package init(backend: String, address: String, state: String, detail: String? = nil, seconds: Double? = nil) {
            self.backend = backend
            self.address = address
            self.state = state
            self.detail = detail
            self.seconds = seconds
        }
    }

    package var id: String
    package var pool: String
    package var state: State
    /// That carries it out.
    package var process: Int32?
    package var startedAt: String
    /// Seconds since then.
    package var elapsed: Double
    /// The step in hand, from 1; how many are done, and how many there are.
    package var step: Int?
    package var stepsDone: Int
    package var steps: Int
    /// What exactly is waited for: `web/web-2: 3 connections, oldest 4 m 10 s, 10.1.2.3:51512`.
    package var waitingFor: [String]
    /// Seconds to the deadline of what is waited for.
    package var deadline: Double?
    /// Seconds to the end, as predicted: as likely as not, and nine times of ten.
    package var timeLeft: Double?
    package var timeLeftAtMost: Double?
    package var nodes: [Node]
    package var reason: String?
    package var lastRecord: Int
    package var lastRecordAt: String
    package var lastText: String
    /// Seconds since the last record, where no process carries it out any more.
    package var silent: Double?
    /// Where all of it lies.
    package var folder: String
    /// What to type next.
    package var next: [String]

    package init(id: String, pool: String, state: State, startedAt: String, folder: String) {
        self.id = id
        self.pool = pool
        self.state = state
        self.startedAt = startedAt
        self.folder = folder
        (elapsed, stepsDone, steps, lastRecord) = (0, 0, 0, 0)
        (waitingFor, nodes, next) = ([], [], [])
        (lastRecordAt, lastText) = ("", "")
    }
}

extension RolloutReport: Record {
    package var lines: [String] {
        var lines = ["rollout \(id) of pool \(pool): \(headline)"]
        lines += waitingFor.map { state == .abandoned ? "  waited then for: \($0)" : "  waits: \($0)" }
        if let deadline { lines.append("  its deadline: \(deadline <= 0 ? "passed" : "in \(spoken(deadline))")") }
        if let timeLeft {
            lines.append("  time left: \(spoken(timeLeft))" + (timeLeftAtMost.map { " (P50), \(spoken($0)) (P90)" } ?? ""))
        }
        let rows = nodes.map { node in
            [node.backend, node.state, node.seconds.map(spoken) ?? "", node.detail ?? ""]
        }
        lines += StatusTable.table([["BACKEND", "STATE", "FOR", ""]] + rows).map { "  \($0)" }
        return lines + next
    }

    private var headline: String {
        let progress = "\(stepsDone) of \(steps) done, \(spoken(elapsed)) since it began"
        switch state {
        case .running: return "running, \(progress)"
        case .paused: return "paused, \(progress)"
        case .stopping: return "stopping, \(progress)"
        case .done: return "done, \(stepsDone) of \(steps), in \(spoken(elapsed))"
        case .stopped: return "stopped: \(reason ?? "no reason is given"); \(stepsDone) of \(steps) done, after \(spoken(elapsed))"
        case .abandoned:
            let ago = silent.map { "\(spoken($0)) ago, " } ?? ""
            return "not running any more, as no process carries it out; \(stepsDone) of \(steps) done; last heard of \(ago)at \(lastRecordAt), record \(lastRecord): \(lastText)"
        }
    }

    private func spoken(_ seconds: Double) -> String { Duration.milliseconds(Int64(max(0, seconds) * 1000)).spoken }
}

/// What came of an order to a rollout.
package struct RolloutAnswer: Record, Equatable {
    package var text: String
    package init(_ text: String) { self.text = text }
    package var lines: [String] { [text] }
}
