// Which rollout a verb is about: its folder by --state and ID, or the one that is meant without.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model
import Orchestrator
import SystemCalls

struct RolloutStoreOptions: ParsableArguments, Sendable {
    @Option(help: ArgumentHelp(
        "The folder of the rollouts' journals. (default: $XDG_STATE_HOME/sluice/rollouts, else ~/.local/state/sluice/rollouts)",
        valueName: "folder"))
    var state: String?

    func validate() throws {
        guard state != "" else { throw ValidationError("--state needs the path of a folder") }
    }

    func store() throws(Failure) -> RolloutStore { try RolloutStore.chosen(state) }
}

struct RolloutChoice: ParsableArguments, Sendable {
    @OptionGroup var stored: RolloutStoreOptions

    @Argument(help: ArgumentHelp("Which rollout: its ID, or the beginning of one. (default: the one that runs, else the last)", valueName: "id"))
    var id: String?

    /// The named one; without a name the one that runs, else the last.
    func folder() throws(Failure) -> RolloutFolder { try RolloutChoice.folder(id, in: stored) }

    static func folder(_ id: String?, in stored: RolloutStoreOptions) throws(Failure) -> RolloutFolder {
        let store = try stored.store()
        if let id { return try store.folder(id) }
        let all: [RolloutFolder], running: [RolloutFolder]
        do throws(SystemError) {
            all = try store.folders()
            running = try all.running()
        } catch { throw Failure(.failed, "\(error)") }
        if running.count > 1 {
            throw Failure(.badUsage, "\(running.count) rollouts run: say which, \(running.map(\.id).joined(separator: " or "))")
        }
        guard let chosen = running.first ?? all.last else {
            throw Failure(.failed, "there is no rollout in \(store.path)")
        }
        return chosen
    }
}

extension [RolloutFolder] {
    /// Those that a process carries out.
    fileprivate func running() throws(SystemError) -> [RolloutFolder] {
        var running: [RolloutFolder] = []
        for folder in self where try folder.holder() != nil { running.append(folder) }
        return running
    }
}

extension Verb {
    /// For verbs that work on a rollout's folder and not at a balancer.
    @ControlPlane func about(
        _ console: Console, _ body: @ControlPlane () async throws(Failure) -> ExitStatus
    ) async -> ExitStatus {
        do throws(Failure) { return try await body() } catch {
            console.message("lbctl: \(error)")
            return error.code
        }
    }
}
