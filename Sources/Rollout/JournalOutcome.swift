// How the end of each order is written in the journal, and read back.
import Model

struct Outcome {
    var result: String
    var reason: String?
    var output: String?
    var text: String?
}

protocol JournalledEnd {
    var outcome: Outcome { get }
    init?(_ outcome: Outcome)
}

extension RolloutMachine.VersionEnd: JournalledEnd {
    var outcome: Outcome {
        switch self {
        case .version(let text): Outcome(result: "version", text: text)
        case .failed(let reason): Outcome(result: "failed", reason: reason)
        }
    }

    init?(_ outcome: Outcome) {
        switch outcome.result {
        case "version": self = .version(outcome.text ?? "")
        case "failed": self = .failed(reason: outcome.reason ?? "")
        default: return nil
        }
    }
}

extension RolloutMachine.DrainEnd: JournalledEnd {
    var outcome: Outcome {
        switch self {
        case .drained: Outcome(result: "drained")
        case .deadlinePassed: Outcome(result: "deadlinePassed")
        case .refused(let reason): Outcome(result: "refused", reason: reason)
        case .failed(let reason): Outcome(result: "failed", reason: reason)
        }
    }

    init?(_ outcome: Outcome) {
        switch outcome.result {
        case "drained": self = .drained
        case "deadlinePassed": self = .deadlinePassed
        case "refused": self = .refused(reason: outcome.reason ?? "")
        case "failed": self = .failed(reason: outcome.reason ?? "")
        default: return nil
        }
    }
}

extension RolloutMachine.ConfirmEnd: JournalledEnd {
    var outcome: Outcome {
        switch self {
        case .drained: Outcome(result: "drained")
        case .lost(let reason): Outcome(result: "lost", reason: reason)
        case .failed(let reason): Outcome(result: "failed", reason: reason)
        }
    }

    init?(_ outcome: Outcome) {
        switch outcome.result {
        case "drained": self = .drained
        case "lost": self = .lost(reason: outcome.reason ?? "")
        case "failed": self = .failed(reason: outcome.reason ?? "")
        default: return nil
        }
    }
}

extension RolloutMachine.RestartEnd: JournalledEnd {
    var outcome: Outcome {
        switch self {
        case .restarted: Outcome(result: "restarted")
        case .failed(let reason, let output): Outcome(result: "failed", reason: reason, output: output)
        case .notBegun(let reason): Outcome(result: "notBegun", reason: reason)
        case .unknown(let reason, let output): Outcome(result: "unknown", reason: reason, output: output)
        }
    }

    init?(_ outcome: Outcome) {
        switch outcome.result {
        case "restarted": self = .restarted
        case "failed": self = .failed(reason: outcome.reason ?? "", output: outcome.output ?? "")
        case "notBegun": self = .notBegun(reason: outcome.reason ?? "")
        case "unknown": self = .unknown(reason: outcome.reason ?? "", output: outcome.output ?? "")
        default: return nil
        }
    }
}

extension RolloutMachine.FoundEnd: JournalledEnd {
    var outcome: Outcome {
        switch self {
        case .neverStarted: Outcome(result: "neverStarted")
        case .ended(let end): end.outcome
        }
    }

    init?(_ outcome: Outcome) {
        switch outcome.result {
        case "neverStarted": self = .neverStarted
        default:
            guard let end = RolloutMachine.RestartEnd(outcome) else { return nil }
            self = .ended(end)
        }
    }
}

extension RolloutMachine.ProbeEnd: JournalledEnd {
    var outcome: Outcome {
        switch self {
        case .up: Outcome(result: "up")
        case .failed(let reason): Outcome(result: "failed", reason: reason)
        }
    }

    init?(_ outcome: Outcome) {
        switch outcome.result {
        case "up": self = .up
        case "failed": self = .failed(reason: outcome.reason ?? "")
        default: return nil
        }
    }
}

extension RolloutMachine.OrderEnd: JournalledEnd {
    var outcome: Outcome {
        switch self {
        case .done: Outcome(result: "done")
        case .lost(let reason): Outcome(result: "lost", reason: reason)
        case .failed(let reason): Outcome(result: "failed", reason: reason)
        }
    }

    init?(_ outcome: Outcome) {
        switch outcome.result {
        case "done": self = .done
        case "lost": self = .lost(reason: outcome.reason ?? "")
        case "failed": self = .failed(reason: outcome.reason ?? "")
        default: return nil
        }
    }
}

extension RolloutMachine.JudgeEnd: JournalledEnd {
    var outcome: Outcome {
        switch self {
        case .good(let text): Outcome(result: "good", text: text)
        case .bad(let reason): Outcome(result: "bad", reason: reason)
        }
    }

    init?(_ outcome: Outcome) {
        switch outcome.result {
        case "good": self = .good(text: outcome.text ?? "")
        case "bad": self = .bad(reason: outcome.reason ?? "")
        default: return nil
        }
    }
}
