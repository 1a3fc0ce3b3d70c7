// The verbs add, set and remove, of whatever can be changed while lbd runs: one shape for every kind.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model

/// A kind of thing that has these verbs, and what is said of it.
protocol Changeable: Sendable {
    /// What its `set` takes besides options.
    associatedtype SetFlags: ForceFlags
    static var words: ChangeWords { get }
    static func subject(_ word: String) throws -> ConfigurationSubject
}

struct ChangeWords: Sendable {
    /// Of each verb: what it does, and more about it.
    typealias Help = (abstract: String, discussion: String)
    let add: Help
    let set: Help
    let remove: Help
    /// How its name is written, where that says more than `name`.
    var nameValue: String?
}

protocol ForceFlags: ParsableArguments, Sendable {
    var force: Bool { get }
}

struct NoFlags: ForceFlags {
    var force: Bool { false }
}

extension Changeable {
    fileprivate static func name(_ help: String) -> ArgumentHelp { ArgumentHelp(stringLiteral: help).named(words.nameValue) }
}

extension ArgumentHelp {
    fileprivate func named(_ value: String?) -> ArgumentHelp {
        var help = self
        if let value { help.valueName = value }
        return help
    }
}

extension CommandConfiguration {
    fileprivate init(_ verb: String, _ help: ChangeWords.Help) {
        self.init(commandName: verb, abstract: help.abstract, discussion: help.discussion)
    }
}

struct AddCommand<Kind: Changeable>: Verb {
    static var configuration: CommandConfiguration { CommandConfiguration("add", Kind.words.add) }

    @OptionGroup var global: GlobalOptions

    @Argument(help: Kind.name("Its name."), transform: Kind.subject)
    var name: ConfigurationSubject

    @OptionGroup var arguments: SettingArguments

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).reportChanges(.edit(.add(name, arguments.settings)))
    }
}

struct SetCommand<Kind: Changeable>: Verb {
    static var configuration: CommandConfiguration { CommandConfiguration("set", Kind.words.set) }

    @OptionGroup var global: GlobalOptions

    @Argument(help: Kind.name("Which."), transform: Kind.subject)
    var name: ConfigurationSubject

    @OptionGroup var arguments: SettingArguments
    @OptionGroup var flags: Kind.SetFlags

    func validate() throws { try arguments.checkGiven() }

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).reportChanges(.edit(.set(name, arguments.settings), force: flags.force))
    }
}

struct RemoveCommand<Kind: Changeable>: Verb {
    static var configuration: CommandConfiguration { CommandConfiguration("remove", Kind.words.remove) }

    @OptionGroup var global: GlobalOptions

    @Argument(help: Kind.name("Which; one or more."), transform: Kind.subject)
    var names: [ConfigurationSubject]

    @OptionGroup var options: RemovalOptions

    func perform(_ console: Console) async -> ExitStatus { await Fleet(global, console).reportRemoval(names, options) }
}
