// How connections are made and their bytes are moved: what TCP and the kernel are asked for.

/// When bytes go from socket to socket through a pipe, without passing through user memory.
package enum Splicing: String, CaseIterable, Sendable {
    /// A direction that proves to be bulk; all others are copied.
    case auto
    /// From the first readable byte, as long as there are pipes.
    case on
    case off
}

/// Of a pool's connections to its backends.
package struct PoolTransport: Equatable, Sendable {
    package var splice: Splicing
    /// Our end's address towards backends of its family; nil: as the kernel chooses.
    package var source: IPAddress?
    package var tcp: TCPOptions

    package init(splice: Splicing = .auto, source: IPAddress? = nil, tcp: TCPOptions = TCPOptions()) {
        self.splice = splice
        self.source = source
        self.tcp = tcp
    }
}

/// How the kernel finds out that a peer is gone which does not say so.
package struct TCPOptions: Equatable, Sendable {
    /// Nil: no probes.
    package var keepalive: Keepalive?
    /// What was sent is unacknowledged for so long: dead. Nil: the kernel's own patience, about 15 minutes.
    package var userTimeout: Duration?

    package init(keepalive: Keepalive? = nil, userTimeout: Duration? = nil) {
        self.keepalive = keepalive
        self.userTimeout = userTimeout
    }
}

/// Probes of a quiet connection: the first after `idle`, then one each `interval`; `count` without an answer end it.
package struct Keepalive: Equatable, Sendable {
    package var idle: Duration
    package var interval: Duration
    package var count: Int

    package init(idle: Duration, interval: Duration, count: Int) {
        self.idle = idle
        self.interval = interval
        self.count = count
    }
}
