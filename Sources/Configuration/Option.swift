// What one option of the configuration file is, and one section of options.
import Model

/// Declared once, in `Declared`; the parser, `lbd --options` and Config/reference.yaml come from that.
struct Option<Value: Sendable>: Sendable {
    /// The key, as the file spells it.
    let name: String
    let form: Form<Value>
    let absence: Absence
    /// One line for people.
    let doc: String
    /// From when on another value holds that is given while lbd runs.
    let effect: ConfigurationEffect

    init(_ name: String, _ form: Form<Value>, _ absence: Absence, _ doc: String, effect: ConfigurationEffect = .atOnce) {
        self.name = name
        self.form = form
        self.absence = absence
        self.doc = doc
        self.effect = effect
    }

    /// The one spelling of what the node means: two nodes that mean the same give the same. `folder`: where its
    /// relative paths start. Nil where it means nothing.
    func spelling(of node: YamlNode, in folder: String) -> YamlNode? {
        guard let spell = form.spell else { return node.unquoted }
        var findings = Findings(file: "", folder: folder)
        return form.read(node, name, &findings).map(spell)
    }
}

extension YamlNode {
    /// Quotes where they are needed and nowhere else.
    fileprivate var unquoted: YamlNode {
        switch content {
        case .scalar(let text, _): .text(text)
        case .sequence(let items): YamlNode(content: .sequence(items.map(\.unquoted)), place: .nowhere)
        case .mapping(let entries): .mapping(entries.map { ($0.key, $0.value.unquoted) })
        }
    }
}

/// What holds where the file does not have an option. Texts as the file would spell them.
enum Absence: Sendable {
    case means(_ written: String)
    /// An error; the example says what to add.
    case isAnError(example: String)
    case isNothing(example: String)

    /// What the reference file shows.
    var written: String {
        switch self {
        case .means(let text), .isAnError(let text), .isNothing(let text): text
        }
    }
}

/// An option without the type of its value: what texts and key lookups need.
struct OptionEntry: Sendable {
    let name: String
    let type: String
    let bounds: String
    let absence: Absence
    let doc: String
    let effect: ConfigurationEffect
    /// See `Option.spelling`.
    let spelling: @Sendable (_ node: YamlNode, _ folder: String) -> YamlNode?

    init<Value>(_ option: Option<Value>) {
        effect = option.effect
        spelling = { option.spelling(of: $0, in: $1) }
        name = option.name
        type = option.form.type
        bounds = option.form.bounds
        absence = option.absence
        doc = option.doc
    }
}

/// A mapping of the file whose keys are fixed.
struct Section: Sendable {
    enum Entry: Sendable {
        case option(OptionEntry)
        case section(Section)
    }

    /// How often a section stands in the file.
    enum Plurality: Sendable {
        /// Once, and every option of it has a default or may be missing.
        case one
        /// Once or not at all.
        case oneOrNone
        /// Any number from one, each under a name: `pools: NAME: …`. `example` is a name.
        case named(noun: String, example: String)
    }

    /// The key; empty for the file itself.
    let name: String
    let plurality: Plurality
    /// One line for people.
    let doc: String
    let entries: [Entry]

    init(_ name: String, _ plurality: Plurality, _ doc: String, _ entries: [Entry]) {
        self.name = name
        self.plurality = plurality
        self.doc = doc
        self.entries = entries
    }

    var keys: [String] {
        entries.map {
            switch $0 {
            case .option(let option): option.name
            case .section(let section): section.name
            }
        }
    }

    /// `{ bind: 127.0.0.1:8080, pool: web }`: what must be given, or, where nothing must, everything; one of several of
    /// which one must, in a section that need not be there at all.
    var example: String {
        var required: [String] = []
        var preset: [String] = []
        var choice: [String] = []
        for case .option(let option) in entries {
            switch option.absence {
            case .isAnError(let example): required.append("\(option.name): \(example)")
            case .means(let text): preset.append("\(option.name): \(text)")
            case .isNothing(let example): choice.append("\(option.name): \(example)")
            }
        }
        if case .oneOrNone = plurality, required.isEmpty { required = Array(choice.prefix(1)) }
        for case .section(let section) in entries {
            switch section.plurality {
            case .named: required.append("\(section.name): { ... }")
            case .one, .oneOrNone: break
            }
        }
        return "{ " + (required.isEmpty ? preset : required).joined(separator: ", ") + " }"
    }
}
