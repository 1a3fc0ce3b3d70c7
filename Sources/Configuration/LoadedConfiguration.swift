// A document together with what it means, and the two changed by commands, all or nothing.
import Model

package struct LoadedConfiguration: Equatable, Sendable {
    package let document: ConfigurationDocument
    package let configuration: BalancerConfiguration
}

/// Why a command's change is none. Nothing has changed.
package struct ConfigurationEditError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A line each; never empty.
    package let messages: [String]
    /// Nothing is wrong with it but what it would do to others.
    package let isUnsafe: Bool
    /// The command that would do it.
    let remedy: String?

    init(_ messages: [String], isUnsafe: Bool = false, remedy: String? = nil) {
        self.messages = messages
        self.isUnsafe = isUnsafe
        self.remedy = remedy
    }

    init(_ message: String) { self.init([message]) }

    /// One line.
    package var description: String {
        messages.prefix(3).joined(separator: "; ") + (messages.count > 3 ? "; and \(messages.count - 3) more" : "")
            + (remedy.map { "; all of it at once: \($0)" } ?? "")
    }
}

extension LoadedConfiguration {
    /// The edits one after the other, then what they touched loaded again and checked against all the rest.
    package func edited(by edits: [ConfigurationEdit]) throws(ConfigurationEditError) -> LoadedConfiguration {
        let document = try document.edited(by: edits)
        for edit in edits { try document.checkReferences(after: edit) }
        guard document != self.document else { return self }
        var loader = Loader(findings: Findings(file: "", folder: document.folder), known: KnownSections(self, new: document))
        let configuration = loader.balancer(document.root)
        guard loader.findings.isEmpty, let configuration else {
            let errors = loader.findings.inOrder.errors
            throw ConfigurationEditError(errors.map(\.message), remedy: edits.count == 1 ? edits[0].with(reset: errors.map(\.idle)) : nil)
        }
        return LoadedConfiguration(document: document, configuration: configuration)
    }
}

extension ConfigurationDocument {
    /// A pool that others name stays.
    fileprivate func checkReferences(after edit: ConfigurationEdit) throws(ConfigurationEditError) {
        guard case .remove(.pool(let pool)) = edit, node(at: edit.subject.path) == nil else { return }
        let users = users(of: pool)
        guard !users.isEmpty else { return }
        let names = users.map(\.description).joined(separator: " and ")
        throw ConfigurationEditError(
            ["pool \(pool) is named by \(names): remove \(users.count == 1 ? "it" : "them") or name another pool there first"], isUnsafe: true)
    }

    /// What sends connections to the pool: whatever has an option that names it.
    private func users(of pool: PoolName) -> [ConfigurationSubject] {
        let listeners = (node(at: [Declared.listeners.name])?.entries ?? []).filter { $0.value.names(pool, as: Declared.listeners) }
        let pools = (node(at: [Declared.pools.name])?.entries ?? []).filter { $0.value.names(pool, as: Declared.pools) }
        return listeners.map { .listener(ListenerName(unchecked: $0.key)) } + pools.map { .pool(PoolName(unchecked: $0.key)) }
    }
}

extension YamlNode {
    fileprivate func names(_ pool: PoolName, as section: Section) -> Bool {
        section.entries.contains { entry in
            guard case .option(let option) = entry, option.type == Form<PoolName>.poolName.type else { return false }
            return node(at: [option.name])?.scalar == pool.text
        }
    }
}

extension BalancerConfiguration {
    /// What only a start takes up, as it was at the start: see `ConfigurationEffect`.
    package func keeping(_ running: BalancerConfiguration) -> BalancerConfiguration {
        var kept = self
        kept.control = running.control
        kept.stateDirectory = running.stateDirectory
        kept.workers = running.workers
        return kept
    }
}

extension ConfigurationEdit {
    /// The command that changes the same and resets what then does nothing: `lbctl pool set web when-none=refuse hold.timeout=`.
    /// Nil where something else is wrong.
    fileprivate func with(reset idle: [String?]) -> String? {
        guard case .set(let subject, let settings) = self, !idle.isEmpty, idle.allSatisfy({ $0 != nil }) else { return nil }
        let given = settings.map { "\($0.key)=\($0.value)".shellQuoted }
        return (["lbctl", subject.verb, "set"] + (subject.name.map { [$0] } ?? []) + given + idle.compactMap { $0.map { "\($0)=" } }).joined(separator: " ")
    }
}
