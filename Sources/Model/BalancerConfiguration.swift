// The configuration as values: what a checked file means, with every default filled in.

package struct BalancerConfiguration: Equatable, Sendable {
    /// Path of the control socket.
    package var control: String
    /// Where lbd answers HTTP itself; nil: nowhere.
    package var admin: Endpoint?
    /// Folder of the lock and the saved wishes.
    package var stateDirectory: String
    /// How long connections may go on after SIGTERM.
    package var stopDeadline: Duration
    package var workers: WorkerCount
    /// Most connections at once, over all listeners; nil: as many as the descriptors carry.
    package var connectionsMax: Int?
    package var log: LogConfiguration
    package var listeners: [ListenerConfiguration]
    package var pools: [PoolConfiguration]

    package init(
        control: String, admin: Endpoint? = nil, stateDirectory: String, stopDeadline: Duration, workers: WorkerCount,
        connectionsMax: Int? = nil, log: LogConfiguration, listeners: [ListenerConfiguration], pools: [PoolConfiguration]
    ) {
        self.control = control
        self.admin = admin
        self.stateDirectory = stateDirectory
        self.stopDeadline = stopDeadline
        self.workers = workers
        self.connectionsMax = connectionsMax
        self.log = log
        self.listeners = listeners
        self.pools = pools
    }

    /// What lbd has room for.
    package static let listenersMax = 1024
    package static let poolsMax = 4096
    package static let backendsMax = 16_384

    /// `1 listener, 2 pools`
    package var summary: String { "\(counted(listeners.count, "listener")), \(counted(pools.count, "pool"))" }
}

/// Data-plane threads. `auto`: one for each processor that this process may use.
package enum WorkerCount: Equatable, Sendable {
    case auto
    case exactly(Int)
}

package struct LogConfiguration: Equatable, Sendable {
    package enum Level: String, CaseIterable, Sendable { case debug, info, warning, error }
    package enum Format: String, CaseIterable, Sendable { case text, json }

    package var level: Level
    package var format: Format
    /// Absolute; nil: standard error.
    package var file: String?
    /// A line for each connection that has ended.
    package var access: Bool
    /// Of subsystems that have one of their own.
    package var levels: [Subsystem: Level]

    package init(level: Level, format: Format, file: String? = nil, access: Bool = false, levels: [Subsystem: Level] = [:]) {
        self.level = level
        self.format = format
        self.file = file
        self.access = access
        self.levels = levels
    }

    /// Access lines have their own switch: the level of all others does not hide them.
    package func level(of subsystem: Subsystem) -> Level { levels[subsystem] ?? (subsystem == .access ? .info : level) }

    /// The least of all subsystems.
    package var leastLevel: Level {
        let levels = Set(Subsystem.allCases.map(level))
        guard let least = Level.allCases.first(where: levels.contains) else { preconditionFailure("there are subsystems") }
        return least
    }

    /// They are of level info.
    package var writesAccess: Bool {
        switch level(of: .access) {
        case .debug, .info: access
        case .warning, .error: false
        }
    }
}

package struct ListenerConfiguration: Equatable, Sendable {
    package var name: ListenerName
    /// Port 0 takes a free one from the kernel; `status` tells which.
    package var bind: Endpoint
    package var pool: PoolName
    /// Connections that the kernel holds for us until they are accepted.
    package var backlog: Int
    /// Most connections at once; the backlog waits meanwhile. Nil: no limit of its own.
    package var connectionsMax: Int?
    package var rules: ListenerRules
    package var tcp: TCPOptions

    package init(
        name: ListenerName, bind: Endpoint, pool: PoolName, backlog: Int, connectionsMax: Int? = nil,
        rules: ListenerRules = ListenerRules(), tcp: TCPOptions = TCPOptions()
    ) {
        self.name = name
        self.bind = bind
        self.pool = pool
        self.backlog = backlog
        self.connectionsMax = connectionsMax
        self.rules = rules
        self.tcp = tcp
    }
}

