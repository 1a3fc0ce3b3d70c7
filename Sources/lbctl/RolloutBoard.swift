// How a rollout's progress is shown: the step in hand rewritten in place on a terminal, a line a change elsewhere.
import ControlProtocol
import EventLoop
import Model
import Orchestrator
import Rollout

@ControlPlane final class RolloutBoard {
    private let console: Console
    private var last: String?
    /// What is shown until the next, on a terminal.
    private var passing: String?
    private var timeLeft: Prediction.Span?
    /// Elsewhere it is told once a step.
    private var isTimeDue = true

    init(_ console: Console) { self.console = console }

    func take(_ progress: Progress) {
        if case .timeLeft(let span) = progress.news { return take(span, progress.text) }
        if case .milestone(.back) = progress.news { isTimeDue = true }
        let text = progress.text
        guard text != last else { return }
        last = text
        switch RolloutBoard.kind(of: progress.news) {
        case .passing where console.rewrites: pass(text)
        case .announced: if console.rewrites { pass(text) }
        case .passing, .lasting:
            passing = nil
            console.message(text)
        }
    }

    private func take(_ span: Prediction.Span, _ text: String) {
        timeLeft = span
        guard console.rewrites else {
            if isTimeDue { console.message(text) }
            isTimeDue = false
            return
        }
        if let passing { pass(passing) }
    }

    private func pass(_ text: String) {
        passing = text
        console.progress(text + (timeLeft.map { "; time left: \($0.text)" } ?? ""))
    }

    private enum Kind {
        /// Shown until the next; elsewhere a line of its own.
        case passing
        /// The same, but the line that follows at once says it better.
        case announced
        /// Stays on the screen.
        case lasting
    }

    private static func kind(of news: Progress.News) -> Kind {
        switch news {
        case .milestone(.draining): .announced
        case .connections, .milestone(.restarting), .milestone(.rollingBack), .milestone(.probing), .milestone(.drained), .milestone(.restarted),
            .milestone(.rolledBack), .milestone(.up), .milestone(.provingStandby), .milestone(.switching): .passing
        case .milestone(.back), .milestone(.stopping), .milestone(.undoing), .milestone(.undone), .milestone(.holding), .milestone(.drainLost),
            .milestone(.changed), .milestone(.waitingForCapacity), .milestone(.postponing), .milestone(.failed),
            .milestone(.notRolledBack), .milestone(.paused), .milestone(.continued), .milestone(.resuming), .milestone(.watching), .milestone(.watchingPool),
            .milestone(.judged), .milestone(.switched), .note, .timeLeft:
            .lasting
        }
    }
}

extension Verdict {
    /// Time per step, as a table.
    var summary: [String] {
        let rows = nodes.map { node in
            [node.backend.description, node.fate.phrase] + [node.times.drain, node.times.restart, node.times.ready].map { $0?.spoken ?? "-" }
        }
        return StatusTable.table([["BACKEND", "STATE", "DRAIN", "RESTART", "READY"]] + rows)
            + ["\(restarted) of \(nodes.count) backends of pool \(pool) restarted"]
    }
}

extension Verdict.Fate {
    /// For the table; the explanation below it says more.
    fileprivate var phrase: String {
        switch self {
        case .untouched: "untouched"
        case .restarted: "restarted"
        case .rolledBack: "rolled back"
        case .undone: "put back"
        case .outAgain: "out again"
        case .drainLost: "not ours now"
        case .held: "stays drained"
        case .leased: "drained for now"
        case .unclear: "unclear"
        }
    }
}
