// A command's edit carried out in a document: options by their dotted keys, values in YAML's flow text.
import Model

extension ConfigurationDocument {
    /// One after the other; what is removed from one section in a row is so in one step, as it may be thousands of names.
    func edited(by edits: [ConfigurationEdit]) throws(ConfigurationEditError) -> ConfigurationDocument {
        var document = self
        var rest = edits[...]
        while let edit = rest.first {
            let together = rest.prefix { $0.removes(beside: edit) }
            document = try together.count > 1 ? document.removing(together.map(\.subject)) : document.edited(by: edit)
            rest = rest.dropFirst(max(1, together.count))
        }
        return document
    }

    /// Names of one section.
    private func removing(_ subjects: [ConfigurationSubject]) throws(ConfigurationEditError) -> ConfigurationDocument {
        let entries = node(at: subjects[0].path.dropLast())?.entries ?? []
        var left = Set(entries.map(\.key))
        for subject in subjects where left.remove(subject.path.last ?? "") == nil {
            // Or no longer: it was named twice.
            try (node(at: subject.path) == nil ? self : edited(by: .remove(subject))).find(subject)
        }
        let kept = entries.filter { left.contains($0.key) }.map { (key: $0.key, value: $0.value) }
        return replacing(subjects[0].path.dropLast(), with: .mapping(kept))
    }

    /// The tree only: whether it means something is asked when it is loaded.
    func edited(by edit: ConfigurationEdit) throws(ConfigurationEditError) -> ConfigurationDocument {
        switch edit {
        case .remove(let subject):
            try find(subject)
            return replacing(subject.path, with: nil)
        case .set(let subject, let settings):
            try find(subject)
            for setting in settings { try checkIsOne(setting, of: subject) }
            return try setting(settings, of: subject)
        case .add(let subject, let settings):
            guard node(at: subject.path) == nil else {
                throw ConfigurationEditError("\(subject) is there already; to change it: \(subject.verb) set")
            }
            if case .backend(let reference) = subject { try find(.pool(reference.pool)) }
            let added = try replacing(subject.path, with: subject.empty).setting(settings, of: subject)
            // As a person would write it.
            guard let node = added.node(at: subject.path), node.entries.count == 1, let only = node.entries.first,
                case .backend = subject, only.key == Declared.address.name
            else { return added }
            return added.replacing(subject.path, with: only.value)
        }
    }

    private func setting(_ settings: [Setting], of subject: ConfigurationSubject) throws(ConfigurationEditError) -> ConfigurationDocument {
        var document = self
        for setting in settings {
            let address = try OptionAddress(setting.key, of: subject)
            let value = setting.value.isEmpty ? nil : try address.node(from: setting.value)
            document = document.replacing(subject.path + address.path, with: value)
        }
        return document
    }

    /// Whatever has verbs of its own is added and removed by these, one by one: what goes is drained, by the name of
    /// whoever asked, and nothing goes because a list left it out.
    private func checkIsOne(_ setting: Setting, of subject: ConfigurationSubject) throws(ConfigurationEditError) {
        let address = try OptionAddress(setting.key, of: subject)
        switch subject {
        case .lbd:
            let nouns = [Declared.listeners.name: ["listener"], Declared.pools.name: ["pool", "backend"]]
            guard let first = address.path.first, let verbs = nouns[first] else { return }
            throw ConfigurationEditError(
                "\(address.phrase) is not an option: \(first) are changed one by one, by " + verbs.map { "'\($0) add|set|remove'" }.joined(separator: " and "))
        case .pool(let pool):
            guard address.path.first == Declared.backends.name else { return }
            let (isAll, isRemoval) = (address.path.count == 1, address.path.count == 2 && setting.value.isEmpty)
            guard isAll || isRemoval else { return }
            throw ConfigurationEditError(
                "\(address.phrase): backends are added and removed one by one, by 'backend add|set|remove \(pool)/\(isAll ? "NAME" : address.path[1])'; remove drains first")
        case .listener, .backend: return
        }
    }

    private func find(_ subject: ConfigurationSubject) throws(ConfigurationEditError) {
        switch subject {
        case .lbd: return
        case .listener(let name): try find(name.text, "listener", among: names(of: Declared.listeners))
        case .pool(let name): try find(name.text, "pool", among: names(of: Declared.pools))
        case .backend(let reference):
            guard node(at: subject.path) == nil else { return }
            let pools = names(of: Declared.pools)
            let all = pools.flatMap { pool in
                names(of: Declared.backends, at: [Declared.pools.name, pool]).map { "\(pool)/\($0)" }
            }
            try find(reference.description, "backend", among: all)
        }
    }

    private func find(_ name: String, _ noun: String, among names: [String]) throws(ConfigurationEditError) {
        guard !names.contains(name) else { return }
        let some = names.isEmpty ? "none" : names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", ..." : "")
        let nearest = suggestion(for: name, among: names)
        throw ConfigurationEditError("there is no \(noun) '\(name)'" + (nearest.isEmpty ? "; \(noun)s: \(some)" : nearest))
    }
}

