// One command of a rollout, run by a runner that outlives us: started at most once, however often we are killed and resumed.
import EventLoop
import Glibc
import Model
import SystemCalls

/// What became of a command.
package enum StepEnd: Equatable, Sendable {
    /// `output`: the last of what it printed.
    case done(output: String)
    case failed(reason: String, output: String)
    /// The command never ran, and nothing that was to start it can do so any more.
    case notBegun(reason: String)
    /// It was started, and nobody knows how it ended: never to be started again without a person's word.
    case unknown(reason: String, output: String)
}

@ControlPlane package final class StepCommand {
    /// How lbctl starts itself as a runner, also after its file has been replaced.
    package nonisolated static let ownProgram = ["/proc/self/exe", Runner.verb]
    /// Beyond what the command and its end may take: for a machine that is busy with other things.
    private static let patience = Duration.seconds(60)
    /// For one that an earlier process has ordered: a restart's timeout is a day at most.
    private static let waitMax = Duration.seconds(25 * 3600)

    private let folder: RunnerFolder
    private let program: [String]
    private var isAbandoned = false
    /// The runner that is waited for.
    private var runner: pid_t?

    /// `folder`: the same for the same command, also in a later life. `program`: what becomes a runner.
    package init(folder: String, program: [String] = StepCommand.ownProgram) {
        self.folder = RunnerFolder(path: folder)
        self.program = program
    }

    /// Starts the command, or waits for the one that was started, or says how it ended. Cancelling the task ends the
    /// command, and waits for that.
    package func run(_ order: RunnerOrder) async -> StepEnd {
        // The waits are not to be cancelled: only by its status a command's end is known.
        let work = start { await self.outcome(of: order) }
        return await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            Loop.shared.perform { self.abandon() }
        }
    }

    /// What became of the command in an earlier life, waiting where it still runs; nil: it was never started, and
    /// whatever was about to start it cannot do so any more. Cancelling the task ends the command, and waits for that.
    package func find() async -> StepEnd? {
        let work = start { await self.found() }
        return await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            Loop.shared.perform { self.abandon() }
        }
    }

    private func found() async -> StepEnd? {
        do throws(SystemError) {
            while Files.exists(folder.path) {
                switch try look() {
                case .held(let holder):
                    guard try await awaitEnd(of: holder, within: StepCommand.waitMax) else {
                        return .unknown(reason: "its runner, process \(holder), does not end", output: lastOutput)
                    }
                case .ended(.done): return .done(output: lastOutput)
                case .ended(.failed(let reason)): return .failed(reason: reason, output: lastOutput)
                case .ended(.notStarted(let reason)): return .notBegun(reason: reason)
                case .unknown: return .unknown(reason: whyUnknown, output: lastOutput)
                case .notStarted: if try takeAway() { return nil }
                }
            }
            return nil
        } catch {
            // Somebody else's runner may be on its way.
            return .unknown(reason: "\(error)", output: lastOutput)
        }
    }

    /// A runner that was started just before its orchestrator was killed may still be on its way to the lock: it must
    /// find nothing to begin with. False: it was faster.
    private func takeAway() throws(SystemError) -> Bool {
        do throws(SystemError) {
            let lock = try ProcessLock(folder.lock)
            defer { withExtendedLifetime(lock) {} }
            guard !Files.exists(folder.started) else { return false }
            try Files.move(folder.path, to: unusedName)
            return true
        } catch {
            guard error.call == "lock", error.isHeldByAnother else { throw error }
            return false
        }
    }

    private var unusedName: String {
        var number = 1
        while Files.exists("\(folder.path).unused-\(number)") { number += 1 }
        return "\(folder.path).unused-\(number)"
    }

    private func outcome(of order: RunnerOrder) async -> StepEnd {
        do throws(SystemError) {
            try prepare()
            // Each time round a runner has come and gone; one that does not even begin is not asked for ever.
            for _ in 0..<5 {
                switch try look() {
                case .held(let holder):
                    guard try await awaitEnd(of: holder, within: patience(for: order)) else {
                        return .unknown(reason: "its runner, process \(holder), does not end", output: lastOutput)
                    }
                case .ended(.done): return .done(output: lastOutput)
                case .ended(.failed(let reason)): return .failed(reason: reason, output: lastOutput)
                case .ended(.notStarted(let reason)): return .notBegun(reason: reason)
                case .unknown: return .unknown(reason: whyUnknown, output: lastOutput)
                case .notStarted:
                    guard !isAbandoned else { return notBegun("interrupted before it began") }
                    try await startRunner(order)
                }
            }
            return notBegun(complaints)
        } catch {
            return failure(error)
        }
    }

    private func patience(for order: RunnerOrder) -> Duration { order.timeout + order.grace * 3 + StepCommand.patience }

    /// An error of ours: whether the command was started stands in its folder all the same.
    private func failure(_ error: SystemError) -> StepEnd {
        Files.exists(folder.started) ? .unknown(reason: "\(error)", output: lastOutput) : notBegun("\(error)")
    }

    /// The backend goes back to its clients on this word: a runner that we have not seen the end of must find nothing to
    /// begin with.
    private func notBegun(_ reason: String) -> StepEnd {
        guard runner != nil else { return .notBegun(reason: reason) }
        do throws(SystemError) {
            if try takeAway() { return .notBegun(reason: reason) }
        } catch {
            return .unknown(reason: "\(reason); and its runner may still begin it: \(error)", output: "")
        }
        return .unknown(reason: "\(reason); and its runner has begun it since", output: lastOutput)
    }

    private func prepare() throws(SystemError) {
        guard !Files.exists(folder.path) else { return }
        try Files.makeNewFolder(folder.path, mode: 0o700)
    }

    private func startRunner(_ order: RunnerOrder) async throws(SystemError) {
        let log = try Files.open(folder.complaints, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        let child = try ChildProcess(starting: program + [folder.path] + order.words, output: log.number, leading: .session)
        runner = child.process
        if isAbandoned { signal() }
        while try child.end() == nil {
            let outcome = await wait(for: .readable, on: child.number, timeout: patience(for: order))
            // What it does is to be seen in its folder; it is reaped when we end.
            if outcome == .timedOut { return }
        }
        runner = nil
    }

    /// False: not within the time.
    private func awaitEnd(of holder: pid_t, within limit: Duration) async throws(SystemError) -> Bool {
        let process: RunningProcess
        do throws(SystemError) { process = try RunningProcess(holder) } catch {
            guard error.errorNumber == ESRCH else { throw error }
            return true
        }
        // The number may have passed to another process before we had hold of it.
        guard try ProcessLock.holder(of: folder.lock) == holder else { return true }
        runner = holder
        defer { runner = nil }
        if isAbandoned { signal() }
        return await wait(for: .readable, on: process.number, timeout: limit) == .ready
    }

    private func abandon() {
        isAbandoned = true
        signal()
    }

    /// It ends its command by SIGTERM, then SIGKILL.
    private func signal() {
        guard let runner else { return }
        do throws(SystemError) { try RunningProcess(runner).signal(Signals.terminate) } catch { return }
    }
}

