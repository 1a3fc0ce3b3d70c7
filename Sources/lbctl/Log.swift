// lbctl log: what lbd logs.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model

struct LogCommand: VerbGroup {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "What lbd logs, changed while it runs.", subcommands: [LogLevelCommand.self])

    @OptionGroup var global: GlobalOptions
}

struct LogLevelCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "level", abstract: "Sets the least severity that is logged: debug, info, warning or error.",
        discussion: "The same as 'config set log.level=LEVEL', or with a subsystem as 'config set log.levels.SUBSYSTEM=LEVEL'; 'config set log.levels.SUBSYSTEM=' lets it follow the others again.")

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("debug, info, warning or error.", valueName: "level"), transform: Word.level)
    var level: LogConfiguration.Level

    @Argument(
        help: ArgumentHelp("The part of lbd that it is for: \(Subsystem.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "subsystem"),
        transform: Word.subsystem)
    var subsystem: Subsystem?

    func perform(_ console: Console) async -> ExitStatus { await Fleet(global, console).reportChanges(.logLevel(level, subsystem)) }
}

extension Word {
    fileprivate static func level(_ text: String) throws -> LogConfiguration.Level {
        guard let level = LogConfiguration.Level(rawValue: text) else {
            throw ValidationError("'\(text.escapedForOneLine)' is no level: write debug, info, warning or error")
        }
        return level
    }

    fileprivate static func subsystem(_ text: String) throws -> Subsystem {
        guard let subsystem = Subsystem(rawValue: text) else {
            throw ValidationError(
                "'\(text.escapedForOneLine)' is no part of lbd: write one of \(Subsystem.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return subsystem
    }
}
