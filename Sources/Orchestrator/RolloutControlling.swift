// The orders of another terminal to a running rollout, and how it stands: what exactly is waited for, asked of the balancers.
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Rollout
import SystemCalls

extension Orchestrator: RolloutControl {
    package func report() async -> RolloutReport {
        guard let history = RolloutHistory(recorder.records) else { preconditionFailure("a rollout that answers has begun") }
        var report = RolloutReport(history, in: folder, process: Processes.own, elapsed: recorder.elapsed)
        for backend in machine.draining {
            guard let holders = await holders(of: backend) else { continue }
            report.waitingFor.removeAll { $0.hasPrefix("\(backend):") }
            report.waitingFor.insert(holders, at: 0)
        }
        if let left = await timeLeft() {
            (report.timeLeft, report.timeLeftAtMost) = (left.median.inSeconds, left.ninetieth.inSeconds)
        }
        return report
    }

    package func pause() throws(Failure) -> String {
        guard !machine.isPaused else { return "it is paused already; to go on: lbctl rollout continue \(folder.words)" }
        put(.pauseRequested)
        return "what is in hand is finished, the next is not begun; to go on: lbctl rollout continue \(folder.words)"
    }

    package func goOn() throws(Failure) -> String {
        // Whoever ends a pause has not said with it that a backend was restarted.
        if machine.isPaused {
            put(.continueRequested)
            return "it goes on"
        }
        guard doneByHand() else { throw Failure(.failed, "it is not paused") }
        return "taken as done"
    }

    package func done() throws(Failure) -> String {
        guard doneByHand() else { throw Failure(.failed, "nobody is waited for") }
        return "taken as done"
    }

    package func abort() throws(Failure) -> String {
        put(.abortRequested)
        return "what is in hand is put back, or finished where its restart has begun; then it ends"
    }

    /// `web/web-2: 3 connections, oldest 4 m 10 s, 10.1.2.3:51512`; nil where nobody says.
    private func holders(of backend: BackendReference) async -> String? {
        let reports = Collected<ExplainReport>()
        do throws(Failure) {
            try await fleet.perform(.explain(backend), decoding: ExplainReport.self) { reports.values[$0] = $1 }
        } catch { return nil }
        let holders = reports.values.values.map(\.holders)
        let count = holders.reduce(0) { $0 + $1.connections }
        let oldest = holders.compactMap(\.oldest.first).max { $0.age < $1.age }
        note(JournalSight(backend: backend.description, connections: count, oldest: oldest?.age))
        let who = oldest.map { ", oldest \(Duration(inSeconds: $0.age).spoken)" + ($0.peer.map { ", \($0)" } ?? "") } ?? ""
        return "\(backend): \(counted(count, "connection"))\(who)"
    }
}
