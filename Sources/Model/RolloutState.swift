// How a rollout stands, in a word: in its own report, in the status of its balancers, and in their events.

package enum RolloutState: String, CaseIterable, Codable, Equatable, Sendable {
    case running, paused, stopping, done, stopped
    /// Not ended, and no process carries it out, or none that tells.
    case abandoned

    package var hasEnded: Bool {
        switch self {
        case .running, .paused, .stopping: false
        case .done, .stopped, .abandoned: true
        }
    }
}

/// A step forward of a rollout, as one of its balancers has heard of it.
package struct RolloutTurn: Equatable, Sendable {
    package let id: String
    package let owner: String
    /// Nil: it was not heard of before.
    package let from: RolloutState?
    package let to: RolloutState
    package let stepsDone: Int
    package let steps: Int

    package init(id: String, owner: String, from: RolloutState?, to: RolloutState, stepsDone: Int, steps: Int) {
        (self.id, self.owner, self.from, self.to, self.stepsDone, self.steps) = (id, owner, from, to, stepsDone, steps)
    }

    /// `rollout web-1 begins, by ann: 3 steps`
    var text: String {
        let name = "rollout \(id)", progress = "\(stepsDone) of \(steps) done"
        return switch to {
        case .running where from == nil && stepsDone == 0: "\(name) begins, by \(owner): \(counted(steps, "step"))"
        case .running where from != .running: "\(name) goes on, by \(owner): \(progress)"
        case .running: "\(name): \(progress)"
        case .paused: "\(name) is paused: \(progress); to go on: lbctl rollout continue"
        case .stopping: "\(name) is stopping: \(progress)"
        case .done: "\(name) is done: \(stepsDone) of \(steps)"
        case .stopped: "\(name) has stopped: \(progress); why: lbctl rollout show \(id)"
        case .abandoned: "\(name) is not heard of any more: \(progress); if no lbctl carries it out: lbctl rollout resume \(id)"
        }
    }
}
