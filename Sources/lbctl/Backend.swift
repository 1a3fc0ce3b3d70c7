// lbctl backend: a server of a pool added, changed and removed while lbd runs.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model

struct BackendCommand: VerbGroup {
    static let configuration = CommandConfiguration(
        commandName: "backend", abstract: "Adds, changes and removes servers of a pool while lbd runs.",
        subcommands: [BackendAddCommand.self, SetCommand<BackendKind>.self, RemoveCommand<BackendKind>.self])

    @OptionGroup var global: GlobalOptions
}

enum BackendKind: Changeable {
    typealias SetFlags = NoFlags

    static let words = ChangeWords(
        add: (
            "One more server of a pool; it takes connections when its probes find it up.",
            "Example: lbctl backend add web/web-4 127.0.0.1:9004 weight=2. 'config save' keeps it."
        ),
        set: ("Changes options of a backend, all or none.", "Example: lbctl backend set web/web-1 weight=3 connections-max="),
        remove: ("Takes servers out of their pool: no new connections, and gone when the last has ended.", ""),
        nameValue: "pool/backend")

    static func subject(_ word: String) throws -> ConfigurationSubject { .backend(try Word.backend(word)) }
}

/// Its address stands alone, where the others have options only.
struct BackendAddCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: BackendKind.words.add.abstract, discussion: BackendKind.words.add.discussion)

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("Its name, POOL/BACKEND.", valueName: "pool/backend"), transform: BackendKind.subject)
    var name: ConfigurationSubject

    @Argument(help: "Where it listens: IPv4:PORT, [IPv6]:PORT or unix:PATH.")
    var address: String

    @OptionGroup var arguments: SettingArguments

    func perform(_ console: Console) async -> ExitStatus {
        let settings = [Setting(key: "address", value: address)] + arguments.settings
        return await Fleet(global, console).reportChanges(.edit(.add(name, settings)))
    }
}