/// Whom a listener serves, and whether it asks a proxy in front of it who the client is.
package struct ListenerRules: Equatable, Sendable {
    package enum AcceptProxy: Equatable, Sendable {
        case no
        /// Every connection begins with a PROXY header, of version 1 or 2, within `timeout`, and comes from a
        /// trusted network.
        case required(trusted: [Network], timeout: Duration)
    }

    package var acceptProxy: AcceptProxy
    /// Both judge the client: behind a proxy the address in its header, else the socket's. `deny` wins.
    package var allow: [Network]
    package var deny: [Network]
    package var arrivals: ArrivalLimits

    package init(acceptProxy: AcceptProxy, allow: [Network], deny: [Network], arrivals: ArrivalLimits = ArrivalLimits()) {
        self.acceptProxy = acceptProxy
        self.allow = allow
        self.deny = deny
        self.arrivals = arrivals
    }

    /// Everybody, directly.
    package init() { self.init(acceptProxy: .no, allow: [.everyIPv4, .everyIPv6], deny: []) }
}

package enum Balance: String, CaseIterable, Sendable {
    case roundRobin = "round-robin"
    case leastConnections = "least-connections"
    /// The less loaded of two different ones by chance.
    case twoChoices = "two-choices"
    /// By the client's address: the same one as long as it is available.
    case sourceHash = "source-hash"
    case random
}

/// The PROXY header that a backend gets before the client's bytes.
package enum SendProxy: String, CaseIterable, Sendable { case none, v1, v2 }

/// What becomes of a new connection when every available backend is at its connections-max.
package enum WhenFull: Equatable, Sendable {
    /// It is reset at once.
    case refuse
    /// It waits for a backend, first come first served, among `lengthMax` at most and no longer than `timeout`.
    case queue(lengthMax: Int, timeout: Duration)
}

/// What becomes of a new connection when no backend is available. Draining ones are never a fallback.
package enum WhenNone: Equatable, Sendable {
    /// It is reset at once.
    case refuse
    /// It waits, unread, until one is back, among `lengthMax` at most and no longer than `timeout`.
    case hold(lengthMax: Int, timeout: Duration)
    /// It goes to another pool, by that one's options.
    case divert(PoolName)

    /// As the file and the status name it, without what goes with it.
    package enum Word: String, CaseIterable, Codable, Sendable {
        case refuse, hold, divert

        /// What becomes of new connections then, in words that follow them.
        package var outcome: String {
            switch self {
            case .refuse: "are reset"
            case .hold: "are held"
            case .divert: "are diverted"
            }
        }
    }

    package var outcome: String {
        switch self {
        case .refuse, .hold: word.outcome
        case .divert(let other): "go to pool \(other)"
        }
    }

    package var word: Word {
        switch self {
        case .refuse: .refuse
        case .hold: .hold
        case .divert: .divert
        }
    }
}

