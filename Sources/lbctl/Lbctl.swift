// The verbs of lbctl, and the way from the command line to one of them.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model
import Orchestrator

typealias ExitStatus = ControlProtocol.ExitCode

struct Lbctl: VerbGroup {
    static let configuration = CommandConfiguration(
        commandName: "lbctl",
        abstract: "Sees and changes running balancers, and restarts what stands behind them.",
        discussion: """
            Durations are written 250ms, 2s, 5m, 1h. Data goes to standard output, progress and messages to \
            standard error.

            Exit status: 0 done, 1 failed, 3 the deadline passed first, 4 refused because it would not be safe, \
            5 no balancer answers, 64 bad usage. With several balancers: the highest.
            """,
        version: sluiceVersion,
        subcommands: [
            StatusCommand.self, DrainCommand.self, UndrainCommand.self, MaintainCommand.self, ReadyCommand.self,
            ProbeCommand.self, ExplainCommand.self, ConnectionsCommand.self, CloseCommand.self, MeasureCommand.self,
            ShareCommand.self, UnshareCommand.self, EventsCommand.self, TopCommand.self,
            BackendCommand.self, PoolCommand.self, ListenerCommand.self, ConfigCommand.self, LogCommand.self, RolloutCommand.self,
        ])

    @OptionGroup var global: GlobalOptions

    /// Argument parser counts what stands after a mistyped verb as too many arguments: that is told as the typo it is.
    static func parsed(_ words: [String]) throws -> any ParsableCommand {
        do { return try parseAsRoot(words) } catch {
            // Help, versions and completion scripts come as errors too.
            guard exitCode(for: error) != .success, let message = unknownVerb(in: words) else { throw error }
            throw ValidationError(message)
        }
    }

    /// Nil where every verb is known, or an option is not: then that is the mistake.
    private static func unknownVerb(in words: [String]) -> String? {
        var group: any ParsableCommand.Type = Lbctl.self
        var rest = words[...]
        while let word = rest.popFirst() {
            if ["--control", "--output", "-o"].contains(word) {
                rest = rest.dropFirst()
            } else if !word.hasPrefix("--control="), !word.hasPrefix("--output=") {
                if word.hasPrefix("-") || word == "help" { return nil }
                guard let verb = group.verbs.first(where: { $0.verbName == word }) else { return group.noVerb(word) }
                if verb.verbs.isEmpty { return nil }
                group = verb
            }
        }
        return nil
    }
}

/// A word that needs a verb after it. Without one a script has a mistake, so help alone (exit 0) will not do.
protocol VerbGroup: ParsableCommand {}

extension VerbGroup {
    func run() throws {
        throw ValidationError("\(Self.verbName) needs \(alternatives(Self.verbs.map { $0.verbName }))")
    }
}

extension ParsableCommand {
    fileprivate static func noVerb(_ word: String) -> String {
        let names = verbs.map { $0.verbName }
        let hint = word.nearest(among: names).map { "did you mean '\($0)'?" } ?? "\(verbName) knows \(alternatives(names))"
        return "no verb '\(word.escapedForOneLine)'; \(hint)"
    }

    static var verbName: String { configuration.commandName ?? _commandName }
    static var verbs: [any ParsableCommand.Type] { configuration.subcommands }
}

/// `'a'`, `'a' or 'b'`, `'a', 'b' or 'c'`.
private func alternatives(_ names: [String]) -> String {
    let quoted = names.map { "'\($0)'" }
    return quoted.dropLast().joined(separator: ", ") + (quoted.count > 1 ? " or " : "") + (quoted.last ?? "")
}

/// One verb: parsed without a thread of its own (argument parser's async commands would start Swift's global
/// pool), performed on the loop.
protocol Verb: ParsableCommand, Sendable {
    var global: GlobalOptions { get }
    @ControlPlane func perform(_ console: Console) async -> ExitStatus
}

/// The process's exit status; help and bad usage end the process themselves.
func runCommandLine() -> Int32 {
    // Before any parsing: what follows is another program's command line, with options of its own.
    let words = Array(CommandLine.arguments.dropFirst())
    if words.first == Runner.verb { return Loop.shared.run { await Runner.run(Array(words.dropFirst())) } }
    do {
        var command = try Lbctl.parsed(words)
        guard let verb = command as? any Verb else {
            try command.run()
            return ExitStatus.done.rawValue
        }
        return run(verb)
    } catch {
        Lbctl.exit(withError: error)
    }
}

private func run(_ verb: some Verb) -> Int32 {
    Loop.shared.run {
        let console = Console(prefixes: verb.global.balancers.count > 1)
        let status = await verb.perform(console)
        console.clear()
        return (status == .done && console.isBroken ? .failed : status).rawValue
    }
}
