// What a listener of the configuration file takes of new connections.
import Model

extension Loader {
    /// What could not be read is left out, and then `findings` holds why.
    mutating func arrivals(_ listener: SectionReader) -> ArrivalLimits {
        var limits = ArrivalLimits(sourceConnectionsMax: listener.value(Declared.sourceConnectionsMax, &findings))
        if let section = limit(Declared.rate, of: listener) { limits.rate = connectionRate(section) }
        if let section = limit(Declared.sourceRate, of: listener) { limits.sourceRate = sourceRate(section) }
        return limits
    }

    /// Nil too where the file does not limit it.
    private mutating func limit(_ section: Section, of listener: SectionReader) -> SectionReader? {
        listener.entry(section.name) == nil ? nil : listener.open(section, &findings)
    }

    private mutating func connectionRate(_ section: SectionReader) -> ConnectionRate? {
        let perSecond = section.value(Declared.perSecond, &findings)
        let burst = section.value(Declared.burst, &findings)
        return perSecond.map { ConnectionRate(perSecond: $0, burst: burst ?? $0) }
    }

    private mutating func sourceRate(_ section: SectionReader) -> SourceRate? {
        let rate = connectionRate(section)
        let ipv4Prefix = section.value(Declared.ipv4Prefix, &findings)
        let ipv6Prefix = section.value(Declared.ipv6Prefix, &findings)
        let tableMax = section.value(Declared.tableMax, &findings)
        guard let rate, let ipv4Prefix, let ipv6Prefix, let tableMax else { return nil }
        return SourceRate(rate: rate, ipv4Prefix: ipv4Prefix, ipv6Prefix: ipv6Prefix, tableMax: tableMax)
    }
}
