// lbctl config diff: what a reload would change.
import ArgumentParser
import ControlProtocol
import EventLoop

struct ConfigDiffCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Shows what 'config reload' would change: the running value, then the file's.",
        discussion: "Defaults are filled in. Exit status: 0 with differences too; 1 where the file has errors.")

    @OptionGroup var global: GlobalOptions

    func perform(_ console: Console) async -> ExitStatus { await Fleet(global, console).reportChanges(.difference) }
}
