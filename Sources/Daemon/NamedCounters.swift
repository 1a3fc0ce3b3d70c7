// What is counted of pools and backends for the metrics, under their names: see CounterLedger.
import EventLoop
import Model
import Proxy
import Statistics

@ControlPlane final class NamedCounters {
    private let plane: DataPlane
    private var backends = CounterLedger<BackendReference>(counters: BackendCounter.count)
    private var pools = CounterLedger<PoolName>(counters: 4, idleMax: poolsIdleMax)
    /// By kind.
    private var times = PoolTimes.allCases.map { _ in CounterLedger<PoolName>(counters: TimeBuckets.count + 1, idleMax: poolsIdleMax) }
    /// A pool's times are 3.5 kB.
    private static let poolsIdleMax = 4096

    init(plane: DataPlane) { self.plane = plane }

    // MARK: Backends

    /// The slot is the backend's from now on.
    func open(slot: Int, _ backend: Backend) { backends.open(slot, for: backend.reference, at: counts(slot: slot)) }

    /// Nothing more can be heard of the slot.
    func close(slot: Int, _ backend: Backend) { backends.close(slot, for: backend.reference, at: counts(slot: slot)) }

    /// Its probes are over: it is gone, or moves.
    func keepProbes(of backend: Backend) { backends.add(probes(of: backend), to: backend.reference) }

    func counts(of backend: Backend) -> [UInt64] {
        var counts = backends.total(of: backend.reference, counts(slot:))
        if !backend.isGone { counts.add(probes(of: backend)) }
        return counts
    }

    private func counts(slot: Int) -> [UInt64] {
        let totals = plane.statistics.totals(slot: slot)
        var counts = [UInt64](repeating: 0, count: BackendCounter.count)
        counts[BackendCounter.connections.rawValue] = totals.connections
        counts[BackendCounter.bytesToBackend.rawValue] = totals.bytesToBackend
        counts[BackendCounter.bytesToClient.rawValue] = totals.bytesToClient
        counts[BackendCounter.backendResets.rawValue] = totals.backendResets
        counts[BackendCounter.clientResets.rawValue] = totals.clientResets
        guard totals.connectFailures > 0 else { return counts }
        let failures = plane.statistics.connectFailures(slot: slot)
        for (index, reason) in ConnectFailureReason.allCases.enumerated() {
            counts[BackendCounter.connectFailures.rawValue + index] = failures[reason] ?? 0
        }
        return counts
    }

    private func probes(of backend: Backend) -> [UInt64] {
        var counts = [UInt64](repeating: 0, count: BackendCounter.count)
        counts[BackendCounter.probesPassed.rawValue] = backend.history.sequence - backend.history.failures
        counts[BackendCounter.probesFailed.rawValue] = backend.history.failures
        return counts
    }

    // MARK: Pools

    /// It has not been published yet, nor is there a line of its clients.
    func open(_ pool: Pool) {
        let name = pool.configuration.name
        pools.open(pool.index, for: name, at: [])
        for kind in PoolTimes.allCases { times[kind.rawValue].open(pool.index, for: name, at: counts(kind, pool: pool.index)) }
    }

    /// No connection names it any more.
    func close(_ pool: Pool) {
        let name = pool.configuration.name
        pools.close(pool.index, for: name, at: counts(pool: pool.index))
        for kind in PoolTimes.allCases { times[kind.rawValue].close(pool.index, for: name, at: counts(kind, pool: pool.index)) }
    }

    func counts(of pool: Pool) -> [UInt64] { pools.total(of: pool.configuration.name, counts(pool:)) }

    private func counts(pool: Int) -> [UInt64] {
        let queue = plane.queueReport(pool: pool)
        return [queue.refused, queue.timeouts, queue.holdTimeouts, queue.diverted]
    }

    func times(_ kind: PoolTimes, of pool: Pool) -> TimeCounts {
        let counts = times[kind.rawValue].total(of: pool.configuration.name) { self.counts(kind, pool: $0) }
        var times = TimeCounts()
        (times.counts, times.sum) = (Array(counts.dropLast()), counts.last ?? 0)
        return times
    }

    /// Of each bucket, and at last the sum.
    private func counts(_ kind: PoolTimes, pool: Int) -> [UInt64] {
        let times = switch kind {
        case .connects: plane.statistics.connectTimes(pool: pool)
        case .firstBytes: plane.statistics.firstByteTimes(pool: pool)
        case .durations: plane.statistics.durations(pool: pool)
        }
        return times.counts + [times.sum]
    }
}
