// lbctl pool: a pool of backends added, changed and removed while lbd runs.
import ArgumentParser
import ControlProtocol
import Model

struct PoolCommand: VerbGroup {
    static let configuration = CommandConfiguration(
        commandName: "pool", abstract: "Adds, changes and removes pools while lbd runs.",
        subcommands: [AddCommand<PoolKind>.self, SetCommand<PoolKind>.self, RemoveCommand<PoolKind>.self])

    @OptionGroup var global: GlobalOptions
}

enum PoolKind: Changeable {
    struct SetFlags: ForceFlags {
        @Flag(help: "Also a health check that no backend passes.")
        var force = false
    }

    static let words = ChangeWords(
        add: (
            "A new pool, empty where no backends are given.",
            "Example: lbctl pool add api balance=random backends.api-1=127.0.0.1:9001. 'config save' keeps it."
        ),
        set: (
            "Changes options of a pool, all or none.",
            """
            A new health check is tried first, once at each backend that is up: where none of them passes, they would all \
            go down, and the change is refused (exit status 4) but for --force. \
            Example: lbctl pool set web balance=random health.interval=1s drain.deadline=
            """
        ),
        remove: ("Takes pools away, with their backends.", "Exit status 4: a listener or another pool still sends connections there."))

    static func subject(_ word: String) throws -> ConfigurationSubject { .pool(try Word.pool(word)) }
}
