// lbctl rollout pause, continue, done, abort: orders to a rollout that runs in another terminal.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model
import Orchestrator

/// One order, sent over the rollout's own socket.
protocol RolloutOrderVerb: Verb {
    static var word: RolloutOrderWord { get }
    var choice: RolloutChoice { get }
}

extension RolloutOrderVerb {
    static func configured(_ abstract: String) -> CommandConfiguration {
        CommandConfiguration(commandName: word.rawValue, abstract: abstract)
    }

    func perform(_ console: Console) async -> ExitStatus {
        await about(console) { () throws(Failure) in
            let folder = try choice.folder(global)
            let request = RolloutRequest(Self.word, output: global.isJSON ? .json : .text)
            guard let lines = try await RolloutPeer.ask(request, of: folder) else { throw nobody(folder) }
            for line in lines { console.data(global.isJSON ? line : "\(folder.id): \(line)") }
            return .done
        }
    }

    /// It has ended, or its process is gone: what then.
    @ControlPlane private func nobody(_ folder: RolloutFolder) -> Failure {
        do throws(Failure) {
            let report = try RolloutReading(folder).report
            switch report.state {
            case .done, .stopped: return Failure(.failed, "rollout \(folder.id) has ended: \(report.reason ?? "done")")
            case .running, .paused, .stopping, .abandoned:
                return Failure(
                    .noAnswer,
                    "no process carries rollout \(folder.id) out; last record \(report.lastRecord) at \(report.lastRecordAt): \(report.lastText); to go on: lbctl rollout resume \(folder.words)")
            }
        } catch {
            return error
        }
    }
}

struct RolloutPauseCommand: RolloutOrderVerb {
    static let word = RolloutOrderWord.pause
    static let configuration = configured("Lets a rollout finish the step in hand and begin no other.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var choice: RolloutChoice
}

struct RolloutContinueCommand: RolloutOrderVerb {
    static let word = RolloutOrderWord.goOn
    static let configuration = configured("Lets a paused rollout go on; where a person restarts a backend, says that it is done.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var choice: RolloutChoice
}

struct RolloutDoneCommand: RolloutOrderVerb {
    static let word = RolloutOrderWord.done
    static let configuration = configured("Says that a person has restarted the backend that a rollout waits for.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var choice: RolloutChoice
}

struct RolloutAbortCommand: RolloutOrderVerb {
    static let word = RolloutOrderWord.abort
    static let configuration = configured("Ends a rollout as Ctrl-C does: the step in hand is finished or undone; a second one waits for no person.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var choice: RolloutChoice
}
