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
            of the one in hand: that one is left to them. Killed, it goes on with 'lbctl rollout resume'. \
            Exit status 3: not empty at the deadline; 4: it would not be safe.
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var options: RolloutOptions
    @OptionGroup var stored: RolloutStoreOptions

    func perform(_ console: Console) async -> ExitStatus {
        do throws(Failure) {
            let store = try stored.store()
            let earlier = EarlierTimes(of: options.pool, in: store)
            var prepared = try await PreparedRollout(options, at: global.balancers, earlier: earlier, store: store)
            guard mayBegin(prepared, console) else { return .refused }
            try prepared.checkPrograms()
            await prepared.askReleases()
            guard mayBegin(prepared, console) else { return .refused }
            if let warning = prepared.warning { console.message("lbctl: warning: \(warning)") }
            return try await begin(prepared, earlier, store, console)
        } catch {
            console.message("lbctl: \(error)")
            return error.code
        }
    }

    @ControlPlane private func mayBegin(_ prepared: PreparedRollout, _ console: Console) -> Bool {
        guard !prepared.obstacles.isEmpty else { return true }
        console.message("lbctl: refused, as it would not be safe; nothing was touched:")
        for obstacle in prepared.obstacles { console.message("  \(obstacle)") }
        return false
    }

    @ControlPlane private func begin(
        _ prepared: PreparedRollout, _ earlier: EarlierTimes, _ store: RolloutStore, _ console: Console
    ) async throws(Failure) -> ExitStatus {
        let board = RolloutBoard(console)
        let orchestrator: Orchestrator
        do throws(SystemError) {
            let folder = try store.create(for: prepared.plan.pool)
            let journal = try Journal.create(in: folder)
            orchestrator = Orchestrator(
                prepared.order(id: folder.id, owner: Orchestrator.newOwner()), journal: journal, earlier: earlier, progress: board.take)
        } catch { throw Failure(.failed, "nothing was touched: the journal cannot be written: \(error)") }
        return try await orchestrator.carryOut(global, console)
    }
}

extension Orchestrator {
    /// To its end, whatever signals come, and tells how that was.
    func carryOut(_ global: GlobalOptions, _ console: Console) async throws(Failure) -> ExitStatus {
        let signals: StopSignals
        do throws(SystemError) { signals = try StopSignals(requestStop) } catch { throw Failure(.failed, "nothing was touched: \(error)") }
        defer { signals.cancel() }
        let server: RolloutServer
        do throws(SystemError) { server = try RolloutServer(folder, self) } catch {
            throw Failure(.failed, "nothing was touched: nobody could ask how it stands: \(error)")
        }
        defer { server.close() }
        console.message("rollout \(order.id); from another terminal: \(global.program) rollout status \(folder.words)")
        let verdict: Verdict
        do throws(SystemError) { verdict = try await run() } catch {
            throw Failure(.failed, "the journal cannot be written, so nothing more is done: \(error); what is drained comes back when its lease of "
                + "\(Orchestrator.lease.spoken) ends; to go on: \(global.program) rollout resume \(folder.words)")
        }
        let wording = Wording(program: global.program, commandLine: order.commandLine, owner: order.owner, lease: Orchestrator.lease)
        if global.isJSON {
            console.data(JSONText.line(VerdictReport(verdict, order)))
        } else {
            verdict.summary.forEach(console.data)
        }
        for line in verdict.explanation(wording) { console.message(line) }
        return verdict.exitStatus
    }
}

extension Verdict {
    var exitStatus: ExitStatus {
        switch cause {
        case nil: .done
        case .deadlinePassed: .deadlinePassed
        case .refused: .refused
        case .stopRequested, .abandoned, .drainLost, .failed, .restartNotBegun, .restartUnknown, .badRelease, .switching: .failed
        }
    }
}

private struct VerdictReport: Encodable {
    struct Step: Encodable {
        let backend: String
        let state: String
        /// Seconds; absent for what did not happen.
        let drain: Double?
        let restart: Double?
        let ready: Double?
    }

    let id: String
    let pool: String
    /// Under which the drains were ordered.
    let owner: String
    let done: Bool
    let reason: String?
    let steps: [Step]

    init(_ verdict: Verdict, _ order: RolloutOrder) {
        id = order.id
        pool = verdict.pool.text
        owner = order.owner
        done = verdict.cause == nil
        reason = verdict.cause?.short
        steps = verdict.nodes.map {
            Step(
                backend: $0.backend.description, state: $0.fate.word, drain: $0.times.drain?.inSeconds,
                restart: $0.times.restart?.inSeconds, ready: $0.times.ready?.inSeconds)
        }
    }
}
