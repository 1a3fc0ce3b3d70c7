// What the rollout's socket may ask of the process that carries it out.
import ControlProtocol
import EventLoop
import Model
import Rollout
import SystemCalls

extension Orchestrator: RolloutControl {
    package func report() async -> RolloutReport {
        var report = ownReport
        for node in history?.inHand ?? [] where node.openSpan?.phase == .drain {
            guard let holders = await holders(of: node.backend) else { continue }
            // Whatever the journal saw last is older than this.
            report.waitingFor.removeAll { $0.hasPrefix(node.backend + ": ") }
            report.waitingFor.insert("\(node.backend): \(holders)", at: 0)
        }
        return report
    }

    package func orderPause() throws(Failure) -> String {
        guard history?.isPaused != true else { throw Failure(.failed, "it is paused already; to go on: lbctl rollout continue \(folder.id)") }
        put(.pauseRequested)
        return "pauses; what is in hand is finished first. To go on: lbctl rollout continue \(folder.id)"
    }

    package func orderContinue() throws(Failure) -> String {
        if doneByHand() { return "goes on: the backend that was restarted by hand is probed" }
        guard history?.isPaused == true else { throw Failure(.failed, "it is not paused, nor does it wait for a person") }
        put(.continueRequested)
        return "goes on"
    }

    package func orderDone() throws(Failure) -> String {
        guard doneByHand() else { throw Failure(.failed, "it waits for no person") }
        return "goes on: the backend that was restarted by hand is probed"
    }

    package func orderAbort() throws(Failure) -> String {
        put(.abortRequested)
        return "ends; what is in hand is finished or undone first. See: lbctl rollout status \(folder.id)"
    }

    private var history: RolloutHistory? { RolloutHistory(recorder.records) }

    private var ownReport: RolloutReport {
        // The first record comes before anything else is done, and within moments.
        let begin = JournalBegin(order, version: sluiceVersion)
        return RolloutReport(history ?? RolloutHistory(begin, at: Clocks.calendar()), in: folder, process: Processes.own, elapsed: recorder.elapsed)
    }
}

// Who still holds a backend.
extension Orchestrator {
    /// `3 connections, oldest 4 m 10 s, 10.1.2.3:51512`; nil where no balancer says it.
    private func holders(of backend: String) async -> String? {
        let reference: BackendReference
        do { reference = try BackendReference(backend) } catch { return nil }
        let reports = Collected<ExplainReport>()
        do throws(Failure) {
            try await fleet.perform(.explain(reference), decoding: ExplainReport.self) { reports.values[$0] = $1 }
        } catch {
            return "it cannot be asked now who holds it: \(error.message)"
        }
        let seen = Array(reports.values.values)
        let oldest = seen.flatMap(\.holders.oldest).max { $0.age < $1.age }
        let count = seen.reduce(0) { $0 + $1.holders.connections }
        let estimate = count == 0 ? nil : seen.first.map(\.timeToEmpty.short)
        let parts = [oldest.map { "oldest \(Duration.milliseconds(Int64($0.age * 1000)).spoken)" }, oldest?.peer, estimate]
        return ([counted(count, "connection")] + parts.compactMap { $0 }).joined(separator: ", ")
    }
}
