// What a rollout tells while it goes on, in the order in which it happens.
import Model

package enum Milestone: Equatable, Sendable {
    case draining
    case drained(after: Duration)
    case restarting(RestartWay)
    case restarted(after: Duration)
    case rolledBack(after: Duration)
    case probing
    case up(after: Duration)
    /// By the node's own word.
    case changed(from: String, to: String)
    /// In rotation again; the time is the whole step's.
    case back(step: Duration)
    /// Put back without having been restarted.
    case undoing(Verdict.Cause)
    case undone
    case holding(Verdict.Cause)
    /// Somebody else, or the end of the lease, has ended our drain.
    case drainLost(reason: String)
    /// The others cannot do without it now.
    case waitingForCapacity(String)
    case postponing(String)
    /// Its new release is bad: it goes back.
    case failed(Verdict.Cause)
    case rollingBack(RestartWay)
    case notRolledBack(String)
    /// Of the whole rollout.
    case stopping
    case paused
    case continued
    case resuming
    case watching(for: Duration)
    /// All traffic goes there since a moment.
    case watchingPool(PoolName, for: Duration)
    case judged(String)
    case provingStandby(PoolName)
    case switching(to: PoolName)
    case switched(to: PoolName)

    /// What an operator reads after `web/web-1 [1/3] `.
    package var text: String {
        switch self {
        case .draining: "draining"
        case .drained(let after): "drained after \(after.spoken)"
        case .restarting(let way): "restarting: \(way.text)"
        case .restarted(let after): "restarted in \(after.spoken)"
        case .rolledBack(let after): "rolled back in \(after.spoken)"
        case .probing: "waiting until its probes say up"
        case .up(let after): "up again after \(after.spoken)"
        case .changed(let old, let new): "runs \(new.escapedForOneLine) now, \(old.escapedForOneLine) before"
        case .back(let step): "back in rotation, step took \(step.spoken)"
        case .undoing(let cause): "putting it back: \(cause.short)"
        case .undone: "back in rotation, not restarted"
        case .drainLost(let reason): "stopping, as it is no longer drained by this rollout: \(reason)"
        case .holding(let cause): "stays drained: \(cause.short)"
        case .waitingForCapacity(let text): "waiting, as the others cannot do without it now: \(text)"
        case .postponing(let text): "putting it back until the others can do without it: \(text)"
        case .failed(let cause): "going back to the release before: \(cause.short)"
        case .rollingBack(let way): "rolling back: \(way.text)"
        case .notRolledBack(let reason): "is not rolled back: \(reason)"
        case .stopping: "stopping after what is in hand; once more to leave it drained as it is, a restart under way is ended then"
        case .paused: "paused: what is in hand is finished, nothing is begun until 'continue'"
        case .continued: "goes on"
        case .resuming: "resumed: asking how everything stands"
        case .watching(let time): "watching the restarted ones for \(time.spoken)"
        case .watchingPool(let pool, let time): "watching pool \(pool), which serves now, for \(time.spoken)"
        case .judged(let text): text
        case .provingStandby(let pool): "probing every backend of standby pool \(pool)"
        case .switching(let pool): "switching all traffic to pool \(pool)"
        case .switched(let pool): "all traffic goes to pool \(pool)"
        }
    }
}

/// How long the parts of one step took; nil for what did not happen.
package struct StepTimes: Equatable, Sendable {
    package var drain: Duration?
    package var restart: Duration?
    package var ready: Duration?

    package init() {}
}
