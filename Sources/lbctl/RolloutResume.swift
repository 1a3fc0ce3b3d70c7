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
            Speaks to the balancers that the rollout began with. Without ID only what is of the balancers of --control, and the newest of its pool \
            there; without one to go on with: exit status 0.
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var stored: RolloutStoreOptions

    @Argument(help: ArgumentHelp("Which, or the beginning of its name. (default: the one of these balancers that did not end)", valueName: "id"))
    var id: String?

    @Flag(help: "Goes on with it although a later rollout of the same pool has begun since.")
    var force = false

    func perform(_ console: Console) async -> ExitStatus {
        do throws(Failure) {
            guard let (journal, content) = try open(try absoluteStore(), console) else { return .done }
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

    /// Nil where there is nothing to go on with; that is told then.
    @ControlPlane private func open(_ store: RolloutStore, _ console: Console) throws(Failure) -> (journal: Journal, content: JournalContent)? {
        let heads: [RolloutHead]
        do throws(SystemError) { heads = try store.heads() } catch { throw Failure(.failed, "\(error)") }
        if let id {
            let folder = try store.folder(id)
            if !force, let refusal = ResumeChoice.refusal(of: folder, among: heads) { throw Failure(.refused, refusal) }
            return try Journal.open(folder)
        }
        let choice = ResumeChoice(heads, at: global.controls)
        guard let chosen = choice.candidates.first else {
            for line in choice.nothing { console.message("lbctl: \(line)") }
            return nil
        }
        guard choice.candidates.count == 1 else { throw Failure(.badUsage, choice.question) }
        return try Journal.open(chosen.folder)
    }

    private static func read(_ content: JournalContent, _ journal: Journal) throws(Failure) -> [JournalLine] {
        do throws(JournalDamage) { return try content.records() } catch {
            throw Failure(.refused, "nothing is done by a journal that is damaged: \(journal.folder.journal): \(error)")
        }
    }
}

/// Which rollout is gone on with where none is named: nobody's but of the balancers that are addressed.
struct ResumeChoice: Sendable {
    /// One is taken; several are asked about.
    let candidates: [RolloutHead]
    /// Not ended either, but not for these balancers, or overtaken.
    private let others: [RolloutHead]
    private let heads: [RolloutHead]
    private let controls: [String]

    init(_ heads: [RolloutHead], at controls: [String]) {
        let toGoOn = heads.toGoOn(at: controls)
        // One that is carried out needs nobody; alone it is told who has it.
        let idle = toGoOn.filter { $0.process == nil }
        candidates = idle.isEmpty ? Array(toGoOn.prefix(1)) : idle
        others = heads.filter { head in !head.hasEnded && head.process == nil && !toGoOn.contains { $0.folder == head.folder } }
        self.heads = heads
        self.controls = controls
    }

    var question: String {
        let names = candidates.map { "\($0.folder.id) of pool \($0.begin.pool)" }
        return "\(candidates.count) rollouts are unfinished: say which, \(names.joined(separator: " or "))"
    }

    /// Lines where there is no candidate.
    var nothing: [String] {
        let names = controls.joined(separator: ", ")
        return ["no rollout is unfinished at \(names)"] + others.map { head -> String in
            if head.isAt(controls), let later = heads.overtaking(head) {
                return "left alone: \(head.folder.id) did not end, but \(later.folder.id) of the same pool began after it"
            }
            return "of other balancers, \(head.begin.balancers.joined(separator: ", ")): lbctl rollout resume \(head.folder.words)"
        }
    }

    /// Nil: it may be gone on with.
    static func refusal(of folder: RolloutFolder, among heads: [RolloutHead]) -> String? {
        guard let head = heads.first(where: { $0.folder == folder }), !head.hasEnded, let later = heads.overtaking(head) else { return nil }
        return "\(later.folder.id) of the same pool began after it: to go on with the older one restarts again what the later one has restarted; "
            + "all the same: lbctl rollout resume \(folder.words) --force"
    }
}
