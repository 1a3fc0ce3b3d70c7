// lbctl rollout list: the rollouts whose journals there are, and how each ended.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model
import Orchestrator
import Rollout
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
            var readings: [RolloutReading] = []
            var status = ExitStatus.done
            for folder in folders {
                // One that is damaged does not hide the others.
                do throws(Failure) { readings.append(try RolloutReading(folder)) } catch {
                    console.message("lbctl: \(folder.id): \(error)")
                    status = .failed
                }
            }
            show(readings, store, console)
            return status
        }
    }

    @ControlPlane private func show(_ readings: [RolloutReading], _ store: RolloutStore, _ console: Console) {
        if global.isJSON { return readings.forEach { console.data(JSONText.line($0.report)) } }
        guard !readings.isEmpty else { return console.message("no rollouts in \(store.path)") }
        let rows = readings.map { reading -> [String] in
            let report = reading.report
            return [
                report.id, report.pool, report.state.rawValue, "\(report.stepsDone)/\(report.steps)", report.startedAt,
                Duration.milliseconds(Int64(report.elapsed * 1000)).spoken, reading.history.begin.balancers.joined(separator: ","),
                report.reason ?? "",
            ]
        }
        StatusTable.table([["ID", "POOL", "STATE", "DONE", "BEGAN", "TOOK", "CONTROL", "REASON"]] + rows).forEach(console.data)
    }
}
