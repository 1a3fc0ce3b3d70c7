// lbctl pool: a pool of backends added, changed and removed while lbd runs.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model

struct PoolCommand: VerbGroup {
    static let configuration = CommandConfiguration(
        commandName: "pool", abstract: "Adds, changes and removes pools while lbd runs.",
        subcommands: [PoolAddCommand.self, PoolSetCommand.self, PoolRemoveCommand.self])

    @OptionGroup var global: GlobalOptions
}

struct PoolAddCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "A new pool, empty where no backends are given.",
        discussion: "Example: lbctl pool add api balance=random backends.api-1=127.0.0.1:9001. 'config save' keeps it.")

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Its name.", transform: Word.pool)
    var name: PoolName

    @OptionGroup var arguments: SettingArguments

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).reportChanges(.edit(.add(.pool(name), arguments.settings)))
    }
}

struct PoolSetCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Changes options of a pool, all or none.",
        discussion: "Example: lbctl pool set web balance=random health.interval=1s drain.deadline=")

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Which.", transform: Word.pool)
    var name: PoolName

    @OptionGroup var arguments: SettingArguments

    func validate() throws { try arguments.checkGiven() }

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).reportChanges(.edit(.set(.pool(name), arguments.settings)))
    }
}

struct PoolRemoveCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Takes pools away, with their backends.",
        discussion: "Exit status 4: a listener or another pool still sends connections there.")

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Which.", transform: Word.pool)
    var names: [PoolName]

    @OptionGroup var options: RemovalOptions

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).reportRemoval(names.map(ConfigurationSubject.pool), options)
    }
}
