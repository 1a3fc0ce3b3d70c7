// lbctl listener: where connections are taken added, changed and removed while lbd runs.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model

struct ListenerCommand: VerbGroup {
    static let configuration = CommandConfiguration(
        commandName: "listener", abstract: "Adds, changes and removes listeners while lbd runs.",
        subcommands: [ListenerAddCommand.self, ListenerSetCommand.self, ListenerRemoveCommand.self])

    @OptionGroup var global: GlobalOptions
}

struct ListenerAddCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "A new listener; it needs bind and pool.",
        discussion: "Example: lbctl listener add api bind=127.0.0.1:8081 pool=api. 'config save' keeps it.")

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Its name.", transform: Word.listener)
    var name: ListenerName

    @OptionGroup var arguments: SettingArguments

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).reportChanges(.edit(.add(.listener(name), arguments.settings)))
    }
}

struct ListenerSetCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Changes options of a listener, all or none.",
        discussion: "Example: lbctl listener set web pool=web-new connections-max=5000")

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Which.", transform: Word.listener)
    var name: ListenerName

    @OptionGroup var arguments: SettingArguments

    func validate() throws { try arguments.checkGiven() }

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).reportChanges(.edit(.set(.listener(name), arguments.settings)))
    }
}

struct ListenerRemoveCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Closes listeners; what they have taken goes on.")

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Which.", transform: Word.listener)
    var names: [ListenerName]

    @OptionGroup var options: RemovalOptions

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).reportRemoval(names.map(ConfigurationSubject.listener), options)
    }
}
