// How a pool's backends are restarted, from the configuration file: one of the ways, and what goes with it.
import Model

extension Loader {
    mutating func restart(_ pool: SectionReader) -> RestartConfiguration? {
        guard pool.entry(Declared.restart.name) != nil,
            let section = pool.open(Declared.restart, &findings)
        else { return nil }
        let way = way(section)
        let timeout = section.value(Declared.restartTimeout, &findings)
        let version = section.optional(Declared.version, &findings)
        let rollback = section.optional(Declared.rollback, &findings)
        guard let way, let timeout, let version, let rollback else { return nil }
        return RestartConfiguration(way: way, timeout: timeout, version: version.value, rollback: rollback.value)
    }

    private mutating func way(_ section: SectionReader) -> RestartTemplate? {
        let command = section.optional(Declared.command, &findings)
        let shell = section.value(Declared.shell, &findings)
        let unit = section.optional(Declared.systemd, &findings)
        let host = section.optional(Declared.systemdHost, &findings)
        let pause = section.optional(Declared.pause, &findings)
        guard let command, let shell, let unit, let host, let pause else { return nil }
        if host.value != nil, unit.value == nil { needs(Declared.systemdHost.name, Declared.systemd.name, in: section) }
        if shell, command.value == nil { needs(Declared.shell.name, Declared.command.name, in: section) }
        let ways = [command.value == nil ? nil : Declared.command.name, unit.value == nil ? nil : Declared.systemd.name,
            pause.value == nil ? nil : Declared.pause.name].compactMap { $0 }
        guard ways.count <= 1 else {
            let place = section.entry(ways[1])?.place ?? section.place
            findings.add(place, "\(section.phrase(ways[1])) stands beside '\(ways[0])', and a backend is restarted in one way; take one of them out")
            return nil
        }
        if let words = command.value { return shell ? shellLine(words, section) : .command(words) }
        if let unit = unit.value { return .systemd(unit: unit, host: host.value) }
        if let pause = pause.value { return .pause(pause) }
        findings.add(
            section.place,
            "\(section.subject ?? "restart") has none of 'command', 'systemd' and 'pause'; add command: \(Declared.command.absence.written)")
        return nil
    }

    /// A shell takes one text apart; several would be joined by a rule that nobody knows.
    private mutating func shellLine(_ words: [String], _ section: SectionReader) -> RestartTemplate? {
        guard words.count == 1 else {
            let place = section.entry(Declared.command.name)?.value.place ?? section.place
            findings.add(place, "\(section.phrase(Declared.command.name)) has \(words.count) items, and with shell: true it is one text; write it as a list of one, [\"…\"]")
            return nil
        }
        return .shell(words[0])
    }

    private mutating func needs(_ option: String, _ other: String, in section: SectionReader) {
        let place = section.entry(option)?.place ?? section.place
        findings.add(place, "\(section.phrase(option)) goes with '\(other)', and there is none; add \(other): or take '\(option)' out")
    }
}
