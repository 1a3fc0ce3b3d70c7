// What `top --once -o json` prints, as values. Keys are camelCase and those of `status` where they mean the same; times are
// RFC 3339, durations seconds.
import ControlProtocol
import Model
import Statistics

struct TopReport: Encodable {
    var process: Process
    var workers: [Worker]
    var listeners: [Listener]
    var pools: [Pool]
    /// As the segment has them; limited: the oldest first.
    var connections: [Connection]
    /// In the table and of the pool asked for, shown or not.
    var connectionsListed: Int
    var unlisted: Int
    var unread: Int

    struct Process: Encodable {
        var version: String
        var pid: Int32
        var startedAt: String
        /// `running`, `stopped`, `hung` or `crashed`.
        var liveness: String
        /// Absent: it runs.
        var silentSeconds: Double?
        var silentSince: String?
        var stopping: Bool
        var connections: Int
        var connectionsMax: Int
        var descriptors: Int
        var descriptorsMax: Int
    }

    struct Worker: Encodable {
        var index: Int
        var connections: Int
        var lag: Double
    }

    struct Listener: Encodable {
        var name: String
        var bind: String
        var pool: String
        var connections: Int
        var connectionsTotal: UInt64
        var refused: UInt64
        var rate: Double
    }

    struct Pool: Encodable {
        var name: String
        var balance: String
        var connectTime: Times
        var firstByte: Times
        var duration: Times
        var backends: [Backend]
    }

    /// Of all since lbd started; absent quantiles: there was none.
    struct Times: Encodable {
        var count: UInt64
        var p50: Double?
        var p99: Double?

        init(_ times: TimeCounts) {
            count = times.total
            p50 = times.quantile(0.5)?.inSeconds
            p99 = times.quantile(0.99)?.inSeconds
        }
    }

    struct Backend: Encodable {
        var name: String
        var address: String
        var wish: Wish
        var probe: ProbeFinding
        var availability: Availability
        var connections: Int
        var connectionsMax: Int?
        var connectionsTotal: UInt64
        var connectFailures: UInt64
        var resets: UInt64
        var resetsByClients: UInt64
        var bytesToBackend: UInt64
        var bytesToClient: UInt64
        var weight: Int
        var rate: Double
        var byteRate: Double
        /// Mean; absent: none was timed.
        var connectTime: Double?
        var drain: Drain?
    }

    struct Drain: Encodable {
        var owner: String
        var reason: String?
        var since: String
        var deadline: String?
        var leaseUntil: String?
    }

    struct Connection: Encodable {
        var id: String
        /// Absent: it came by a Unix socket.
        var client: String?
        var listener: String
        var pool: String
        /// Absent: it has none yet, or one that has been removed.
        var backend: String?
        var phase: ConnectionPhase
        var bytesToBackend: UInt64
        var bytesToClient: UInt64
        var age: Double
        var idle: Double
    }
}

extension TopReport {
    /// `limit` nil: every connection.
    init(_ observation: Observation, pool: String?, sort: TopSort?, limit: Int?, calendar: Timestamp) {
        let pools = observation.pools.filter { pool == nil || $0.name == pool }
        let names = TopNames(observation)
        let listed = TopReport.connections(observation, of: pool)
        process = Process(observation.process, at: calendar)
        workers = observation.workers.map { Worker(index: $0.index, connections: $0.connections, lag: $0.lag.inSeconds) }
        listeners = observation.listeners.filter { pool == nil || $0.pool == pool }.map(Listener.init)
        let pace = TopPace()
        self.pools = pools.map { Pool($0, backends: sort?.sorted($0.backends, pace) ?? $0.backends) }
        let shown = limit.map { Array(TopConnectionSort.age.sorted(listed).prefix($0)) } ?? listed
        connections = shown.map { Connection($0, names) }
        connectionsListed = listed.count
        (unlisted, unread) = (observation.unlisted, observation.unread)
    }

