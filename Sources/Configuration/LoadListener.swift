// The listeners of a configuration file.
import Model

extension Loader {
    mutating func listeners(_ file: SectionReader) -> [ListenerConfiguration]? {
        guard let entries = file.named(Declared.listeners, noun: "listener", &findings) else { return nil }
        let pools = poolNames(file)
        var taken: [Endpoint: (listener: ListenerName, place: Place)] = [:]
        var listeners: [ListenerConfiguration] = []
        for entry in entries {
            if let listener = known?.listener(entry) {
                checkPool(listener.pool, of: "listener '\(listener.name)'", at: .nowhere, among: pools)
                take(listener.bind, of: listener.name, at: .nowhere, &taken)
                listeners.append(listener)
            } else {
                hasNewListener = true
                if let listener = listener(entry, among: pools, &taken) { listeners.append(listener) }
            }
        }
        return listeners
    }

    private mutating func listener(
        _ entry: YamlNode.Entry, among pools: Set<String>?, _ taken: inout [Endpoint: (listener: ListenerName, place: Place)]
    ) -> ListenerConfiguration? {
        let name: ListenerName = name(entry, noun: "listener")
        let subject = "listener '\(name)'"
        guard let section = SectionReader(entry.value, as: Declared.listeners, subject: subject, key: entry.place, &findings)
        else { return nil }
        let bind = section.value(Declared.bind, &findings)
        let pool = section.value(Declared.pool, &findings)
        let backlog = section.value(Declared.backlog, &findings)
        let connectionsMax = section.optional(Declared.listenerConnectionsMax, &findings)
        if let pool, let place = section.entry(Declared.pool.name)?.value.place { checkPool(pool, of: subject, at: place, among: pools) }
        if let bind, let place = section.entry(Declared.bind.name)?.value.place { take(bind, of: name, at: place, &taken) }
        let rules = listenerRules(section, bind: bind)
        let tcp = tcpOptions(section, bind: bind)
        guard let bind, let pool, let backlog, let connectionsMax, let rules, let tcp else { return nil }
        return ListenerConfiguration(
            name: name, bind: bind, pool: pool, backlog: backlog, connectionsMax: connectionsMax.value, rules: rules, tcp: tcp)
    }

    /// Each address once; port 0 is another one each time.
    private mutating func take(
        _ bind: Endpoint, of name: ListenerName, at place: Place, _ taken: inout [Endpoint: (listener: ListenerName, place: Place)]
    ) {
        guard bind.port != 0 else { return }
        if let first = taken[bind] {
            findings.add(
                place, "listener '\(name)' binds \(bind), which listener '\(first.listener)'\(first.place.inLine) binds already; take another port")
        } else {
            taken[bind] = (name, place)
            bound[bind] = name
        }
    }

    /// The names that stand under `pools`, of faulty pools too: one fault, one error. Nil: there are none to ask.
    func poolNames(_ file: SectionReader) -> Set<String>? {
        guard case .mapping(let entries) = file.entry(Declared.pools.name)?.value.content else { return nil }
        return Set(entries.map(\.key))
    }

    private mutating func checkPool(_ pool: PoolName, of subject: String, at place: Place, among pools: Set<String>?) {
        guard let pools, !pools.contains(pool.text) else { return }
        // Sorted: the same file gives the same words each time.
        let names = pools.sorted()
        let nearest = suggestion(for: pool.text, among: names)
        let some = names.prefix(8).map(\.escapedForOneLine).joined(separator: ", ") + (names.count > 8 ? ", ..." : "")
        let hint = nearest.isEmpty ? "; defined: \(names.isEmpty ? "none" : some)" : nearest
        findings.add(place, "\(subject) names pool '\(pool)', which is not defined\(hint)")
    }
}