package struct PoolConfiguration: Equatable, Sendable {
    package var name: PoolName
    package var balance: Balance
    package var timeouts: PoolTimeouts
    /// Further attempts after a failed connect, on another backend where one is available.
    package var connectRetries: Int
    package var health: HealthConfiguration
    /// How long a drain has where the command does not say, and what happens then.
    package var drainDeadline: Duration
    package var drainEnd: DrainEnd
    /// Connections that `drainEnd: close` closes a second; nil: as the other backends' load says.
    package var closeRate: Int?
    package var leaseEnd: LeaseEnd
    package var backends: [BackendConfiguration]
    package var restart: RestartConfiguration?
    package var sendProxy: SendProxy
    package var transport: PoolTransport
    package var whenFull: WhenFull
    package var whenNone: WhenNone
    /// Over which time a backend that comes back gets its whole share; zero: at once.
    package var slowStart: Duration
    /// Of each backend that does not have its own.
    package var capacity: Capacity

    package init(
        name: PoolName, balance: Balance, timeouts: PoolTimeouts, connectRetries: Int, health: HealthConfiguration,
        drainDeadline: Duration, backends: [BackendConfiguration], restart: RestartConfiguration?,
        sendProxy: SendProxy = .none, transport: PoolTransport = PoolTransport(), whenFull: WhenFull = .refuse,
        whenNone: WhenNone = .refuse, slowStart: Duration = .zero, drainEnd: DrainEnd = .keep, closeRate: Int? = nil,
        leaseEnd: LeaseEnd = .undrain, capacity: Capacity = Capacity()
    ) {
        self.capacity = capacity
        self.leaseEnd = leaseEnd
        self.drainEnd = drainEnd
        self.closeRate = closeRate
        self.name = name
        self.balance = balance
        self.timeouts = timeouts
        self.connectRetries = connectRetries
        self.health = health
        self.drainDeadline = drainDeadline
        self.backends = backends
        self.restart = restart
        self.sendProxy = sendProxy
        self.transport = transport
        self.whenFull = whenFull
        self.whenNone = whenNone
        self.slowStart = slowStart
    }
}

package struct PoolTimeouts: Equatable, Sendable {
    package var connect: Duration
    /// No byte either way for so long: closed.
    package var idle: Duration
    /// One direction has ended and nothing came the other way for so long: closed.
    package var halfClosed: Duration
    /// Bytes wait for a reader that has taken none for so long: reset.
    package var stalled: Duration
    /// Nil: none.
    package var lifetime: Lifetime?

    package init(
        connect: Duration, idle: Duration, halfClosed: Duration, stalled: Duration = .seconds(300), lifetime: Lifetime? = nil
    ) {
        self.connect = connect
        self.idle = idle
        self.halfClosed = halfClosed
        self.stalled = stalled
        self.lifetime = lifetime
    }
}

/// How long a connection may go on from its accept, whatever it does.
package struct Lifetime: Equatable, Sendable {
    package var longest: Duration
    /// By how many per cent a connection's own may be shorter, by chance: so that clients do not all come back at once.
    package var jitter: Int

    package init(longest: Duration, jitter: Int) {
        self.longest = longest
        self.jitter = jitter
    }
}

package struct BackendConfiguration: Equatable, Sendable {
    package var name: BackendName
    package var address: Endpoint
    /// Share of new connections relative to the others, 1 to 256.
    package var weight: Int
    /// Most connections at once; nil: no limit.
    package var connectionsMax: Int?
    /// Takes traffic only while no other backend of the pool is available.
    package var backup: Bool
    /// The wish at first start; a saved one wins.
    package var wish: Wish
    package var capacity: Capacity

    package init(
        name: BackendName, address: Endpoint, weight: Int, connectionsMax: Int? = nil, backup: Bool, wish: Wish, capacity: Capacity = Capacity()
    ) {
        self.capacity = capacity
        self.name = name
        self.address = address
        self.weight = weight
        self.connectionsMax = connectionsMax
        self.backup = backup
        self.wish = wish
    }
}

/// How a rollout restarts one backend.
package struct RestartConfiguration: Equatable, Sendable {
    /// What may stand in braces in a command.
    package static let placeholders = ["pool", "backend", "address", "host", "port"]

    package var way: RestartTemplate
    package var timeout: Duration
    /// What prints a backend's version: asked before and after, it must have changed. Nil: nobody asks.
    package var version: [String]?
    /// What brings a backend back to the release before. Nil: a bad release is left where it is.
    package var rollback: [String]?

    package init(way: RestartTemplate, timeout: Duration, version: [String]? = nil, rollback: [String]? = nil) {
        self.way = way
        self.timeout = timeout
        self.version = version
        self.rollback = rollback
    }

    package init(command: [String], timeout: Duration) { self.init(way: .command(command), timeout: timeout) }

    /// Program and arguments, with placeholders; nil where another way is taken.
    package var command: [String]? { way.command }
}
