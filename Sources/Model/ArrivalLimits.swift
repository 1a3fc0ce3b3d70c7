// What a listener takes of new connections: how many of one source at once, and how many over time.

package struct ArrivalLimits: Equatable, Sendable {
    /// Nil: as they come. Reached: they wait in the backlog.
    package var rate: ConnectionRate?
    /// Nil: as they come. Reached: reset.
    package var sourceRate: SourceRate?
    /// Open connections of one address. Nil: any number. Reached: reset.
    package var sourceConnectionsMax: Int?

    package init(rate: ConnectionRate? = nil, sourceRate: SourceRate? = nil, sourceConnectionsMax: Int? = nil) {
        self.rate = rate
        self.sourceRate = sourceRate
        self.sourceConnectionsMax = sourceConnectionsMax
    }
}

/// New connections: so many a second in the long run, so many at once after a quiet time.
package struct ConnectionRate: Equatable, Sendable {
    package var perSecond: Int
    package var burst: Int

    package init(perSecond: Int, burst: Int) {
        self.perSecond = perSecond
        self.burst = burst
    }
}

/// The rate of each source: of all addresses that begin with the same bits.
package struct SourceRate: Equatable, Sendable {
    package var rate: ConnectionRate
    package var ipv4Prefix: Int
    package var ipv6Prefix: Int
    /// Sources that are remembered at once.
    package var tableMax: Int

    package init(rate: ConnectionRate, ipv4Prefix: Int = 32, ipv6Prefix: Int = 64, tableMax: Int = 65_536) {
        self.rate = rate
        self.ipv4Prefix = ipv4Prefix
        self.ipv6Prefix = ipv6Prefix
        self.tableMax = tableMax
    }
}
