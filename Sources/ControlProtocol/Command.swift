// The commands of the control socket: each with its words and keys, read from a line and written to one.
import Model

package enum Output: String, Sendable { case text, json }

/// A request: what to do, and how to print the answer.
package struct Request: Equatable, Sendable {
    package let command: Command
    package let output: Output

    package init(_ command: Command, output: Output = .text) {
        self.command = command
        self.output = output
    }
}

/// What `status` is about: these pools and backends, or everything.
package struct StatusScope: Equatable, Sendable {
    package private(set) var pools: Set<PoolName> = []
    package private(set) var backends: Set<BackendReference> = []

    package static let everything = StatusScope()
    package static func pool(_ name: PoolName) -> StatusScope { everything.and(name) }
    package static func backend(_ reference: BackendReference) -> StatusScope { everything.and(reference) }

    package var isEverything: Bool { pools.isEmpty && backends.isEmpty }

    package func and(_ name: PoolName) -> StatusScope {
        var scope = self
        scope.pools.insert(name)
        return scope
    }

    package func and(_ reference: BackendReference) -> StatusScope {
        var scope = self
        scope.backends.insert(reference)
        return scope
    }

    package func and(_ other: StatusScope) -> StatusScope {
        var scope = self
        scope.add(other)
        return scope
    }

    /// In place: a line holds thousands of names, and a copy for each would take its time.
    package mutating func add(_ other: StatusScope) {
        pools.formUnion(other.pools)
        backends.formUnion(other.backends)
    }

    /// The listeners of a pool belong to it, not to one of its backends.
    package func includesListeners(of pool: PoolName) -> Bool { isEverything || pools.contains(pool) }

    package func includes(_ backend: BackendReference) -> Bool {
        isEverything || pools.contains(backend.pool) || backends.contains(backend)
    }
}

package struct DrainOrder: Equatable, Sendable {
    package let backends: [BackendReference]
    /// nil: the user behind the socket.
    package let owner: String?
    package let reason: String?
    /// A drain that is not renewed for so long ends; nil: it stays.
    package let lease: Duration?
    /// Only for a drain that stands and is the owner's: it is updated, never begun.
    package let renews: Bool
    /// From now on, and what happens then; nil: as the pool has it.
    package let deadline: Duration?
    package let atDeadline: DrainEnd?
    /// The answer comes when all are empty, or the deadline of one that is kept has passed.
    package let waits: Bool

    package init(
        backends: [BackendReference], owner: String? = nil, reason: String? = nil, lease: Duration? = nil, renews: Bool = false,
        deadline: Duration? = nil, atDeadline: DrainEnd? = nil, waits: Bool = false
    ) {
        self.backends = backends
        self.owner = owner
        self.reason = reason
        self.lease = lease
        self.renews = renews
        self.deadline = deadline
        self.atDeadline = atDeadline
        self.waits = waits
    }

    fileprivate var unawaited: DrainOrder {
        DrainOrder(
            backends: backends, owner: owner, reason: reason, lease: lease, renews: renews, deadline: deadline, atDeadline: atDeadline)
    }
}

package enum Command: Equatable, Sendable {
    /// nil: every verb.
    case help(verb: String?)
    case status(StatusScope)
    case drain(DrainOrder)
    case undrain([BackendReference], owner: String?, force: Bool)
    case maintain([BackendReference], owner: String?, reason: String?)
    case ready([BackendReference], owner: String?, force: Bool)
    case probe([BackendReference], timeout: Duration?)
    /// `since`: only what came after the event of this number.
    case events(follow: Bool, since: UInt64?)
    case configuration(ConfigurationCommand)
    case connections(ConnectionsOrder)
    case close([ConnectionID], reset: Bool)
    case explain(BackendReference)
    case share(ShareOrder)
    case unshare(PoolName, owner: String?, force: Bool)
    /// `ages`: of the connections that hold the backends too.
    case measure(PoolName, ages: Bool)
    case rolloutReport(RolloutNotice)
}

extension Command {
    /// Whether its answer may take seconds, or as long as the asker likes.
    package var lasts: Bool {
        switch self {
        case .events(let follow, _): follow
        case .drain(let order): order.waits
        case .configuration(.remove(_, _, let waiting)): waiting != .no
        case .probe: true
        case .help, .status, .undrain, .maintain, .ready, .configuration, .connections, .close, .explain, .share, .unshare, .measure, .rolloutReport: false
        }
    }
}

