// A configuration file's bytes made into the balancer's configuration, or into everything that is wrong with it.
import Model

/// `file` is the name that errors show; relative paths start at `folder`, which is absolute.
package func loadConfiguration(
    bytes: [UInt8], file: String, folder: String
) throws(ConfigurationErrors) -> BalancerConfiguration {
    try loadDocument(bytes: bytes, file: file, folder: folder).configuration
}

/// The same with what was written.
package func loadDocument(
    bytes: [UInt8], file: String, folder: String
) throws(ConfigurationErrors) -> LoadedConfiguration {
    var loader = Loader(findings: Findings(file: file, folder: folder))
    let root = loader.tree(bytes)
    let configuration = root.flatMap { loader.balancer($0) }
    guard loader.findings.isEmpty, let root, let configuration else { throw loader.findings.inOrder }
    return LoadedConfiguration(document: ConfigurationDocument(root, folder: folder), configuration: configuration)
}

/// Reads on after an error, so that all of them come at once. What could not be read is nil, and then
/// `findings` holds why.
struct Loader {
    var findings: Findings
    /// What the listeners bind, for the backends.
    var bound: [Endpoint: ListenerName] = [:]
    /// Of the pools that have one.
    var diverts: [Divert] = []
    /// What has been loaded before, after an edit: what was not edited need not be loaded again.
    let known: KnownSections?
    /// A listener was loaded, so it may listen where a known backend is.
    var hasNewListener = false

    init(findings: Findings, known: KnownSections? = nil) {
        self.findings = findings
        self.known = known
    }

    mutating func balancer(_ root: YamlNode) -> BalancerConfiguration? {
        let top = Place(line: 1, column: 1)
        guard let file = SectionReader(root, as: Declared.file, subject: nil, key: top, &findings) else { return nil }
        let control = file.value(Declared.control, &findings)
        let admin = file.optional(Declared.admin, &findings)
        let stateDirectory = file.value(Declared.stateDirectory, &findings)
        let stopDeadline = file.value(Declared.stopDeadline, &findings)
        let workers = file.value(Declared.workers, &findings)
        let connectionsMax = file.optional(Declared.connectionsMax, &findings)
        let log = log(file)
        let listeners = listeners(file)
        let pools = pools(file)
        checkDiverts(file)
        if let address = admin?.value { checkAdmin(address, file) }
        guard let control, let admin, let stateDirectory, let stopDeadline, let workers, let connectionsMax, let log, let listeners, let pools
        else { return nil }
        checkCounts(file, listeners: listeners.count, pools: pools.count, backends: pools.reduce(0) { $0 + $1.backends.count })
        return BalancerConfiguration(
            control: control, admin: admin.value, stateDirectory: stateDirectory, stopDeadline: stopDeadline, workers: workers,
            connectionsMax: connectionsMax.value, log: log, listeners: listeners, pools: pools)
    }

    /// After the listeners: an address is bound once.
    private mutating func checkAdmin(_ address: Endpoint, _ file: SectionReader) {
        guard let listener = bound[address] else { return }
        findings.add(
            file.entry(Declared.admin.name)?.value.place ?? file.place,
            "'admin' is \(address), which listener '\(listener)' binds; take another port for one of them")
    }

    /// What lbd has room for.
    private mutating func checkCounts(_ file: SectionReader, listeners: Int, pools: Int, backends: Int) {
        for (section, noun, count, most) in [
            (Declared.listeners, "listener", listeners, BalancerConfiguration.listenersMax),
            (Declared.pools, "pool", pools, BalancerConfiguration.poolsMax), (Declared.pools, "backend", backends, BalancerConfiguration.backendsMax),
        ] where count > most {
            findings.add(
                file.entry(section.name)?.value.place ?? file.place, "\(counted(count, noun)) are too many; write at most \(most)")
        }
    }

    mutating func tree(_ bytes: [UInt8]) -> YamlNode? {
        do throws(YamlError) {
            let (root, duplicates) = try parseYaml(bytes)
            for duplicate in duplicates { findings.add(duplicate) }
            if let root, !root.isNothing { return root }
            findings.add(
                Place(line: 1, column: 1),
                "the file is empty: it needs at least 'control', 'listeners' and 'pools'; see Config/example.yaml")
        } catch {
            findings.add(error)
        }
        return nil
    }

    private mutating func log(_ file: SectionReader) -> LogConfiguration? {
        guard let section = file.open(Declared.log, &findings) else { return nil }
        let level = section.value(Declared.level, &findings)
        let format = section.value(Declared.format, &findings)
        let path = section.optional(Declared.logFile, &findings)
        let access = section.value(Declared.access, &findings)
        let levels = levels(section)
        guard let level, let format, let path, let access, let levels else { return nil }
        return LogConfiguration(level: level, format: format, file: path.value, access: access, levels: levels)
    }

    private mutating func levels(_ log: SectionReader) -> [Subsystem: LogConfiguration.Level]? {
        guard let section = log.open(Declared.levels, &findings) else { return nil }
        var levels: [Subsystem: LogConfiguration.Level] = [:]
        for (subsystem, option) in zip(Subsystem.allCases, Declared.subsystemLevels) {
            guard let level = section.optional(option, &findings) else { return nil }
            levels[subsystem] = level.value
        }
        return levels
    }

    /// An option that does nothing here. A default that is written out is no wish for it.
    mutating func refuseIdle<Value>(_ option: Option<Value>, in section: SectionReader, why: String) {
        guard let entry = section.entry(option.name), case .scalar(let text, _) = entry.value.content, text != option.absence.written
        else { return }
        findings.add(entry.place, idle: section.key(option.name), "\(section.phrase(option.name)) \(why)")
    }

    /// A name from the file. A bad one is an error and still names its part in further errors.
    mutating func name<Text: Name>(_ entry: YamlNode.Entry, noun: String) -> Text {
        do throws(NameError) {
            return try Text(entry.key)
        } catch {
            findings.add(entry.place, "\(noun) '\(entry.key.escapedForOneLine)': \(error.description)")
            return Text(unchecked: entry.key.escapedForOneLine)
        }
    }
}
