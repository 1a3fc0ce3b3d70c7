// lbd's command line.
import ArgumentParser
import Model

struct Arguments: ParsableArguments {
    @Option(help: ArgumentHelp("The configuration file.", valueName: "file"))
    var config: String?

    @Flag(help: "Check the configuration file, tell every error as FILE:LINE:COLUMN, and exit: 0 or 78.")
    var check = false

    @Flag(help: "List every option of the configuration with its type, default and bounds, and exit.")
    var options = false

    /// For a better word than `unexpected argument` to whoever leaves out `--config`.
    @Argument(help: .hidden)
    var rest: [String] = []

    func validate() throws {
        if let word = rest.first {
            guard config == nil, rest.count == 1 else { throw ValidationError("Unexpected argument '\(word.escapedForOneLine)'") }
            throw ValidationError("Unexpected argument '\(word.escapedForOneLine)'; did you mean --config \(word.escapedForOneLine)?")
        }
        guard config != nil || options else { throw ValidationError("Missing expected argument '--config <file>'") }
        guard !(check && options) else { throw ValidationError("--check and --options cannot be used together") }
    }
}

/// Exists for its help, its version and its completion script; the work begins in `start`.
struct Lbd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lbd",
        abstract: "Spreads TCP connections over backends; everything about it is seen and changed with lbctl.",
        discussion: """
            Always runs in the foreground and logs to standard error or to log.file. TERM: listeners close, connections finish, \
            exit when the last has ended or at stop-deadline; TERM again, INT or QUIT: exit at once. HUP: the \
            configuration file is taken up again, all of it or nothing. USR1: log.file is opened anew.
            """,
        version: sluiceVersion)

    @OptionGroup var arguments: Arguments
}
