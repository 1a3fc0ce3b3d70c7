// The listeners of a configuration file.
import Model

extension Loader {
    mutating func listeners(_ file: SectionReader) -> [ListenerConfiguration]? {
        guard let entries = file.named(Declared.listeners, noun: "listener", &findings) else { return nil }
        let pools = poolNames(file)
        var taken: [Endpoint: (listener: ListenerName, line: Int)] = [:]
        var listeners: [ListenerConfiguration] = []
        for entry in entries {
            let name: ListenerName = name(entry, noun: "listener")
            let subject = "listener '\(name)'"
            guard let section = SectionReader(entry.value, as: Declared.listeners, subject: subject, key: entry.place, &findings)
            else { continue }
            let bind = section.value(Declared.bind, &findings)
            let pool = section.value(Declared.pool, &findings)
            let backlog = section.value(Declared.backlog, &findings)
            let connectionsMax = section.optional(Declared.listenerConnectionsMax, &findings)
            checkPool(pool, in: section, among: pools)
            if let bind, bind.port != 0, let place = section.entry(Declared.bind.name)?.value.place {
                if let first = taken[bind] {
                    findings.add(
                        place,
                        "\(subject) binds \(bind), which listener '\(first.listener)' in line \(first.line) binds already; take another port")
                } else {
                    taken[bind] = (name, place.line)
                    bound[bind] = name
                }
            }
            let rules = listenerRules(section, bind: bind)
            let tcp = tcpOptions(section, bind: bind)
            guard let bind, let pool, let backlog, let connectionsMax, let rules, let tcp else { continue }
            listeners.append(ListenerConfiguration(
                name: name, bind: bind, pool: pool, backlog: backlog, connectionsMax: connectionsMax.value, rules: rules, tcp: tcp))
        }
        return listeners
    }

    /// The names that stand under `pools`, of faulty pools too: one fault, one error. Nil: there are none to ask.
    func poolNames(_ file: SectionReader) -> Set<String>? {
        guard case .mapping(let entries) = file.entry(Declared.pools.name)?.value.content, !entries.isEmpty else { return nil }
        return Set(entries.map(\.key))
    }

    private mutating func checkPool(_ pool: PoolName?, in section: SectionReader, among pools: Set<String>?) {
        guard let pool, let pools, !pools.contains(pool.text),
            let place = section.entry(Declared.pool.name)?.value.place
        else { return }
        // Sorted: the same file gives the same words each time.
        let names = pools.sorted()
        let nearest = suggestion(for: pool.text, among: names)
        let some = names.prefix(8).map(\.escapedForOneLine).joined(separator: ", ") + (names.count > 8 ? ", ..." : "")
        let hint = nearest.isEmpty ? "; defined: \(some)" : nearest
        findings.add(place, "\(section.subject ?? "the file") names pool '\(pool)', which is not defined\(hint)")
    }
}
