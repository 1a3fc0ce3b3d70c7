// lbctl rollout plan: the steps, and what speaks against them now; nothing is done.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model
import Orchestrator
import Rollout

struct RolloutPlanCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Prints the steps of a rollout and does nothing.",
        discussion: "Asks each backend for its release, where the pool has a command for that. Tells also what 'run' would be refused for now; exit status \(ExitStatus.refused.rawValue) then, as that of 'run' would be.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var options: RolloutOptions
    @OptionGroup var stored: RolloutStoreOptions

    func perform(_ console: Console) async -> ExitStatus {
        do throws(Failure) {
            let store = try stored.store()
            var prepared = try await PreparedRollout(
                options, at: global.balancers, earlier: EarlierTimes(of: options.pool, in: store), store: store)
            try prepared.checkPrograms()
            await prepared.askReleases()
            if global.isJSON {
                console.data(JSONText.line(PlanReport(prepared)))
            } else {
                prepared.lines.forEach(console.data)
            }
            return prepared.obstacles.isEmpty ? .done : .refused
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
        let restart: String
        let rollback: String?
        /// As it says itself, where it was asked.
        let release: String?
    }

    let pool: String
    let steps: [Step]
    let leftOut: [String]
    let notChosen: [String]
    /// Why it would be refused now.
    let obstacles: [String]
    /// The proof and the prediction, for people.
    let forecast: [String]
    let outcome: String?
    /// Seconds, as likely as not and nine times of ten.
    let p50: Double?
    let p90: Double?
    let drainDeadline: Double
    let restartTimeout: Double
    let readyTimeout: Double

    init(_ prepared: PreparedRollout) {
        let plan = prepared.plan
        pool = plan.pool.text
        steps = plan.steps.map {
            Step(
                backend: $0.backend.description, address: $0.address.description, restart: $0.restart.text, rollback: $0.rollback?.text,
                release: prepared.release(of: $0.backend))
        }
        notChosen = plan.notChosen.map(\.description)
        leftOut = plan.leftOut.map(\.description)
        obstacles = prepared.obstacles
        forecast = prepared.forecast?.lines ?? []
        outcome = prepared.forecast?.proof.outcome.rawValue
        p50 = prepared.forecast?.prediction.whole.median.inSeconds
        p90 = prepared.forecast?.prediction.whole.ninetieth.inSeconds
        drainDeadline = prepared.limits.drain.inSeconds
        restartTimeout = prepared.limits.restart.inSeconds
        readyTimeout = prepared.limits.ready.inSeconds
    }
}

extension PreparedRollout {
    /// For people.
    var lines: [String] {
        let count = plan.steps.count
        var lines = ["rollout of pool \(plan.pool): \(count) \(count == 1 ? "step" : "steps"), \(manner)"]
        for (index, step) in plan.steps.enumerated() {
            lines.append("  [\(index + 1)/\(count)] \(step.backend) (\(step.address)): drain, wait until empty, restart, wait until up, undrain")
            lines.append("        restart: \(step.restart.text)")
            if let release = release(of: step.backend) { lines.append("        release: \(release)") }
            if let rollback = step.rollback { lines.append("        rollback: \(rollback.text)") }
        }
        lines += plan.notChosen.map { "  not chosen: \($0) is left as it is; the proof counts it" }
        lines += plan.leftOut.map { "  left out: \($0) is in maintenance" }
        lines += plan.out.filter { !plan.leftOut.contains($0) }.map {
            "  out already: \($0) takes no connections now, so while another is restarted there are two out"
        }
        lines += forecast?.lines ?? []
        let obstacles = obstacles
        guard !obstacles.isEmpty else { return lines }
        return lines + ["it would be refused now, with exit status \(ExitStatus.refused.rawValue):"] + obstacles.map { "  \($0)" }
    }

    fileprivate func release(of backend: BackendReference) -> String? {
        switch releases[backend] {
        case .version(let text): text
        case .failed, nil: nil
        }
    }

    private var manner: String {
        switch policy.strategy {
        case .hotStandby(let standby):
            let watched = standby.bake > .zero ? ", watched for \(standby.bake.spoken) after each switch" : ""
            return "while pool \(standby.pool) serves\(watched)" + (standby.switchesBack ? "; then the traffic goes back" : "; the traffic stays there")
        case .rolling:
            let first = policy.canary > 0 ? "\(policy.canary) first" + (policy.bake > .zero ? ", watched for \(policy.bake.spoken)" : "") + ", then " : ""
            return first + (policy.batch == 1 ? "one backend at a time" : "\(policy.batch) in a wave, at most \(policy.unavailableMax) out at once")
        }
    }
}
