// One section of the file under reading: its keys checked against the declared ones, its options' values.
import Model

/// What the file says of an option without a default.
struct Given<Value> {
    /// Nil: nothing.
    let value: Value?
}

struct SectionReader {
    let section: Section
    /// `pool 'web'`; nil for the file itself.
    let subject: String?
    /// Where an error about something missing is shown.
    let place: Place
    private let entries: [String: YamlNode.Entry]

    /// A section that the file does not have: every option at its default.
    init(absent section: Section, subject: String?, place: Place) {
        self.section = section
        self.subject = subject
        self.place = place
        entries = [:]
    }

    /// Nil after an error when `node` is no mapping. `key`: where the section's name stands.
    init?(_ node: YamlNode, as section: Section, subject: String?, key: Place, _ findings: inout Findings) {
        guard case .mapping(let list) = node.content else {
            let wanted = subject == nil ? "KEY: VALUE lines, first of all 'control', 'listeners' and 'pools'" : "a mapping such as \(section.example)"
            findings.add(node.place, "\(subject ?? "the file") \(whatStands(in: node)); write \(wanted)")
            return nil
        }
        self.section = section
        self.subject = subject
        place = key
        let allowed = Set(section.keys)
        entries = Dictionary(uniqueKeysWithValues: list.lazy.filter { allowed.contains($0.key) }.map { ($0.key, $0) })
        for entry in list where !allowed.contains(entry.key) {
            findings.add(entry.place, unknownKey(entry.key))
        }
    }

    func entry(_ name: String) -> YamlNode.Entry? { entries[name] }

    /// The option's value, its default where it is absent; nil after an error, or without a default.
    func value<Value>(_ option: Option<Value>, _ findings: inout Findings) -> Value? {
        if let entry = entries[option.name] { return option.form.read(entry.value, phrase(option.name), &findings) }
        switch option.absence {
        case .means(let written):
            // The default goes the same way as a written value: through the same bounds, paths made absolute.
            return option.form.read(presetNode(written, at: place), phrase(option.name), &findings)
        case .isAnError(let example):
            findings.add(place, "\(subject ?? "the file") has no '\(option.name)'; add \(option.name): \(example)")
            return nil
        case .isNothing:
            return nil
        }
    }

    /// An option without a default, which may be missing; nil after an error only.
    func optional<Value>(_ option: Option<Value>, _ findings: inout Findings) -> Given<Value>? {
        guard entries[option.name] != nil else { return Given(value: nil) }
        return value(option, &findings).map { Given(value: $0) }
    }

    /// A section within, all defaults where it is absent; nil after an error.
    func open(_ inner: Section, _ findings: inout Findings) -> SectionReader? {
        guard let entry = entries[inner.name] else {
            return SectionReader(absent: inner, subject: phrase(inner.name), place: place)
        }
        return SectionReader(entry.value, as: inner, subject: phrase(inner.name), key: entry.place, &findings)
    }

    /// The named entries of a section within. None is an answer where it is written so, `{}`; nil after an error.
    func named(_ inner: Section, noun: String, _ findings: inout Findings) -> [YamlNode.Entry]? {
        let owner = subject ?? "the file"
        guard let entry = entries[inner.name] else {
            findings.add(place, "\(owner) has no '\(inner.name)'; add \(inner.name): with at least one \(noun)")
            return nil
        }
        guard case .mapping(let list) = entry.value.content else {
            findings.add(
                entry.value.place,
                "\(phrase(inner.name)) \(whatStands(in: entry.value)); write NAME: and what belongs to it for each \(noun)")
            return nil
        }
        return list
    }

    /// `'weight' of backend 'web/web-1'`
    func phrase(_ name: String) -> String { "'\(name)'" + (subject.map { " of \($0)" } ?? "") }

    /// From the listener, pool or backend on that the section belongs to: `hold.timeout`.
    func key(_ name: String) -> String {
        switch section.plurality {
        case .one, .oneOrNone: "\(section.name).\(name)"
        case .named: name
        }
    }

    private func unknownKey(_ key: String) -> String { unknownKeyText(key, in: section, subject: subject) }
}

/// A declared default as the file would spell it: a list is YAML, everything else a plain text.
func presetNode(_ written: String, at place: Place) -> YamlNode {
    guard written.hasPrefix("[") else { return YamlNode(content: .scalar(written, quoted: false), place: place) }
    do throws(YamlError) {
        if let list = try parseYaml(Array(written.utf8)).root { return list }
    } catch {
        preconditionFailure("the default \(written) is YAML: \(error.message)")
    }
    preconditionFailure("the default \(written) is YAML")
}

/// `subject`: what lacks it; nil for the file itself.
func unknownKeyText(_ key: String, in section: Section, subject: String?) -> String {
    let shown = "'\(key.escapedForOneLine)'"
    let text = "unknown key \(shown) \(subject.map { "in \($0)" } ?? "at the top level")"
    let nearest = suggestion(for: key, among: section.keys)
    guard nearest.isEmpty else { return text + nearest }
    let elsewhere = optionDescriptions().map(\.path).filter { $0.hasSuffix(".\(key)") }
    guard elsewhere.isEmpty else { return "\(text); it belongs in \(alternatives(elsewhere))" }
    return "\(text); known here: \(section.keys.joined(separator: ", "))"
}

/// What a node is that should have been a mapping.
private func whatStands(in node: YamlNode) -> String {
    switch node.content {
    case .scalar(let text, _): node.isNothing ? "has no value" : "is the text '\(text.escapedForOneLine)'"
    case .sequence: "is a list"
    case .mapping: "is a mapping"
    }
}