extension ConfigurationEdit {
    /// Both remove a name of the same section.
    fileprivate func removes(beside other: ConfigurationEdit) -> Bool {
        switch (self, other) {
        case (.remove(let subject), .remove(let otherSubject)):
            !subject.path.isEmpty && subject.path.dropLast() == otherSubject.path.dropLast()
        case (.remove, .set), (.remove, .add), (.set, _), (.add, _): false
        }
    }
}

extension ConfigurationSubject {
    /// From the top of the document.
    var path: [String] {
        switch self {
        case .lbd: []
        case .listener(let name): [Declared.listeners.name, name.text]
        case .pool(let name): [Declared.pools.name, name.text]
        case .backend(let reference): [Declared.pools.name, reference.pool.text, Declared.backends.name, reference.backend.text]
        }
    }

    var section: Section {
        switch self {
        case .lbd: Declared.file
        case .listener: Declared.listeners
        case .pool: Declared.pools
        case .backend: Declared.backends
        }
    }

    /// As errors name it; nil for the file itself.
    var quoted: String? {
        switch self {
        case .lbd: nil
        case .listener(let name): "listener '\(name)'"
        case .pool(let name): "pool '\(name)'"
        case .backend(let reference): "backend '\(reference)'"
        }
    }

    /// As commands name it; nil for the file itself.
    var name: String? {
        switch self {
        case .lbd: nil
        case .listener(let name): name.text
        case .pool(let name): name.text
        case .backend(let reference): reference.description
        }
    }

    var verb: String {
        switch self {
        case .lbd: "config"
        case .listener: "listener"
        case .pool: "pool"
        case .backend: "backend"
        }
    }

    /// What is written of one that has no options yet. A pool may be empty when that is written.
    fileprivate var empty: YamlNode {
        switch self {
        case .lbd, .listener, .backend: .emptyMapping
        case .pool: .mapping([(Declared.backends.name, .emptyMapping)])
        }
    }
}

/// Where a dotted key leads.
private struct OptionAddress {
    /// From the subject on.
    let path: [String]
    /// Nil: to a section, or to a name under one.
    let option: OptionEntry?
    /// `'health.interval' of pool 'web'`
    let phrase: String

    init(_ key: String, of subject: ConfigurationSubject) throws(ConfigurationEditError) {
        phrase = "'\(key.escapedForOneLine)'" + (subject.quoted.map { " of \($0)" } ?? "")
        switch OptionAddress.resolve(key[...], in: subject.section, subject.quoted) {
        case .found(let path, let option): (self.path, self.option) = (path, option)
        case .unknown(let message): throw ConfigurationEditError(message)
        }
    }

    private enum Resolution {
        case found([String], OptionEntry?)
        case unknown(String)
    }

    private static func resolve(_ key: Substring, in section: Section, _ subject: String?) -> Resolution {
        switch section.entry(String(key)) {
        case .option(let option): return .found([option.name], option)
        case .section(let inner): return .found([inner.name], nil)
        case nil: break
        }
        guard let dot = key.firstIndex(of: "."), case .section(let inner) = section.entry(String(key[..<dot])) else {
            return .unknown(unknownKeyText(String(key), in: section, subject: subject))
        }
        let rest = key[key.index(after: dot)...]
        let phrase = "'\(inner.name)'" + (subject.map { " of \($0)" } ?? "")
        switch inner.plurality {
        case .one, .oneOrNone:
            switch resolve(rest, in: inner, phrase) {
            case .found(let path, let option): return .found([inner.name] + path, option)
            case .unknown(let message): return .unknown(message)
            }
        case .named: return .found([inner.name] + named(rest, in: inner).path, named(rest, in: inner).option)
        }
    }

    /// Names may have dots in them: what follows the name is the longest text that is a key.
    private static func named(_ text: Substring, in section: Section) -> (path: [String], option: OptionEntry?) {
        for dot in text.indices where text[dot] == "." && dot > text.startIndex {
            if case .found(let path, let option) = resolve(text[text.index(after: dot)...], in: section, nil) {
                return ([String(text[..<dot])] + path, option)
            }
        }
        return ([String(text)], nil)
    }

    func node(from value: String) throws(ConfigurationEditError) -> YamlNode {
        do throws(YamlError) {
            let (root, duplicates) = try parseYaml(Array(value.utf8))
            if let duplicate = duplicates.first { throw duplicate }
            if let root { return root }
        } catch {
            // [::1]:80 is no list, whatever YAML thinks.
            guard let option, !option.isList else { throw ConfigurationEditError("\(phrase): \(error.message)") }
        }
        return .scalar(value, quoted: true)
    }
}

extension OptionEntry {
    fileprivate var isList: Bool { type.hasPrefix("list") }
}
