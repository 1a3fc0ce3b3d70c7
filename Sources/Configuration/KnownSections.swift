// What was loaded before an edit, for the parts of the document that the edit has left alone.
import Model

/// A part is known when its node is the same one: what it means depends on nothing else.
struct KnownSections {
    private let old: LoadedConfiguration
    private let listeners: Parts
    private let pools: Parts
    /// The backends of pools that were asked for.
    private var backends: [String: Parts] = [:]

    /// The nodes under a name, in the order of the values that were loaded from them.
    private struct Parts {
        let entries: [YamlNode.Entry]
        let indices: [String: Int]

        init(_ node: YamlNode?) {
            entries = node?.entries ?? []
            indices = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.key, $0) })
        }

        func index(_ entry: YamlNode.Entry) -> Int? {
            guard let index = indices[entry.key], entries[index].value == entry.value else { return nil }
            return index
        }
    }

    init(_ old: LoadedConfiguration, new: ConfigurationDocument) {
        self.old = old
        listeners = Parts(old.document.node(at: [Declared.listeners.name]))
        pools = Parts(old.document.node(at: [Declared.pools.name]))
        for entry in new.node(at: [Declared.pools.name])?.entries ?? [] {
            guard let index = pools.indices[entry.key], pools.entries[index].value != entry.value else { continue }
            backends[entry.key] = Parts(pools.entries[index].value.node(at: [Declared.backends.name]))
        }
    }

    func listener(_ entry: YamlNode.Entry) -> ListenerConfiguration? {
        listeners.index(entry).map { old.configuration.listeners[$0] }
    }

    func pool(_ entry: YamlNode.Entry) -> PoolConfiguration? {
        pools.index(entry).map { old.configuration.pools[$0] }
    }

    func backend(_ entry: YamlNode.Entry, of pool: PoolName) -> BackendConfiguration? {
        guard let poolIndex = pools.indices[pool.text], let index = backends[pool.text]?.index(entry) else { return nil }
        return old.configuration.pools[poolIndex].backends[index]
    }
}
