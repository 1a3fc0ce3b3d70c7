// lbctl ready: back from maintenance or drain.
import ArgumentParser
import ControlProtocol
import EventLoop

struct ReadyCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "ready", abstract: "Brings backends back from maintenance or drain.",
        discussion: "Refuses (exit 4) to undo what another owner ordered without --force.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var arguments: BackendArguments
    @OptionGroup var owner: OwnerOption
    @OptionGroup var force: ForceFlag

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).report(
            .ready(arguments.backends, owner: owner.owner, force: force.force), as: WishRecord.self, text: \.text)
    }
}
