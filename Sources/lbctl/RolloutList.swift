// lbctl rollout list: the rollouts whose journals there are, and how each ended.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model
import Orchestrator
import SystemCalls

struct RolloutListCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Prints the rollouts whose journals there are, the last one last.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var stored: RolloutStoreOptions

    func perform(_ console: Console) async -> ExitStatus {
        await about(console) { () throws(Failure) in
            let store = try stored.store()
            let folders: [RolloutFolder]
            do throws(SystemError) { folders = try store.folders() } catch { throw Failure(.failed, "\(error)") }
            var reports: [RolloutReport] = []
            var status = ExitStatus.done
            for folder in folders {
                // One that is damaged does not hide the others.
                do throws(Failure) { reports.append(try RolloutReading(folder).report) } catch {
                    console.message("lbctl: \(folder.id): \(error)")
                    status = .failed
                }
            }
            show(reports, store, console)
            return status
        }
    }

    @ControlPlane private func show(_ reports: [RolloutReport], _ store: RolloutStore, _ console: Console) {
        if global.isJSON { return reports.forEach { console.data(JSONText.line($0)) } }
        guard !reports.isEmpty else { return console.message("no rollouts in \(store.path)") }
        let rows = reports.map { report in
            [
                report.id, report.pool, report.state.rawValue, "\(report.stepsDone)/\(report.steps)", report.startedAt,
                Duration.milliseconds(Int64(report.elapsed * 1000)).spoken, report.reason ?? "",
            ]
        }
        StatusTable.table([["ID", "POOL", "STATE", "DONE", "BEGAN", "TOOK", "REASON"]] + rows).forEach(console.data)
    }
}
