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

    @Argument(help: ArgumentHelp("Which rollout: its ID, or the beginning of one. (default: the one of these balancers that runs, else their last)", valueName: "id"))
    var id: String?

    func folder(_ global: GlobalOptions) throws(Failure) -> RolloutFolder { try RolloutChoice.folder(id, in: stored, at: global.controls) }

    /// The named one; without a name the one of these balancers that runs, else their last.
    static func folder(_ id: String?, in stored: RolloutStoreOptions, at controls: [String]) throws(Failure) -> RolloutFolder {
        let store = try stored.store()
        if let id { return try store.folder(id) }
        let running: [RolloutHead], newest: RolloutHead?
        do throws(SystemError) {
            running = try store.running(at: controls)
            newest = try store.newest(at: controls)
        } catch { throw Failure(.failed, "\(error)") }
        if running.count > 1 {
            throw Failure(.badUsage, "\(running.count) rollouts run: say which, \(running.map(\.folder.id).joined(separator: " or "))")
        }
        guard let chosen = running.first ?? newest else {
            throw Failure(
                .failed, "there is no rollout of \(controls.joined(separator: ", ")) in \(store.path); for those of other balancers: lbctl rollout list")
        }
        return chosen.folder
    }
}

extension GlobalOptions {
    /// The control sockets as journals name them.
    var controls: [String] { balancers.map { PreparedRollout.absolute($0.control) } }
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