extension Command {
    /// Whether it only asks: of somebody who does not wait for the answer it is nothing to be done.
    package var onlyAsks: Bool {
        switch self {
        case .help, .status, .events, .connections, .explain, .probe, .measure: true
        case .configuration(.check), .configuration(.show), .configuration(.difference): true
        case .configuration, .drain, .undrain, .maintain, .ready, .close, .share, .unshare, .rolloutReport: false
        }
    }
}

extension Command {
    /// The same where nobody waits for the answer; nil: then there is nothing to be done.
    package var unawaited: Command? {
        guard !onlyAsks else { return nil }
        return switch self {
        case .drain(let order): .drain(order.unawaited)
        case .configuration(.remove(let subjects, let now, _)): .configuration(.remove(subjects, now: now, waiting: .no))
        case .configuration, .undrain, .maintain, .ready, .close, .share, .unshare, .rolloutReport: self
        case .help, .status, .events, .connections, .explain, .probe, .measure: self
        }
    }
}

extension Request {
    private static let askingVerbs: Set<Substring> = ["help", "status", "events", "connections", "explain", "probe", "measure"]
    private static let orderingVerbs = Set(Verb.all.map { $0.names[0] }).subtracting(askingVerbs).map { Array($0.utf8) }
    private static let verbBytesMax = 20

    /// False: nonsense, or it only asks, as its first word tells. Of much that nobody waits for most is known so, at little cost.
    package static func mayOrder(_ line: [UInt8]) -> Bool {
        let word = line.prefix(verbBytesMax).prefix { 0x61...0x7A ~= $0 }
        // Anything else may be a quote.
        let isPlain = word.count == verbBytesMax || word.count == line.count || line[word.count] == UInt8(ascii: " ")
        return !isPlain || orderingVerbs.contains(Array(word))
    }
}

/// One verb as `help` prints it and as `Request.init` checks it.
package struct Verb: Sendable {
    package let name: String
    package let arguments: String
    package let doc: String
    let keys: [String]
    /// `KEY=VALUE` of the configuration file's options, besides its own keys.
    let takesSettings: Bool
    /// `POOL/BACKEND=PERCENT` are words of it: no key has a slash.
    let takesShares: Bool
    /// Words of the verb: `drain`, `config check`.
    fileprivate let names: [Substring]

    init(name: String, arguments: String, doc: String, keys: [String], takesSettings: Bool = false, takesShares: Bool = false) {
        (self.name, self.arguments, self.doc, self.keys) = (name, arguments, doc, keys)
        (self.takesSettings, self.takesShares) = (takesSettings, takesShares)
        names = name.split(separator: " ")
    }

    package static let all: [Verb] = [
        Verb(name: "help", arguments: "[VERB]", doc: "this list, or one verb of it", keys: []),
        Verb(name: "status", arguments: "[POOL[/BACKEND]...]", doc: "wish, probe, availability and connections", keys: []),
        Verb(
            name: "drain", arguments: "POOL/BACKEND... [wait=yes] [deadline=D] [at-deadline=keep|close|reset] [owner=NAME] [reason=TEXT] [lease=D] [renew=yes]",
            doc: "no new connections; what stands goes on; renew=yes updates a drain of one's own and begins none",
            keys: ["wait", "deadline", "at-deadline", "owner", "reason", "lease", "renew"]),
        Verb(
            name: "undrain", arguments: "POOL/BACKEND... [owner=NAME] [force=yes]",
            doc: "back in rotation", keys: ["owner", "force"]),
        Verb(
            name: "maintain", arguments: "POOL/BACKEND... [owner=NAME] [reason=TEXT]",
            doc: "out of rotation and out of probing", keys: ["owner", "reason"]),
        Verb(
            name: "ready", arguments: "POOL/BACKEND... [owner=NAME] [force=yes]",
            doc: "back from maintenance or drain", keys: ["owner", "force"]),
        Verb(
            name: "probe", arguments: "POOL/BACKEND... [timeout=D]",
            doc: "fresh probes now, until rise or timeout, and their finding", keys: ["timeout"]),
        Verb(
            name: "events", arguments: "[follow=yes] [since=SEQUENCE]",
            doc: "every state change, or those after one", keys: ["follow", "since"]),
    ] + configuration + connectionVerbs + shareVerbs + rolloutVerbs

    package var usage: String { arguments.isEmpty ? name : "\(name) \(arguments)" }
}

