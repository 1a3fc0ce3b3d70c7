// The commands about the configuration: the verbs config, backend, pool, listener and log, read and written.
import Model

package enum ConfigurationCommand: Equatable, Sendable {
    /// The file on disk is checked.
    case check
    /// What runs; `defaults`: with every default filled in.
    case show(defaults: Bool)
    /// What a reload would change.
    case difference
    case reload
    /// `file` nil: the one that lbd was started with. `force`: over what somebody else has written there.
    case save(file: String?, force: Bool)
    /// Never a removal. `force`: a health check that no backend passes, too.
    case edit(ConfigurationEdit, force: Bool = false)
    /// The same options of several listeners, all at once: how clients are sent to another pool.
    case setListeners([ListenerName], [Setting])
    /// All of one kind. `now`: connections are reset, else they are drained.
    case remove([ConfigurationSubject], now: Bool, waiting: RemovalWait)
    /// `subsystem` nil: of all that have none of their own.
    case logLevel(LogConfiguration.Level, Subsystem?)
}

/// Whether the answer to a removal comes when it is begun or when it is done.
package enum RemovalWait: Equatable, Sendable {
    case no
    /// At most `deadline`; nil: the pool's own for drains.
    case untilGone(deadline: Duration?)
}

extension Verb {
    private static let removalKeys = ["now", "wait", "deadline"]

    static let configuration: [Verb] = [
        Verb(name: "config check", arguments: "", doc: "checks the configuration file on disk", keys: []),
        Verb(name: "config show", arguments: "[defaults=yes]", doc: "the running configuration as YAML, on request with every default", keys: ["defaults"]),
        Verb(name: "config diff", arguments: "", doc: "what config reload would change", keys: []),
        Verb(name: "config reload", arguments: "", doc: "takes up the file on disk, all of it or nothing", keys: []),
        Verb(
            name: "config save", arguments: "[file=PATH] [force=yes]", doc: "writes the running configuration to the file; comments are lost",
            keys: ["file", "force"]),
        Verb(name: "config set", arguments: "KEY=VALUE...", doc: "changes options of the top level and of log; 'KEY=' is back to the default", keys: [], takesSettings: true),
        Verb(name: "backend add", arguments: "POOL/BACKEND ADDRESS [KEY=VALUE...]", doc: "one more server of a pool", keys: [], takesSettings: true),
        Verb(name: "backend set", arguments: "POOL/BACKEND KEY=VALUE...", doc: "changes options of a backend", keys: [], takesSettings: true),
        Verb(
            name: "backend remove", arguments: "POOL/BACKEND... [now=yes] [wait=yes] [deadline=D]",
            doc: "drains it first; now=yes resets its connections", keys: removalKeys),
        Verb(name: "pool add", arguments: "NAME [KEY=VALUE...]", doc: "a new pool; backends.NAME=ADDRESS gives it backends", keys: [], takesSettings: true),
        Verb(
            name: "pool set", arguments: "NAME KEY=VALUE... [force=yes]",
            doc: "changes options of a pool, such as health.interval=1s; force=yes: a health check that no backend passes, too", keys: ["force"], takesSettings: true),
        Verb(name: "pool remove", arguments: "NAME... [now=yes] [wait=yes] [deadline=D]", doc: "drains its backends first", keys: removalKeys),
        Verb(name: "listener add", arguments: "NAME bind=ADDRESS pool=POOL [KEY=VALUE...]", doc: "a new listener", keys: [], takesSettings: true),
        Verb(name: "listener set", arguments: "NAME... KEY=VALUE...", doc: "changes options of a listener, or the same ones of several at once", keys: [], takesSettings: true),
        Verb(name: "listener remove", arguments: "NAME... [now=yes] [wait=yes] [deadline=D]", doc: "accepts no more; what it took goes on", keys: removalKeys),
        Verb(name: "log level", arguments: "LEVEL [SUBSYSTEM]", doc: "what is logged from now on: \(levels); of one part of lbd: \(subsystems)", keys: []),
    ]

    fileprivate static let subsystems = Subsystem.allCases.map(\.rawValue).joined(separator: " | ")
    fileprivate static let levels = LogConfiguration.Level.allCases.map(\.rawValue).joined(separator: " | ")
}

extension ConfigurationCommand {
    /// Nil: another verb.
    init?(_ arguments: inout Arguments) throws(LineError) {
        switch arguments.verb.name {
        case "config check": self = .check
        case "config show": self = .show(defaults: try arguments.flag("defaults"))
        case "config diff": self = .difference
        case "config reload": self = .reload
        case "config save": self = .save(file: try arguments.text("file", bytesMax: 4095), force: try arguments.flag("force"))
        case "config set": self = .edit(.set(.lbd, try arguments.settings(atLeast: 1)))
        case "log level": self = .logLevel(try arguments.level(), try arguments.subsystem())
        case let name:
            guard let kind = SubjectKind.allCases.first(where: { name.hasPrefix($0.rawValue + " ") }) else { return nil }
            self = try ConfigurationCommand(kind, name.dropFirst(kind.rawValue.count + 1), &arguments)
        }
    }