    private static func connections(_ observation: Observation, of pool: String?) -> [ObservedConnection] {
        guard let pool else { return observation.connections }
        let indices = Set(observation.pools.filter { $0.name == pool }.map(\.index))
        return observation.connections.filter { indices.contains($0.pool) }
    }
}

/// Names by the numbers under which connections know them.
struct TopNames {
    private var listeners: [Int: String] = [:]
    private var pools: [Int: String] = [:]
    private var backends: [Int: String] = [:]

    init(_ observation: Observation) {
        for listener in observation.listeners { listeners[listener.index] = listener.name }
        for pool in observation.pools {
            pools[pool.index] = pool.name
            for backend in pool.backends { backends[backend.slot] = backend.name }
        }
    }

    func listener(_ connection: ObservedConnection) -> String { listeners[connection.listener] ?? "" }
    func pool(_ connection: ObservedConnection) -> String { pools[connection.pool] ?? "" }
    func backend(_ connection: ObservedConnection) -> String? { connection.slot.flatMap { backends[$0] } }
}

extension TopReport.Process {
    init(_ process: ObservedProcess, at calendar: Timestamp) {
        let silent = process.liveness.silent
        self.init(
            version: process.version, pid: process.pid, startedAt: process.startedAt.rfc3339, liveness: process.liveness.word,
            silentSeconds: silent?.inSeconds,
            silentSince: silent.map { Timestamp(milliseconds: calendar.milliseconds - $0.wholeMilliseconds).rfc3339 },
            stopping: process.isStopping, connections: process.connections, connectionsMax: process.connectionsMax,
            descriptors: process.descriptors, descriptorsMax: process.descriptorsMax)
    }
}

extension TopReport.Listener {
    init(_ listener: ObservedListener) {
        self.init(
            name: listener.name, bind: listener.bind, pool: listener.pool, connections: listener.connections,
            connectionsTotal: listener.connectionsTotal, refused: listener.refused, rate: listener.rate)
    }
}

extension TopReport.Pool {
    init(_ pool: ObservedPool, backends: [ObservedBackend]) {
        self.init(
            name: pool.name, balance: pool.balance, connectTime: TopReport.Times(pool.connectTimes),
            firstByte: TopReport.Times(pool.firstBytes), duration: TopReport.Times(pool.durations), backends: backends.map(TopReport.Backend.init))
    }
}

extension TopReport {
    /// Mean of all connects; nil where there were none, or so many that the word that counts them has gone round.
    static func connectTime(_ totals: BackendTotals) -> Duration? { totals.connections < 1 << 24 ? totals.connectTimes.mean : nil }
}

extension TopReport.Backend {
    init(_ backend: ObservedBackend) {
        let totals = backend.totals
        self.init(
            name: backend.name, address: backend.address, wish: backend.wish, probe: backend.probe, availability: backend.availability,
            connections: backend.connections, connectionsMax: backend.connectionsMax, connectionsTotal: totals.connections,
            connectFailures: totals.connectFailures, resets: totals.backendResets, resetsByClients: totals.clientResets,
            bytesToBackend: totals.bytesToBackend, bytesToClient: totals.bytesToClient, weight: backend.weight, rate: backend.rate,
            byteRate: backend.byteRate, connectTime: TopReport.connectTime(totals)?.inSeconds, drain: backend.drain.map(TopReport.Drain.init))
    }
}

extension TopReport.Drain {
    init(_ drain: ObservedDrain) {
        self.init(
            owner: drain.owner, reason: drain.reason, since: drain.since.rfc3339, deadline: drain.deadline?.rfc3339,
            leaseUntil: drain.leaseUntil?.rfc3339)
    }
}

extension TopReport.Connection {
    init(_ connection: ObservedConnection, _ names: TopNames) {
        self.init(
            id: connection.id.description, client: connection.client?.description, listener: names.listener(connection),
            pool: names.pool(connection), backend: names.backend(connection), phase: connection.phase,
            bytesToBackend: connection.bytesToBackend, bytesToClient: connection.bytesToClient,
            age: Double(connection.age.wholeMilliseconds) / 1000, idle: Double(connection.idle.wholeMilliseconds) / 1000)
    }
}