extension Verb {
    /// One verb, or a group of them: `drain`, `config check`, `config`.
    package static func named(_ text: String) -> [Verb] { all.filter { $0.name == text || $0.name.hasPrefix(text + " ") } }

    static func unknown(_ name: String) -> LineError {
        let nearest = name.nearest(among: Verb.all.map { String($0.names[0]) }).map { "did you mean '\($0)'?" } ?? "try 'help'"
        return LineError(description: "unknown verb '\(name.escapedForOneLine)'; \(nearest)")
    }
}

extension Request {
    /// Reads a request line. Every error names the word and what would be right.
    package init(line: [UInt8]) throws(LineError) {
        let words = try RequestLine.words(line)
        guard let name = words.first else { throw LineError(description: "the line is empty: try 'help'") }
        let group = Verb.all.filter { $0.names[0] == name }
        guard let first = group.first else { throw Verb.unknown(name) }
        guard let verb = first.names.count == 1 ? first : group.first(where: { words.dropFirst().starts(with: $0.names.dropFirst().map(String.init)) }) else {
            throw Request.unknownAction(words.dropFirst().first, of: name, in: group)
        }
        var arguments = try Arguments(verb: verb, words: words.dropFirst(verb.names.count))
        let output = try arguments.output()
        self.init(try Command(&arguments), output: output)
        try arguments.finish()
    }

    private static func unknownAction(_ word: String?, of name: String, in group: [Verb]) -> LineError {
        let actions = group.map { String($0.names[1]) }
        let choice = group.map(\.name).joined(separator: ", ")
        guard let word else { return LineError(description: "'\(name)' is not all of it: write \(choice)") }
        let hint = word.nearest(among: actions).map { "did you mean '\(name) \($0)'?" } ?? "write \(choice)"
        return LineError(description: "unknown verb '\(name) \(word.escapedForOneLine)'; \(hint)")
    }

    /// The line that reads back as this request.
    package var line: String {
        let words = command.words + (output == .json ? ["output=json"] : [])
        return words.map(RequestLine.quoted).joined(separator: " ")
    }
}

/// The words of one request while they are taken apart.
struct Arguments {
    let verb: Verb
    private var plain: ArraySlice<String>
    private var values: [String: String] = [:]
    /// Options of the configuration file, in the order of the line.
    private(set) var settings: [Setting] = []

    init(verb: Verb, words: ArraySlice<String>) throws(LineError) {
        self.verb = verb
        var plain: [String] = []
        // A line holds thousands of them: looked up, not searched for.
        var named: Set<String> = []
        for word in words {
            guard let equals = word.firstIndex(of: "=") else {
                plain.append(word)
                continue
            }
            let key = String(word[..<equals])
            guard !verb.takesShares || !key.contains("/") else {
                plain.append(word)
                continue
            }
            if verb.takesSettings, key != "output", !verb.keys.contains(key) {
                guard named.insert(key).inserted else { throw LineError(description: "key '\(key.escapedForOneLine)' stands twice") }
                settings.append(Setting(key: key, value: String(word[word.index(after: equals)...])))
                continue
            }
            guard key == "output" || verb.keys.contains(key) else {
                let known = verb.keys + ["output"]
                let nearest = key.nearest(among: known) ?? known.joined(separator: ", ")
                throw LineError(description: "'\(verb.name)' has no key '\(key.escapedForOneLine)'; it knows: \(nearest)")
            }
            guard values.updateValue(String(word[word.index(after: equals)...]), forKey: key) == nil else {
                throw LineError(description: "key '\(key)' stands twice")
            }
        }
        self.plain = plain[...]
    }

    mutating func word() -> String? { plain.popFirst() }
    var isMore: Bool { !plain.isEmpty }

