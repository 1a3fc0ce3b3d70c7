// lbctl maintain: out of rotation and out of probing.
import ArgumentParser
import ControlProtocol
import EventLoop

struct MaintainCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "maintain", abstract: "Takes backends out of rotation and out of probing.",
        discussion: "Connections that stand go on: see 'lbctl explain'. 'lbctl ready' brings them back. A rollout leaves them out.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var arguments: BackendArguments
    @OptionGroup var owner: OwnerOption

    @Option(help: ArgumentHelp("Why, for whoever looks at the status.", valueName: "text"), transform: Word.text)
    var reason: String?

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).report(
            .maintain(arguments.backends, owner: owner.owner, reason: reason), as: WishRecord.self, text: \.text)
    }
}
