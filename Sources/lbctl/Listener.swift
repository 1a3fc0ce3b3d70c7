// lbctl listener: where connections are taken added, changed and removed while lbd runs.
import ArgumentParser
import ControlProtocol
import Model

struct ListenerCommand: VerbGroup {
    static let configuration = CommandConfiguration(
        commandName: "listener", abstract: "Adds, changes and removes listeners while lbd runs.",
        subcommands: [AddCommand<ListenerKind>.self, ListenerSetCommand.self, RemoveCommand<ListenerKind>.self])

    @OptionGroup var global: GlobalOptions
}

enum ListenerKind: Changeable {
    typealias SetFlags = NoFlags

    static let words = ChangeWords(
        add: (
            "A new listener; it needs bind and pool.",
            "Example: lbctl listener add api bind=127.0.0.1:8081 pool=api. 'config save' keeps it."
        ),
        set: (
            "Changes options of a listener, or the same ones of several at once, all or none.",
            "Examples: lbctl listener set web pool=web-new connections-max=5000; lbctl listener set web web-tls pool=web-new"
        ),
        remove: ("Closes listeners; what they have taken goes on.", ""))

    static func subject(_ word: String) throws -> ConfigurationSubject { .listener(try Word.listener(word)) }
}