    mutating func backends() throws(LineError) -> [BackendReference] {
        var backends: [BackendReference] = []
        // A line holds thousands of names: looked up, not searched for.
        var named: Set<BackendReference> = []
        while let word = word() {
            let backend: BackendReference
            do { backend = try BackendReference(word) } catch { throw LineError(description: error.description) }
            if named.insert(backend).inserted { backends.append(backend) }
        }
        guard !backends.isEmpty else { throw LineError(description: "'\(verb.name)' needs a backend: \(verb.usage)") }
        return backends
    }

    /// Free text that goes into logs and status lines: printable, and not long.
    mutating func text(_ key: String, bytesMax: Int = 200) throws(LineError) -> String? {
        guard let text = values.removeValue(forKey: key) else { return nil }
        guard !text.isEmpty, text.utf8.count <= bytesMax else {
            throw LineError(description: "\(key) is 1 to \(bytesMax) bytes of text")
        }
        // The line has no ASCII controls; these are the others that terminals obey.
        guard !text.unicodeScalars.contains(where: { (0x80...0x9F).contains($0.value) }) else {
            throw LineError(description: "\(key) holds a control character: write plain text")
        }
        return text
    }

    mutating func duration(_ key: String) throws(LineError) -> Duration? {
        guard let text = values.removeValue(forKey: key) else { return nil }
        do { return try Duration(written: text) } catch {
            throw LineError(description: "\(key)=\(text.escapedForOneLine): \(error)")
        }
    }

    /// One that has to last.
    mutating func time(_ key: String) throws(LineError) -> Duration? {
        guard let duration = try duration(key) else { return nil }
        guard duration > .zero else { throw LineError(description: "\(key)=\(duration.written) is no time at all; write \(key)=10s, say") }
        return duration
    }

    mutating func flag(_ key: String) throws(LineError) -> Bool {
        switch values.removeValue(forKey: key) {
        case nil, "no": return false
        case "yes": return true
        case .some(let text): throw LineError(description: "\(key)=\(text.escapedForOneLine): write yes or no")
        }
    }

    /// One of a few words.
    mutating func word<Word: RawRepresentable<String> & CaseIterable>(_ key: String) throws(LineError) -> Word? {
        guard let text = values.removeValue(forKey: key) else { return nil }
        guard let word = Word(rawValue: text) else {
            let known = Word.allCases.map(\.rawValue).joined(separator: ", ")
            throw LineError(description: "\(key)=\(text.escapedForOneLine): write one of \(known)")
        }
        return word
    }