    private init(_ kind: SubjectKind, _ action: Substring, _ arguments: inout Arguments) throws(LineError) {
        switch action {
        case "add":
            let subject = try arguments.subject(kind)
            let address = kind == .backend ? arguments.word().map { [Setting(key: "address", value: $0)] } : nil
            self = .edit(.add(subject, (address ?? []) + (try arguments.settings(atLeast: 0))))
        case "set" where kind == .listener: self = try ConfigurationCommand(setting: arguments.subjects(kind), arguments.settings(atLeast: 1))
        case "set":
            let force = kind == .pool ? try arguments.flag("force") : false
            self = .edit(.set(try arguments.subject(kind), try arguments.settings(atLeast: 1)), force: force)
        case "remove": self = try .remove(arguments.subjects(kind), now: arguments.flag("now"), waiting: arguments.waiting())
        case let name: preconditionFailure("'\(kind.rawValue) \(name)' stands in the list but is not read")
        }
    }

    private init(setting listeners: [ConfigurationSubject], _ settings: [Setting]) {
        let names = listeners.compactMap { subject -> ListenerName? in
            guard case .listener(let name) = subject else { return nil }
            return name
        }
        self = names.count == 1 ? .edit(.set(.listener(names[0]), settings)) : .setListeners(names, settings)
    }

    var words: [String] {
        switch self {
        case .check: return ["config", "check"]
        case .show(let defaults): return ["config", "show"] + (defaults ? ["defaults=yes"] : [])
        case .difference: return ["config", "diff"]
        case .reload: return ["config", "reload"]
        case .save(let file, let force): return ["config", "save"] + (file.map { ["file=\($0)"] } ?? []) + (force ? ["force=yes"] : [])
        case .edit(.add(let subject, let settings), _): return subject.words("add") + settings.map(\.word)
        case .edit(.set(let subject, let settings), let force): return subject.words("set") + settings.map(\.word) + (force ? ["force=yes"] : [])
        case .setListeners(let names, let settings): return ["listener", "set"] + names.map(\.text) + settings.map(\.word)
        case .edit(.remove(let subject), _): return ConfigurationCommand.remove([subject], now: false, waiting: .no).words
        case .remove(let subjects, let now, let waiting):
            guard let first = subjects.first else { preconditionFailure("a removal is of something") }
            return first.words("remove") + subjects.dropFirst().map(\.name) + (now ? ["now=yes"] : []) + waiting.words
        case .logLevel(let level, let subsystem): return ["log", "level", level.rawValue] + (subsystem.map { [$0.rawValue] } ?? [])
        }
    }
}

/// What has the verbs add, set and remove.
enum SubjectKind: String, CaseIterable { case backend, pool, listener }

extension Arguments {
    /// One name of the kind.
    fileprivate mutating func subject(_ kind: SubjectKind) throws(LineError) -> ConfigurationSubject {
        guard let word = word() else { throw LineError(description: "'\(verb.name)' needs a \(kind.rawValue): \(verb.usage)") }
        do throws(NameError) {
            switch kind {
            case .backend: return .backend(try BackendReference(word))
            case .pool: return .pool(try PoolName(word))
            case .listener: return .listener(try ListenerName(word))
            }
        } catch {
            throw LineError(description: kind == .backend ? error.description : "'\(word.escapedForOneLine)': \(error.description)")
        }
    }

    fileprivate mutating func subjects(_ kind: SubjectKind) throws(LineError) -> [ConfigurationSubject] {
        var subjects = [try subject(kind)]
        // A line holds thousands of names: looked up, not searched for.
        var named = Set(subjects)
        while isMore {
            let next = try subject(kind)
            if named.insert(next).inserted { subjects.append(next) }
        }
        return subjects
    }

    fileprivate func settings(atLeast least: Int) throws(LineError) -> [Setting] {
        guard settings.count >= least else { throw LineError(description: "'\(verb.name)' needs KEY=VALUE: \(verb.usage)") }
        return settings
    }

    fileprivate mutating func level() throws(LineError) -> LogConfiguration.Level {
        let word = word() ?? ""
        guard let level = LogConfiguration.Level(rawValue: word) else {
            throw LineError(description: "'\(word.escapedForOneLine)' is no level: write \(Verb.levels)")
        }
        return level
    }

    fileprivate mutating func subsystem() throws(LineError) -> Subsystem? {
        guard let word = word() else { return nil }
        guard let subsystem = Subsystem(rawValue: word) else {
            throw LineError(description: "'\(word.escapedForOneLine)' is no part of lbd: write \(Verb.subsystems)")
        }
        return subsystem
    }

    fileprivate mutating func waiting() throws(LineError) -> RemovalWait {
        let deadline = try duration("deadline")
        let waits = try flag("wait")
        guard waits || deadline == nil else { throw LineError(description: "deadline= needs wait=yes") }
        return waits ? .untilGone(deadline: deadline) : .no
    }
}

extension RemovalWait {
    fileprivate var words: [String] {
        switch self {
        case .no: []
        case .untilGone(let deadline): ["wait=yes"] + (deadline.map { ["deadline=\($0.written)"] } ?? [])
        }
    }
}

extension Setting {
    fileprivate var word: String { "\(key)=\(value)" }
}

extension ConfigurationSubject {
    fileprivate func words(_ action: String) -> [String] {
        switch self {
        case .lbd: ["config", action]
        case .listener: ["listener", action, name]
        case .pool: ["pool", action, name]
        case .backend: ["backend", action, name]
        }
    }

    /// As commands name it.
    fileprivate var name: String {
        switch self {
        case .lbd: ""
        case .listener(let name): name.text
        case .pool(let name): name.text
        case .backend(let reference): reference.description
        }
    }
}
