// lbctl rollout plan: the steps, and what speaks against them now; nothing is done.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model
import Rollout

struct RolloutPlanCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Prints the steps of a rollout and does nothing.",
        discussion: "Tells also what 'run' would be refused for now.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var options: RolloutOptions

    func perform(_ console: Console) async -> ExitStatus {
        do throws(Failure) {
            let prepared = try await PreparedRollout(options, at: try global.onlyBalancer())
            if global.isJSON {
                console.data(JSONText.line(PlanReport(prepared)))
            } else {
                prepared.plan.lines.forEach(console.data)
            }
            return .done
        } catch {
            console.message("lbctl: \(error)")
            return error.code
        }
    }
}

private struct PlanReport: Encodable {
    struct Step: Encodable {
        let backend: String
        let address: String
        let command: [String]
    }

    let pool: String
    let steps: [Step]
    let leftOut: [String]
    /// Why it would be refused now.
    let obstacles: [String]
    let drainDeadline: Double
    let restartTimeout: Double
    let readyTimeout: Double

    init(_ prepared: PreparedRollout) {
        let plan = prepared.plan
        pool = plan.pool.text
        steps = plan.steps.map { Step(backend: $0.backend.description, address: $0.address.description, command: $0.command) }
        leftOut = plan.leftOut.map(\.description)
        obstacles = plan.obstacles.map(\.description)
        drainDeadline = prepared.limits.drain.inSeconds
        restartTimeout = prepared.limits.restart.inSeconds
        readyTimeout = prepared.limits.ready.inSeconds
    }
}
