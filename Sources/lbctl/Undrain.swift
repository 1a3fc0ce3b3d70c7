// lbctl undrain: back in rotation.
import ArgumentParser
import ControlProtocol
import EventLoop

struct UndrainCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "undrain", abstract: "Brings drained backends back into rotation.",
        discussion: "Refuses (exit 4) to end another owner's drain without --force.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var arguments: BackendArguments
    @OptionGroup var owner: OwnerOption
    @OptionGroup var force: ForceFlag

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).report(
            .undrain(arguments.backends, owner: owner.owner, force: force.force), as: WishRecord.self, text: \.text)
    }
}
