// One run of a command: started in a process group of its own, bounded in time and output, always reaped.
import EventLoop
import Glibc
import Model
import SystemCalls

/// Its end is the end of the process, not of its output: a restart may leave a daemon behind that holds our
/// output for ever. For the same reason a group that ended well is left alone, and the output goes into a file:
/// a daemon that outlives us may go on writing, where a closed pipe would kill it.
@ControlPlane package final class BoundedCommand {
    /// How much of what it printed goes into the report of a failure, and into the journal.
    package nonisolated static let outputBytesMax = 4096
    /// How much of it is kept in its file.
    package nonisolated static let outputFileBytesMax = 16 << 20
    /// How often its file is looked at, whether it has grown too large.
    private static let lookInterval = Duration.milliseconds(250)

    private let child: ChildProcess
    private let output: OutputFile
    private let timeout: Duration
    private let grace: Duration
    private var dropped = 0

    /// Runs it to its end. Cancelling the task ends the command as its timeout does. `started`: gets its process.
    package static func run(
        _ arguments: [String], output: OutputFile, timeout: Duration, grace: Duration = .seconds(5),
        started: @ControlPlane (pid_t) -> Void = { _ in }
    ) async -> CommandEnd {
        let command: BoundedCommand
        do throws(SystemError) {
            command = try BoundedCommand(arguments, output: output, timeout: timeout, grace: grace)
        } catch {
            // Otherwise it ran for a moment.
            return error.call == "spawn" ? .notStarted(reason: "\(error)") : .failed(reason: "it could not be watched: \(error)")
        }
        started(command.child.process)
        let watch = start { await command.boundOutput() }
        defer { watch.cancel() }
        do throws(SystemError) {
            guard let reason = try await command.failure() else { return .done }
            return .failed(reason: reason)
        } catch {
            return .failed(reason: error.description)
        }
    }

    private init(_ arguments: [String], output: OutputFile, timeout: Duration, grace: Duration) throws(SystemError) {
        self.output = output
        child = try ChildProcess(starting: arguments, output: output.number, leading: .closedGroup)
        self.timeout = timeout
        self.grace = grace
    }

    /// Until it is cancelled; and once more then, for what was printed last.
    private func boundOutput() async {
        var goesOn = true
        while goesOn {
            goesOn = await pause(for: BoundedCommand.lookInterval)
            // A file that cannot be cut grows on: that is no reason to end a restart.
            do throws(SystemError) { dropped = try output.bound(dropped: dropped) } catch { return }
        }
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
}