// What lies in the folder.
extension StepCommand {
    private enum Look {
        case held(pid_t)
        case notStarted
        case ended(CommandEnd)
        case unknown
    }

    private func look() throws(SystemError) -> Look {
        if let holder = try ProcessLock.holder(of: folder.lock) { return .held(holder) }
        guard Files.exists(folder.started) else { return .notStarted }
        // Asked again, as a runner may have begun in between. Whoever has made the mark holds the lock to his end.
        if let holder = try ProcessLock.holder(of: folder.lock) { return .held(holder) }
        guard Files.exists(folder.status) else { return .unknown }
        return CommandEnd(line: try Files.read(folder.status, bytesMax: ReservedFile.bytesMax)).map { .ended($0) } ?? .unknown
    }

    private var whyUnknown: String {
        let began = text(of: folder.started, bytesMax: 200).split(separator: " ").first.map { " at \($0)" } ?? ""
        let process = text(of: folder.process, bytesMax: 20).split(separator: "\n").first
        return "it was started\(began), but its runner was killed before it wrote how it ended"
            + (process.map { "; its process was \($0)" } ?? "") + "; see \(folder.output)"
    }

    private var complaints: String {
        let last = text(of: folder.complaints, bytesMax: 10_000).split(separator: "\n").last.map(String.init) ?? ""
        return last.isEmpty ? "its runner ended before it began, see \(folder.complaints)" : last.escapedForOneLine
    }

    private var lastOutput: String {
        do throws(SystemError) {
            return String(decoding: try Files.tail(of: folder.output, bytesMax: BoundedCommand.outputBytesMax), as: UTF8.self)
        } catch {
            return error.isMissingFile ? "" : "(what it printed cannot be read back: \(error))"
        }
    }

    /// Empty where it cannot be read: it only adds to what is told.
    private func text(of path: String, bytesMax: Int) -> String {
        do throws(SystemError) { return String(decoding: try Files.read(path, bytesMax: bytesMax), as: UTF8.self) } catch { return "" }
    }
}
