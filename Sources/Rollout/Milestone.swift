// What a rollout tells while it goes on, in the order in which it happens.
import Model

package enum Milestone: Equatable, Sendable {
    case draining
    case drained(after: Duration)
    case restarting(command: [String])
    case restarted(after: Duration)
    case probing
    case up(after: Duration)
    /// In rotation again; the time is the whole step's.
    case back(step: Duration)
    /// A stop was asked for; this step is finished first.
    case stopping
    /// Put back without having been restarted.
    case undoing(Verdict.Cause)
    case undone
    case holding(Verdict.Cause)
    /// Somebody else, or the end of the lease, has ended our drain.
    case drainLost(reason: String)

    /// What an operator reads after `web/web-1 [1/3] `.
    package var text: String {
        switch self {
        case .draining: "draining"
        case .drained(let after): "drained after \(after.spoken)"
        case .restarting(let command): "restarting: " + command.map(\.shellQuoted).joined(separator: " ")
        case .restarted(let after): "restarted in \(after.spoken)"
        case .probing: "waiting until its probes say up"
        case .up(let after): "up again after \(after.spoken)"
        case .back(let step): "back in rotation, step took \(step.spoken)"
        case .stopping: "stopping after this step; once more to leave it drained as it is"
        case .undoing(let cause): "putting it back: \(cause.short)"
        case .undone: "back in rotation, not restarted"
        case .drainLost(let reason): "stopping, as it is no longer drained by this rollout: \(reason)"
        case .holding(let cause): "stays drained: \(cause.short)"
        }
    }
}

/// How long the parts of one step took; zero for what did not happen.
package struct StepTimes: Equatable, Sendable {
    package var drain = Duration.zero
    package var restart = Duration.zero
    package var ready = Duration.zero

    package init() {}
}
