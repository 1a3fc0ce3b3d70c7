// lbctl config set: options of the top level and of log.
import ArgumentParser
import ControlProtocol
import EventLoop

struct ConfigSetCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Changes options of the top level and of log while lbd runs.",
        discussion: "All or nothing. 'config save' keeps it. Example: lbctl config set stop-deadline=5m log.format=json")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var arguments: SettingArguments

    func validate() throws { try arguments.checkGiven() }

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).reportChanges(.edit(.set(.lbd, arguments.settings)))
    }
}
