// A change of the configuration: of what, from what, to what, and from when on it holds.

/// What an option belongs to.
package enum ConfigurationSubject: Hashable, Sendable, CustomStringConvertible {
    /// The top level of the file, `log` included.
    case lbd
    case listener(ListenerName)
    case pool(PoolName)
    case backend(BackendReference)

    /// `lbd`, `listener web`, `pool web`, `backend web/web-1`
    package var description: String {
        switch self {
        case .lbd: "lbd"
        case .listener(let name): "listener \(name)"
        case .pool(let name): "pool \(name)"
        case .backend(let reference): "backend \(reference)"
        }
    }
}

/// From when on a changed option holds.
package enum ConfigurationEffect: String, CaseIterable, Sendable {
    case atOnce = "at-once"
    case atNextStart = "at-next-start"
    /// Of what it belongs to: nothing that stands already follows it.
    case atFirstStart = "at-first-start"
}

extension ConfigurationEffect {
    fileprivate var words: String {
        switch self {
        case .atOnce: ""
        case .atNextStart: ", at the next start"
        case .atFirstStart: ", for a first start: now it is drain, maintain and ready that change it"
        }
    }
}

package struct ConfigurationChange: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// With what was written of it.
        case added(String)
        case removed(String)
        /// An option by its dotted key. Values as the file spells them, defaults filled in; nil: it has none.
        case changed(key: String, old: String?, new: String?, ConfigurationEffect)
    }

    package let subject: ConfigurationSubject
    package let kind: Kind

    package init(_ subject: ConfigurationSubject, _ kind: Kind) {
        self.subject = subject
        self.kind = kind
    }

    package var waitsForStart: Bool {
        switch kind {
        case .added, .removed, .changed(_, _, _, .atOnce), .changed(_, _, _, .atFirstStart): false
        case .changed(_, _, _, .atNextStart): true
        }
    }

    /// The subject and, of a changed option, its key.
    package var topic: String {
        switch kind {
        case .added, .removed: subject.description
        case .changed(let key, _, _, _): "\(subject) \(key)"
        }
    }

    /// `health.interval 2s -> 1s`
    package var text: String {
        switch kind {
        case .added(let settings): "added: \(settings)"
        case .removed(let settings): "removed; it was \(settings)"
        case .changed(let key, let old, let new, let effect):
            "\(key) \(old ?? "none") -> \(new ?? "none")" + effect.words
        }
    }
}

/// One option as a command gives it: `health.interval=1s`. An empty value takes the option away: its default holds.
package struct Setting: Equatable, Sendable {
    /// Dotted, from the subject on.
    package let key: String
    /// YAML's flow text.
    package let value: String

    package init(key: String, value: String) {
        self.key = key
        self.value = value
    }
}

/// What a command does to the configuration.
package enum ConfigurationEdit: Equatable, Sendable {
    case add(ConfigurationSubject, [Setting])
    case set(ConfigurationSubject, [Setting])
    case remove(ConfigurationSubject)

    package var subject: ConfigurationSubject {
        switch self {
        case .add(let subject, _), .set(let subject, _), .remove(let subject): subject
        }
    }
}
