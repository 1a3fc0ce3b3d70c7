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
        var report = RolloutReport(history, in: folder, process: Processes.own, elapsed: recorder.elapsed, at: Clocks.calendar())
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

    package func pause() async throws(Failure) -> String {
        guard !machine.isPaused else { return "it is paused already; to go on: lbctl rollout continue \(folder.words)" }
        try await give(.pauseRequested)
        return "what is in hand is finished, the next is not begun; to go on: lbctl rollout continue \(folder.words)"
    }

    package func goOn() async throws(Failure) -> String {
        // Whoever ends a pause has not said with it that a backend was restarted.
        guard machine.isPaused else { return try await done(orElse: "it is not paused") }
        try await give(.continueRequested)
        return "it goes on"
    }

    package func done() async throws(Failure) -> String { try await done(orElse: "nobody is waited for") }

    private func done(orElse refusal: String) async throws(Failure) -> String {
        guard let backend = byHand.keys.min() else { throw Failure(.failed, refusal) }
        _ = try await written({ $0.isRestartEnd(of: backend) }) { doneByHand() }
        return "\(backend): taken as done"
    }

    package func abort() async throws(Failure) -> String {
        let (isSecond, person) = (machine.isStopAsked, byHand.keys.min())
        try await give(.abortRequested)
        guard let person else { return "what is in hand is put back, or finished where its restart has begun; then it ends" }
        return isSecond
            ? "\(person) is not waited for any more: it stays drained, as nobody has said whether it was restarted; then it ends"
            : "it ends when \(person) is done, which a person restarts: lbctl rollout done \(folder.words); a second abort leaves it drained as it is"
    }

    /// Returns when the journal has it.
    private func give(_ input: RolloutMachine.Input) async throws(Failure) { try await written({ $0 == input }) { put(input) } }

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

extension RolloutMachine.Input {
    fileprivate func isRestartEnd(of backend: BackendReference) -> Bool {
        if case .restartEnded(backend, _) = self { return true }
        if case .restartFound(backend, _) = self { return true }
        return false
    }
}
