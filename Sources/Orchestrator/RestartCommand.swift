// One run of the restart command: started in a process group of its own, bounded in time, always reaped.
import EventLoop
import Model
import Rollout
import SystemCalls

/// Its end is the end of the process, not of its output: a restart may leave a daemon behind that holds our
/// output for ever. For the same reason a group that ended well is left alone, and the output goes into a file
/// without a name: a daemon that outlives us may go on writing, where a closed pipe would kill it.
@ControlPlane package final class RestartCommand {
    /// How much of what it printed goes into the report of a failure.
    package nonisolated static let outputBytesMax = 4096

    private let child: ChildProcess
    private let output: TemporaryFile
    private let timeout: Duration
    private let grace: Duration

    /// Runs it to its end. Cancelling the task ends the command as its timeout does.
    package static func run(_ arguments: [String], timeout: Duration, grace: Duration = .seconds(5)) async -> StepMachine.RestartEnd {
        let command: RestartCommand
        do throws(SystemError) {
            command = try RestartCommand(arguments, timeout: timeout, grace: grace)
        } catch {
            return .failed(reason: "it could not be started: \(error)", output: "")
        }
        let reason: String?
        do throws(SystemError) { reason = try await command.failure() } catch { reason = error.description }
        guard let reason else { return .restarted }
        return .failed(reason: reason, output: command.lastOutput)
    }

    private init(_ arguments: [String], timeout: Duration, grace: Duration) throws(SystemError) {
        output = try TemporaryFile()
        child = try ChildProcess(starting: arguments, output: output.number)
        self.timeout = timeout
        self.grace = grace
    }

    /// nil: exit status 0.
    private func failure() async throws(SystemError) -> String? {
        let clock = LoopClock()
        let deadline = clock.now.advanced(by: timeout)
        while true {
            if let end = try child.end() { return end == .exited(status: 0) ? nil : end.description }
            switch await wait(for: .readable, on: child.number, timeout: clock.now.duration(to: deadline)) {
            case .ready: continue
            case .timedOut: return "not done within \(timeout.spoken), " + (try await endGroup())
            case .cancelled: return "interrupted, " + (try await endGroup())
            }
        }
    }

    /// In a task of its own, as the one that asks may have been cancelled.
    private func endGroup() async throws(SystemError) -> String {
        let ended = start { () async -> Result<String, SystemError> in
            do throws(SystemError) { return .success(try await self.terminate()) } catch { return .failure(error) }
        }
        return try await ended.value.get()
    }

    /// SIGTERM, and after the grace SIGKILL for whatever of the group is left. The child is reaped last:
    /// until then its number, which names the group, cannot pass to somebody else.
    private func terminate() async throws(SystemError) -> String {
        try child.signalGroup(Signals.terminate)
        let gone = await wait(for: .readable, on: child.number, timeout: grace) == .ready
        try child.signalGroup(Signals.kill)
        guard await wait(for: .readable, on: child.number, timeout: grace) == .ready else {
            return "and process \(child.process) does not end even by SIGKILL"
        }
        _ = try child.end()
        return gone ? "ended by SIGTERM" : "ended by SIGKILL: it took no notice of SIGTERM"
    }

    private var lastOutput: String {
        do throws(SystemError) {
            return String(decoding: try output.tail(bytesMax: RestartCommand.outputBytesMax), as: UTF8.self)
        } catch {
            return "(what it printed cannot be read back: \(error))"
        }
    }
}
