// lbctl rollout run: carries a rollout out, tells how it goes, and how it ended.
import ArgumentParser
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Orchestrator
import Rollout
import SystemCalls

struct RolloutRunCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Restarts the backends of a pool: drain, wait until empty, restart, wait until up, undrain, next.",
        discussion: """
            The restart command must return only when the old process has ended: from then on a probe that \
            succeeds counts for the new one. Stops at the first step that fails and leaves the other backends in service. Ctrl-C before a restart \
            undoes the step in hand, from then on it finishes it; a second Ctrl-C leaves the backend drained. \
            Stops also when another backend is found out besides the one in hand, and when somebody else ends the drain \
            of the one in hand: that one is left to them. Exit status 3: not empty at the deadline; 4: it would not be safe.
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var options: RolloutOptions

    func perform(_ console: Console) async -> ExitStatus {
        do throws(Failure) {
            let balancer = try global.onlyBalancer()
            let prepared = try await PreparedRollout(options, at: balancer)
            guard prepared.plan.obstacles.isEmpty else {
                console.message("lbctl: refused, as it would not be safe; nothing was touched:")
                for obstacle in prepared.plan.obstacles { console.message("  \(obstacle)") }
                return .refused
            }
            return try await carryOut(prepared, balancer, console)
        } catch {
            console.message("lbctl: \(error)")
            return error.code
        }
    }

    @ControlPlane private func carryOut(
        _ prepared: PreparedRollout, _ balancer: Balancer, _ console: Console
    ) async throws(Failure) -> ExitStatus {
        let owner = Orchestrator.newOwner()
        let board = RolloutBoard(console)
        let orchestrator = Orchestrator(
            balancer: balancer, plan: prepared.plan, limits: prepared.limits, owner: owner, progress: board.take)
        let signals: StopSignals
        do throws(SystemError) { signals = try StopSignals(orchestrator.requestStop) } catch {
            throw Failure(.failed, "nothing was touched: \(error)")
        }
        defer { signals.cancel() }
        let verdict = await orchestrator.run()
        let wording = Wording(program: program, commandLine: CommandLine.arguments, owner: owner, lease: Orchestrator.lease)
        if global.isJSON {
            console.data(JSONText.line(VerdictReport(verdict, owner: owner)))
        } else {
            verdict.summary.forEach(console.data)
        }
        for line in verdict.explanation(wording) { console.message(line) }
        return verdict.exitStatus
    }

    /// As it was called, with the socket where it was named: for lines to paste.
    private var program: String {
        let name = CommandLine.arguments.first ?? "lbctl"
        return ([name] + global.control.flatMap { ["--control", $0] }).map(\.shellQuoted).joined(separator: " ")
    }
}

extension Verdict {
    var exitStatus: ExitStatus {
        switch cause {
        case nil: .done
        case .deadlinePassed: .deadlinePassed
        case .refused: .refused
        case .stopRequested, .abandoned, .drainLost, .failed: .failed
        }
    }
}

private struct VerdictReport: Encodable {
    struct Step: Encodable {
        let backend: String
        let state: String
        let drain: Double
        let restart: Double
        let ready: Double
    }

    let pool: String
    /// Under which the drains were ordered.
    let owner: String
    let done: Bool
    let reason: String?
    let steps: [Step]

    init(_ verdict: Verdict, owner: String) {
        pool = verdict.pool.text
        self.owner = owner
        done = verdict.cause == nil
        reason = verdict.cause?.short
        steps = verdict.nodes.map {
            Step(
                backend: $0.backend.description, state: $0.fate.word, drain: $0.times.drain.inSeconds,
                restart: $0.times.restart.inSeconds, ready: $0.times.ready.inSeconds)
        }
    }
}
