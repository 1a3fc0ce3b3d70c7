// The runner: a small process of its own that runs one command and writes down how it ended, whoever else is killed.
//
// It leads a session, so that neither a terminal's Ctrl-C nor its closing reaches the command. What it does is to be
// read from its folder (RunnerFolder): it holds the lock all the time; 'started' is on the disk before the command
// is started, 'status' after it has ended. So for whoever finds the lock free: without 'started' the command has
// not been started, with 'status' it has ended as that says, and between the two nobody knows.
import EventLoop
import Glibc
import Model
import SystemCalls

@ControlPlane package enum Runner {
    /// The first argument that makes lbctl a runner; in no help, as it is for nobody to type.
    package nonisolated static let verb = "rollout-runner"
    private static let diagnosisTimeout = Duration.seconds(10)

    /// `words`: the folder, and the order's. The exit status.
    package static func run(_ words: [String]) async -> Int32 {
        guard let path = words.first, let order = RunnerOrder(words.dropFirst()) else {
            complain("\(verb) is how lbctl rollout starts a command; it is not to be typed")
            return RunnerExit.badUsage.rawValue
        }
        return await run(order, in: RunnerFolder(path: path)).rawValue
    }

    private static func run(_ order: RunnerOrder, in folder: RunnerFolder) async -> RunnerExit {
        let begun: Beginning
        do throws(SystemError) { begun = try Beginning(in: folder) } catch {
            if error.call == "lock", error.isHeldByAnother { return .busy }
            complain("the command was not started: \(error)")
            return Files.exists(folder.started) ? .startedBefore : .notBegun
        }
        let end = await carryOut(order, begun, folder)
        do throws(SystemError) { try begun.status.publish(Array(end.line.utf8)) } catch {
            complain("the command has ended (\(end)), but that could not be written: \(error)")
            return .notTold
        }
        return .done
    }

    private static func carryOut(
        _ order: RunnerOrder, _ begun: Beginning, _ folder: RunnerFolder
    ) async -> CommandEnd {
        let command = start {
            await BoundedCommand.run(order.command, output: begun.output, timeout: order.timeout, grace: order.grace) { process in
                // For people who have to find out what became of it.
                do throws(SystemError) { try Files.create(folder.process, with: Array("\(process)\n".utf8)) } catch {
                    complain("process \(process): \(error)")
                }
            }
        }
        let listening = start {
            // Whoever cannot hear is not to be asked to stop either.
            do throws(SystemError) { if try await begun.signals.next() != nil { command.cancel() } } catch { complain("\(error)") }
        }
        let end = await command.value
        listening.cancel()
        if end != .done, !order.diagnosis.isEmpty {
            _ = await BoundedCommand.run(order.diagnosis, output: begun.output, timeout: diagnosisTimeout, grace: order.grace)
        }
        return end
    }

    /// To our standard error, which is a file in the folder; where even that has no room nobody can be told.
    private static func complain(_ text: String) {
        do throws(SystemError) { try Files.write(Array("\(text)\n".utf8), to: 2) } catch { return }
    }
}

/// All that must be there before the command is started, and the mark that it is.
@ControlPlane private final class Beginning {
    let signals: SignalSource
    let status: ReservedFile
    let output: OutputFile
    /// To the end of the process, so that the status is never seen to be missing while it is yet to come.
    private let lock: ProcessLock

    init(in folder: RunnerFolder) throws(SystemError) {
        // First: from the mark on a SIGTERM must end the command, not us alone.
        signals = SignalSource(owning: try Signals.open(Signals.stopping))
        lock = try ProcessLock(folder.lock)
        // Not to be touched: what is there is the output and the end of the command that was started.
        guard !Files.exists(folder.started) else { throw SystemError("create", EEXIST, on: folder.started) }
        status = try ReservedFile(folder.status)
        output = try OutputFile(folder.output, bytesMax: BoundedCommand.outputFileBytesMax)
        try Files.create(folder.started, with: Array("\(Clocks.calendar().rfc3339) \(Processes.own)\n".utf8))
    }
}
