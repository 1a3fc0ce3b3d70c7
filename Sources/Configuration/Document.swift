// A configuration as it is written: only what somebody chose, in one normal form, so that equal ones compare equal.
import Model

/// A good configuration's tree. Defaults stay unwritten, and places in a file are forgotten.
package struct ConfigurationDocument: Equatable, Sendable {
    /// In normal form: the keys of sections in the declared order, names in the order of the file.
    let root: YamlNode
    /// Absolute; relative paths of the document start here.
    package let folder: String

    /// `root` has been loaded without an error.
    init(_ root: YamlNode, folder: String) {
        self.root = root.normal(as: .section(Declared.file))
        self.folder = folder
    }

    fileprivate init(normal root: YamlNode, folder: String) {
        self.root = root
        self.folder = folder
    }

    /// The names under a named section, such as `listeners`.
    func names(of section: Section, at path: [String] = []) -> [String] {
        (root.node(at: path + [section.name])?.entries ?? []).map(\.key)
    }

    func node(at path: [String]) -> YamlNode? { root.node(at: path) }

    /// With the value at the path written, or taken away where there is none.
    func replacing(_ path: [String], with value: YamlNode?) -> ConfigurationDocument {
        let value = value?.normal(as: Shape.section(Declared.file).inner(path))
        return ConfigurationDocument(normal: root.replacing(path[...], with: value, shape: .section(Declared.file)), folder: folder)
    }
}

/// What may stand at a place of the document.
enum Shape {
    /// Keys as declared.
    case section(Section)
    /// Any names, each with the section.
    case names(Section)
    /// An option's value.
    case value

    func inner(_ key: String) -> Shape {
        switch self {
        case .section(let section):
            switch section.entry(key) {
            case .section(let inner): inner.plurality.isNamed ? .names(inner) : .section(inner)
            case .option, nil: .value
            }
        case .names(let section): .section(section)
        case .value: .value
        }
    }

    func inner(_ path: [String]) -> Shape { path.reduce(self) { $0.inner($1) } }
}

extension Section {
    func entry(_ key: String) -> Entry? {
        entries.first {
            switch $0 {
            case .option(let option): option.name == key
            case .section(let section): section.name == key
            }
        }
    }
}

extension Section.Plurality {
    var isNamed: Bool {
        switch self {
        case .named: true
        case .one, .oneOrNone: false
        }
    }
}

extension Place {
    /// Of what stands in no file.
    static let nowhere = Place(line: 0, column: 0)

    /// ` in line 7`; nothing where there is no file.
    var inLine: String { self == .nowhere ? "" : " in line \(line)" }
}

extension YamlNode {
    static let emptyMapping = YamlNode(content: .mapping([]), place: .nowhere)

    static func scalar(_ text: String, quoted: Bool) -> YamlNode { YamlNode(content: .scalar(text, quoted: quoted), place: .nowhere) }

    static func mapping(_ entries: [(key: String, value: YamlNode)]) -> YamlNode {
        YamlNode(content: .mapping(entries.map { Entry(key: $0.key, place: .nowhere, value: $0.value) }), place: .nowhere)
    }

    /// Of a mapping; none of anything else.
    var entries: [Entry] {
        if case .mapping(let entries) = content { entries } else { [] }
    }

    var scalar: String? {
        if case .scalar(let text, _) = content { text } else { nil }
    }

    func node(at path: [String]) -> YamlNode? {
        var node = self
        for key in path {
            guard let entry = node.entries.first(where: { $0.key == key }) else { return nil }
            node = entry.value
        }
        return node
    }

    /// A backend's `ADDRESS` as `{ address: ADDRESS }`.
    var long: YamlNode {
        guard case .scalar = content else { return self }
        return YamlNode(content: .mapping([Entry(key: Declared.address.name, place: place, value: self)]), place: place)
    }

    /// Without places, keys in order; texts that cannot stand plain are in quotes.
    func normal(as shape: Shape) -> YamlNode {
        switch content {
        case .scalar(let text, let quoted): .scalar(isNothing ? "null" : text, quoted: quoted || !(isNothing || text.isPlainYaml))
        case .sequence(let items): YamlNode(content: .sequence(items.map { $0.normal(as: .value) }), place: .nowhere)
        case .mapping(let entries):
            YamlNode(content: .mapping(shape.ordered(entries.map {
                Entry(key: $0.key, place: .nowhere, value: $0.value.normal(as: shape.inner($0.key)))
            })), place: .nowhere)
        }
    }

    /// Sections that lose their last key go with it, but named ones, which may be empty.
    fileprivate func replacing(_ path: ArraySlice<String>, with value: YamlNode?, shape: Shape) -> YamlNode {
        guard let key = path.first else { return value ?? self }
        var entries = long.entries
        let index = entries.firstIndex { $0.key == key }
        var new = value
        if path.count > 1 {
            guard value != nil || index != nil else { return self }
            let inner = shape.inner(key)
            let changed = (index.map { entries[$0].value } ?? .emptyMapping).replacing(path.dropFirst(), with: value, shape: inner)
            let isGone = value == nil && changed.entries.isEmpty && inner.vanishesEmpty && !shape.isNames
            new = isGone ? nil : changed
        }
        guard let new else {
            if let index { entries.remove(at: index) }
            return YamlNode(content: .mapping(entries), place: .nowhere)
        }
        let entry = Entry(key: key, place: .nowhere, value: new)
        if let index { entries[index] = entry } else { entries.append(entry) }
        return YamlNode(content: .mapping(index == nil ? shape.ordered(entries) : entries), place: .nowhere)
    }
}

extension Shape {
    fileprivate var isNames: Bool {
        if case .names = self { true } else { false }
    }

    fileprivate var vanishesEmpty: Bool {
        if case .section = self { true } else { false }
    }

    /// In the declared order where one is declared.
    fileprivate func ordered(_ entries: [YamlNode.Entry]) -> [YamlNode.Entry] {
        guard case .section(let section) = self else { return entries }
        let keys = section.keys
        let ranked = entries.map { entry in (rank: keys.firstIndex(of: entry.key) ?? keys.count, entry: entry) }
        // Sorting is stable.
        return ranked.sorted { $0.rank < $1.rank }.map(\.entry)
    }
}
