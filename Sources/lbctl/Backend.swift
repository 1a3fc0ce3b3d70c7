// lbctl backend: a server of a pool added, changed and removed while lbd runs.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model

struct BackendCommand: VerbGroup {
    static let configuration = CommandConfiguration(
        commandName: "backend", abstract: "Adds, changes and removes servers of a pool while lbd runs.",
        subcommands: [BackendAddCommand.self, BackendSetCommand.self, BackendRemoveCommand.self])

    @OptionGroup var global: GlobalOptions
}

struct BackendAddCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "One more server of a pool; it takes connections when its probes find it up.",
        discussion: "Example: lbctl backend add web/web-4 127.0.0.1:9004 weight=2. 'config save' keeps it.")

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("Its name, POOL/BACKEND.", valueName: "pool/backend"), transform: Word.backend)
    var backend: BackendReference

    @Argument(help: "Where it listens: IPv4:PORT, [IPv6]:PORT or unix:PATH.")
    var address: String

    @OptionGroup var arguments: SettingArguments

    func perform(_ console: Console) async -> ExitStatus {
        let settings = [Setting(key: "address", value: address)] + arguments.settings
        return await Fleet(global, console).reportChanges(.edit(.add(.backend(backend), settings)))
    }
}

struct BackendSetCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Changes options of a backend, all or none.",
        discussion: "Example: lbctl backend set web/web-1 weight=3 connections-max=")

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("Which, POOL/BACKEND.", valueName: "pool/backend"), transform: Word.backend)
    var backend: BackendReference

    @OptionGroup var arguments: SettingArguments

    func validate() throws { try arguments.checkGiven() }

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).reportChanges(.edit(.set(.backend(backend), arguments.settings)))
    }
}

struct BackendRemoveCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Takes servers out of their pool: no new connections, and gone when the last has ended.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var arguments: BackendArguments
    @OptionGroup var options: RemovalOptions

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).reportRemoval(arguments.backends.map(ConfigurationSubject.backend), options)
    }
}
