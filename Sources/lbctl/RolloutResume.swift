// lbctl rollout resume: goes on with a rollout whose process was killed.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model
import Orchestrator
import Rollout
import SystemCalls

struct RolloutResumeCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Goes on with a rollout that was killed, where it stood.",
        discussion: """
            What was drained and not restarted is drained anew; a restart that still runs is waited for, and none is begun a second time. \
            Speaks to the balancers that the rollout began with. Without one to go on with: exit status 0.
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var stored: RolloutStoreOptions

    @Argument(help: ArgumentHelp("Which, or the beginning of its name. (default: the last that did not end)", valueName: "id"))
    var id: String?

    func perform(_ console: Console) async -> ExitStatus {
        do throws(Failure) {
            guard let (journal, content) = try open(try absoluteStore()) else {
                console.message("lbctl: no rollout is unfinished")
                return .done
            }
            if let warning = content.warning { console.message("lbctl: \(warning)") }
            let lines = try RolloutResumeCommand.read(content, journal)
            if let line = lines.last, case .ended = line.record.content {
                console.message("lbctl: rollout \(journal.folder.id) has ended; nothing is left to do")
                return .done
            }
            let board = RolloutBoard(console)
            let orchestrator = try Orchestrator(resuming: lines, journal: journal, progress: board.take)
            try RolloutResumeCommand.enter(orchestrator.order.folder)
            return try await orchestrator.carryOut(global, console)
        } catch {
            console.message("lbctl: \(error)")
            return error.code
        }
    }

    /// It is spoken of when we stand in another folder.
    private func absoluteStore() throws(Failure) -> RolloutStore {
        let path = try stored.store().path
        do throws(SystemError) { return RolloutStore(path: Files.resolve(path, in: try Files.workingFolder())) } catch {
            throw Failure(.failed, "\(error)")
        }
    }

    /// What is relative in the restart command was meant from there.
    private static func enter(_ folder: String?) throws(Failure) {
        guard let folder else { return }
        do throws(SystemError) { try Files.enter(folder) } catch {
            throw Failure(.failed, "nothing is done: the folder that the rollout was begun in, and its commands with it, cannot be entered: \(error)")
        }
    }

    @ControlPlane private func open(_ store: RolloutStore) throws(Failure) -> (journal: Journal, content: JournalContent)? {
        if let id { return try Journal.open(try store.folder(id)) }
        let folders: [RolloutFolder]
        do throws(SystemError) { folders = try store.folders() } catch { throw Failure(.failed, "\(error)") }
        for folder in folders.reversed() where try RolloutResumeCommand.isUnfinished(folder) { return try Journal.open(folder) }
        return nil
    }

    /// One without a whole line has not begun: nothing was touched by it.
    private static func isUnfinished(_ folder: RolloutFolder) throws(Failure) -> Bool {
        do throws(SystemError) {
            guard let last = try JournalContent(reading: folder.journal).lines.last else { return false }
            do throws(JournalError) {
                if case .ended = try JournalText.record(last).content { return false }
            } catch { return true }
            return true
        } catch { throw Failure(.failed, "\(error)") }
    }

    private static func read(_ content: JournalContent, _ journal: Journal) throws(Failure) -> [JournalLine] {
        do throws(JournalDamage) { return try content.records() } catch {
            throw Failure(.refused, "nothing is done by a journal that is damaged: \(journal.folder.journal): \(error)")
        }
    }
}