    mutating func count(_ key: String, in range: ClosedRange<Int>) throws(LineError) -> Int? {
        guard let text = values.removeValue(forKey: key) else { return nil }
        guard let count = Int(text), range.contains(count) else {
            throw LineError(description: "\(key)=\(text.escapedForOneLine): write a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return count
    }

    mutating func sequence(_ key: String) throws(LineError) -> UInt64? {
        guard let text = values.removeValue(forKey: key) else { return nil }
        guard let number = UInt64(text) else {
            throw LineError(description: "\(key)=\(text.escapedForOneLine): write the number of an event")
        }
        return number
    }

    mutating func output() throws(LineError) -> Output {
        guard let text = values.removeValue(forKey: "output") else { return .text }
        guard let output = Output(rawValue: text) else {
            throw LineError(description: "output=\(text.escapedForOneLine): write text or json")
        }
        return output
    }

    func finish() throws(LineError) {
        guard let extra = plain.first else { return }
        throw LineError(description: "'\(extra.escapedForOneLine)' is too much: \(verb.usage)")
    }
}

extension Command {
    fileprivate init(_ arguments: inout Arguments) throws(LineError) {
        switch arguments.verb.name {
        case "help": self = .help(verb: try Command.verb(&arguments))
        case "status":
            var scope = StatusScope.everything
            while let word = arguments.word() { scope.add(try Command.scope(word)) }
            self = .status(scope)
        case "drain": self = .drain(try Command.drainOrder(&arguments))
        case "undrain":
            self = .undrain(
                try arguments.backends(), owner: try arguments.text("owner"), force: try arguments.flag("force"))
        case "maintain":
            self = .maintain(
                try arguments.backends(), owner: try arguments.text("owner"), reason: try arguments.text("reason"))
        case "ready":
            self = .ready(
                try arguments.backends(), owner: try arguments.text("owner"), force: try arguments.flag("force"))
        case "probe": self = .probe(try arguments.backends(), timeout: try arguments.time("timeout"))
        case "connections": self = .connections(try arguments.connectionsOrder())
        case "close": self = .close(try arguments.connectionIDs(), reset: try arguments.flag("reset"))
        case "explain": self = .explain(try arguments.oneBackend())
        case "share": self = .share(try arguments.shareOrder())
        case "unshare": self = .unshare(try arguments.onePool(), owner: try arguments.text("owner"), force: try arguments.flag("force"))
        case "measure": self = .measure(try arguments.onePool(), ages: try arguments.flag("ages"))
        case "rollout report": self = .rolloutReport(try arguments.rolloutNotice())
        case "events": self = .events(follow: try arguments.flag("follow"), since: try arguments.sequence("since"))
        case let name:
            guard let command = try ConfigurationCommand(&arguments) else {
                preconditionFailure("verb '\(name)' stands in the list but is not read")
            }
            self = .configuration(command)
        }
    }

    private static func verb(_ arguments: inout Arguments) throws(LineError) -> String? {
        var words: [String] = []
        while let word = arguments.word() { words.append(word) }
        guard !words.isEmpty else { return nil }
        let name = words.joined(separator: " ")
        guard !Verb.named(name).isEmpty else { throw Verb.unknown(name) }
        return name
    }

    private static func scope(_ word: String) throws(LineError) -> StatusScope {
        do {
            return word.contains("/") ? .backend(try BackendReference(word)) : .pool(try PoolName(word))
        } catch {
            throw LineError(description: "'\(word.escapedForOneLine)' is neither POOL nor POOL/BACKEND: \(error)")
        }
    }

    private static func drainOrder(_ arguments: inout Arguments) throws(LineError) -> DrainOrder {
        let backends = try arguments.backends()
        return DrainOrder(
            backends: backends, owner: try arguments.text("owner"), reason: try arguments.text("reason"),
            lease: try arguments.time("lease"), renews: try arguments.flag("renew"),
            deadline: try arguments.duration("deadline"), atDeadline: try arguments.word("at-deadline"),
            waits: try arguments.flag("wait"))
    }

    fileprivate var words: [String] {
        switch self {
        case .help(let verb): return ["help"] + (verb?.split(separator: " ").map(String.init) ?? [])
        case .status(let scope): return ["status"] + scope.pools.sorted().map(\.text) + scope.backends.sorted().map(\.description)
        case .drain(let order):
            return ["drain"] + order.backends.map(\.description) + key("wait", order.waits ? "yes" : nil)
                + key("deadline", order.deadline?.written) + key("at-deadline", order.atDeadline?.rawValue)
                + key("owner", order.owner) + key("reason", order.reason) + key("lease", order.lease?.written)
                + key("renew", order.renews ? "yes" : nil)
        case .undrain(let backends, let owner, let force):
            return ["undrain"] + backends.map(\.description) + key("owner", owner) + key("force", force ? "yes" : nil)
        case .maintain(let backends, let owner, let reason):
            return ["maintain"] + backends.map(\.description) + key("owner", owner) + key("reason", reason)
        case .ready(let backends, let owner, let force):
            return ["ready"] + backends.map(\.description) + key("owner", owner) + key("force", force ? "yes" : nil)
        case .probe(let backends, let timeout):
            return ["probe"] + backends.map(\.description) + key("timeout", timeout?.written)
        case .events(let follow, let since):
            return ["events"] + key("follow", follow ? "yes" : nil) + key("since", since.map { "\($0)" })
        case .configuration(let command): return command.words
        case .connections(let order): return order.words
        case .close(let ids, let reset): return ["close"] + ids.map(\.description) + key("reset", reset ? "yes" : nil)
        case .explain(let backend): return ["explain", backend.description]
        case .share(let order): return order.words
        case .unshare(let pool, let owner, let force):
            return ["unshare", pool.text] + key("owner", owner) + key("force", force ? "yes" : nil)
        case .measure(let pool, let ages): return ["measure", pool.text] + key("ages", ages ? "yes" : nil)
        case .rolloutReport(let notice): return notice.words
        }
    }

    private func key(_ name: String, _ value: String?) -> [String] { value.map { ["\(name)=\($0)"] } ?? [] }
}
