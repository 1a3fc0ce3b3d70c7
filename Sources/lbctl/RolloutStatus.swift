// lbctl rollout status: what exactly a rollout waits for, and how each backend stands.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model
import Orchestrator

struct RolloutStatusCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Prints what a rollout waits for, and how each backend stands.",
        discussion: "From the process that carries it out; where none does, from its journal. Exit status 1 where a rollout has not ended and no process carries it out.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var choice: RolloutChoice

    func perform(_ console: Console) async -> ExitStatus {
        await about(console) { () throws(Failure) in
            let folder = try choice.folder(global)
            let request = RolloutRequest(.status, output: global.isJSON ? .json : .text)
            if let lines = try await RolloutPeer.ask(request, of: folder) {
                lines.forEach(console.data)
                return .done
            }
            let reading = try RolloutReading(folder)
            let report = reading.report
            if global.isJSON { console.data(JSONText.line(report)) } else { report.lines.forEach(console.data) }
            if let warning = reading.warning { console.message("lbctl: warning: \(warning)") }
            return report.state == .abandoned ? .failed : .done
        }
    }
}
