// What lies between two configurations, as a list of changes in the order in which they can be made.
import Model

/// Names that go away go before what they name, and come after it.
package func difference(from old: ConfigurationDocument, to new: ConfigurationDocument) -> [ConfigurationChange] {
    var difference = Difference(oldFolder: old.folder, newFolder: new.folder)
    let listeners = Named(Declared.listeners, old.root, new.root)
    difference.compare(.lbd, old.root, new.root)
    for (name, node) in listeners.removed { difference.remove(.listener(ListenerName(unchecked: name)), node) }
    let pools = Named(Declared.pools, old.root, new.root)
    for (name, old, new) in pools.kept { difference.compare(pool: PoolName(unchecked: name), old, new) }
    for (name, node) in pools.added { difference.compare(pool: PoolName(unchecked: name), nil, node) }
    for (name, old, new) in listeners.kept { difference.compare(.listener(ListenerName(unchecked: name)), old, new) }
    for (name, node) in listeners.added { difference.add(.listener(ListenerName(unchecked: name)), node) }
    for (name, node) in pools.removed { difference.compare(pool: PoolName(unchecked: name), node, nil) }
    return difference.changes
}

/// The entries of a named section on both sides.
private struct Named {
    var removed: [(name: String, node: YamlNode)] = []
    var kept: [(name: String, old: YamlNode, new: YamlNode)] = []
    var added: [(name: String, node: YamlNode)] = []

    init(_ section: Section, _ old: YamlNode?, _ new: YamlNode?) {
        let before = old?.node(at: [section.name])?.entries ?? []
        let after = new?.node(at: [section.name])?.entries ?? []
        let oldNodes = Dictionary(uniqueKeysWithValues: before.map { ($0.key, $0.value) })
        let newNames = Set(after.map(\.key))
        removed = before.filter { !newNames.contains($0.key) }.map { ($0.key, $0.value) }
        for entry in after {
            guard let node = oldNodes[entry.key] else { added.append((entry.key, entry.value)); continue }
            if node != entry.value { kept.append((entry.key, node, entry.value)) }
        }
    }
}

private struct Difference {
    let oldFolder: String
    let newFolder: String
    var changes: [ConfigurationChange] = []

    mutating func add(_ subject: ConfigurationSubject, _ node: YamlNode) {
        changes.append(ConfigurationChange(subject, .added(node.settingsText(of: subject))))
    }

    mutating func remove(_ subject: ConfigurationSubject, _ node: YamlNode) {
        changes.append(ConfigurationChange(subject, .removed(node.settingsText(of: subject))))
    }

    /// Nil: there is no such pool on that side.
    mutating func compare(pool name: PoolName, _ old: YamlNode?, _ new: YamlNode?) {
        let backends = Named(Declared.backends, old, new)
        let reference = { (text: String) in ConfigurationSubject.backend(BackendReference(pool: name, backend: BackendName(unchecked: text))) }
        if let new {
            if let old { compare(.pool(name), old, new) } else { add(.pool(name), new) }
        }
        for (name, node) in backends.removed { remove(reference(name), node) }
        for (name, old, new) in backends.kept { compare(reference(name), old.long, new.long) }
        for (name, node) in backends.added { add(reference(name), node) }
        if let old, new == nil { remove(.pool(name), old) }
    }

    /// The subject's own options.
    mutating func compare(_ subject: ConfigurationSubject, _ old: YamlNode, _ new: YamlNode) {
        compare(subject, subject.section, old, new, at: "")
    }

    /// Nil: the section is not there on that side, nor is any of its options.
    private mutating func compare(_ subject: ConfigurationSubject, _ section: Section, _ old: YamlNode?, _ new: YamlNode?, at prefix: String) {
        for entry in section.entries {
            switch entry {
            case .option(let option):
                let before = old.flatMap { option.effective($0.node(at: [option.name]), in: oldFolder) }
                let after = new.flatMap { option.effective($0.node(at: [option.name]), in: newFolder) }
                guard before != after else { continue }
                changes.append(ConfigurationChange(subject, .changed(
                    key: prefix + option.name, old: before?.flowText, new: after?.flowText, option.effect)))
            case .section(let inner):
                guard !inner.plurality.isNamed else { continue }
                let before = old.flatMap { $0.node(at: [inner.name]) ?? inner.absent }
                let after = new.flatMap { $0.node(at: [inner.name]) ?? inner.absent }
                guard before != after else { continue }
                compare(subject, inner, before, after, at: "\(prefix)\(inner.name).")
            }
        }
    }
}

extension Section {
    /// What a section means that is not written; nil: that there is none.
    fileprivate var absent: YamlNode? {
        switch plurality {
        case .one: .emptyMapping
        case .oneOrNone, .named: nil
        }
    }
}

extension YamlNode {
    /// What is written of the subject itself; its backends are subjects of their own.
    fileprivate func settingsText(of subject: ConfigurationSubject) -> String {
        YamlNode.mapping(long.entries.filter { $0.key != Declared.backends.name }.map { ($0.key, $0.value) }).flowText
    }
}
