// What a look into the segment finds: plain values, for `lbctl top` and for whoever else looks from outside.
import Model

package struct Observation: Sendable {
    package var process: ObservedProcess
    package var workers: [ObservedWorker]
    package var listeners: [ObservedListener]
    package var pools: [ObservedPool]
    package var connections: [ObservedConnection]
    /// Live connections for which the table had no memory: counted, not listed.
    package var unlisted: Int
    /// Rows that changed under every one of the reader's tries: listed at the next look.
    package var unread: Int

    package init(
        process: ObservedProcess, workers: [ObservedWorker] = [], listeners: [ObservedListener] = [], pools: [ObservedPool] = [],
        connections: [ObservedConnection] = [], unlisted: Int = 0, unread: Int = 0
    ) {
        (self.process, self.workers, self.listeners, self.pools) = (process, workers, listeners, pools)
        (self.connections, self.unlisted, self.unread) = (connections, unlisted, unread)
    }
}

/// Whether anybody still writes the segment.
package enum Liveness: Equatable, Sendable {
    case running
    /// The process is stopped by a signal (SIGSTOP, a debugger), and has been silent for so long.
    case stopped(silent: Duration)
    /// It lives and its control loop has not beaten for so long. Where its process cannot be seen, it may be stopped as well.
    case hung(silent: Duration)
    /// Nobody holds the segment any more: lbd crashed or was killed so long ago, by its last beat.
    case dead(silent: Duration)
}

package struct ObservedProcess: Sendable {
    package var version: String
    package var pid: Int32
    package var startedAt: Timestamp
    package var liveness: Liveness
    /// Its process can be looked at from here: /proc shows it, and under the number that it goes by itself.
    package var isSeen: Bool
    package var isStopping: Bool
    package var connections: Int
    package var connectionsMax: Int
    package var descriptors: Int
    package var descriptorsMax: Int

    package init(
        version: String, pid: Int32, startedAt: Timestamp, liveness: Liveness, isSeen: Bool = true, isStopping: Bool = false,
        connections: Int, connectionsMax: Int, descriptors: Int, descriptorsMax: Int
    ) {
        (self.version, self.pid, self.startedAt, self.liveness) = (version, pid, startedAt, liveness)
        (self.isSeen, self.isStopping) = (isSeen, isStopping)
        (self.connections, self.connectionsMax) = (connections, connectionsMax)
        (self.descriptors, self.descriptorsMax) = (descriptors, descriptorsMax)
    }
}

/// The control loop's or a worker's.
package struct ObservedWorker: Sendable {
    package var index: Int
    package var connections: Int
    /// How long the last beat waited until the worker took it.
    package var lag: Duration

    package init(index: Int, connections: Int, lag: Duration) {
        (self.index, self.connections, self.lag) = (index, connections, lag)
    }
}

package struct ObservedListener: Sendable {
    package var index: Int
    package var name: String
    package var bind: String
    package var pool: String
    package var connections: Int
    package var connectionsTotal: UInt64
    package var refused: UInt64
    /// Connections a second, over the last second before the last beat.
    package var rate: Double

    package init(
        index: Int, name: String, bind: String, pool: String, connections: Int, connectionsTotal: UInt64, refused: UInt64, rate: Double
    ) {
        (self.index, self.name, self.bind, self.pool) = (index, name, bind, pool)
        (self.connections, self.connectionsTotal, self.refused, self.rate) = (connections, connectionsTotal, refused, rate)
    }
}

package struct ObservedPool: Sendable {
    package var index: Int
    package var name: String
    package var balance: String
    package var backends: [ObservedBackend]
    /// Since lbd started.
    package var connectTimes: TimeCounts
    package var firstBytes: TimeCounts
    package var durations: TimeCounts

    package init(
        index: Int, name: String, balance: String, backends: [ObservedBackend], connectTimes: TimeCounts = TimeCounts(),
        firstBytes: TimeCounts = TimeCounts(), durations: TimeCounts = TimeCounts()
    ) {
        (self.index, self.name, self.balance, self.backends) = (index, name, balance, backends)
        (self.connectTimes, self.firstBytes, self.durations) = (connectTimes, firstBytes, durations)
    }
}

package struct ObservedBackend: Sendable {
    package var slot: Int
    package var name: String
    package var address: String
    package var wish: Wish
    package var probe: ProbeFinding
    package var availability: Availability
    package var drain: ObservedDrain?
    package var weight: Int
    package var connections: Int
    package var connectionsMax: Int?
    /// Since the backend has its slot, as in `status`.
    package var totals: BackendTotals
    /// Connections a second, over the last second before the last beat.
    package var rate: Double
    /// Bytes a second, both ways.
    package var byteRate: Double

    package init(
        slot: Int, name: String, address: String, wish: Wish, probe: ProbeFinding, availability: Availability, drain: ObservedDrain? = nil,
        weight: Int, connections: Int, connectionsMax: Int? = nil, totals: BackendTotals, rate: Double, byteRate: Double
    ) {
        (self.slot, self.name, self.address, self.wish, self.probe) = (slot, name, address, wish, probe)
        (self.availability, self.drain, self.weight, self.connections) = (availability, drain, weight, connections)
        (self.connectionsMax, self.totals, self.rate, self.byteRate) = (connectionsMax, totals, rate, byteRate)
    }
}

package struct ObservedDrain: Equatable, Sendable {
    package var owner: String
    /// Cut where it is long.
    package var reason: String?
    package var since: Timestamp
    package var deadline: Timestamp?
    package var leaseUntil: Timestamp?

    package init(owner: String, reason: String?, since: Timestamp, deadline: Timestamp?, leaseUntil: Timestamp?) {
        (self.owner, self.reason, self.since, self.deadline, self.leaseUntil) = (owner, reason, since, deadline, leaseUntil)
    }
}

package struct ObservedConnection: Sendable {
    package var id: ConnectionID
    /// Nil: it came by a Unix socket.
    package var client: IPEndpoint?
    /// Index of the listener.
    package var listener: Int
    /// Index of the pool.
    package var pool: Int
    /// Of the backend that it holds.
    package var slot: Int?
    package var phase: ConnectionPhase
    package var bytesToBackend: UInt64
    package var bytesToClient: UInt64
    /// Since its accept, up to now.
    package var age: Duration
    /// Since the last byte either way.
    package var idle: Duration

    package init(
        id: ConnectionID, client: IPEndpoint?, listener: Int, pool: Int, slot: Int?, phase: ConnectionPhase,
        bytesToBackend: UInt64, bytesToClient: UInt64, age: Duration, idle: Duration
    ) {
        (self.id, self.client, self.listener, self.pool, self.slot, self.phase) = (id, client, listener, pool, slot, phase)
        (self.bytesToBackend, self.bytesToClient, self.age, self.idle) = (bytesToBackend, bytesToClient, age, idle)
    }
}
