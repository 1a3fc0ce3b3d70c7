// What the metrics tell of a pool.
import EventLoop
import Model
import Proxy
import Statistics

/// Raw value: its place among a pool's counters.
enum PoolCounter: Int, CaseIterable {
    case refused, queueTimeouts, holdTimeouts, diverted
}

struct PoolReading: Reading {
    let labels: Labels
    let backends: Int
    let eligible: Int
    let queue: QueueReport
    let isLeased: Bool
    private let counts: [UInt64]
    private let pool: Pool
    private let counters: NamedCounters

    @ControlPlane init(_ pool: Pool, _ table: PoolTable) {
        labels = Labels(["pool": pool.configuration.name.text])
        backends = pool.backends.count
        eligible = pool.published?.count ?? 0
        queue = table.plane.queueReport(pool: pool.index)
        isLeased = pool.shares != nil
        (self.pool, counters) = (pool, table.counters)
        counts = counters.counts(of: pool)
    }

    func count(_ counter: PoolCounter) -> UInt64 { counts[counter.rawValue] }

    /// As of now: so much of so many pools at one moment would keep everybody else waiting.
    @ControlPlane func times(_ kind: PoolTimes) -> TimeCounts { counters.times(kind, of: pool) }
}

extension PoolReading {
    /// 16 µs to 34 s.
    private static let waits = TimeBounds(from: 1_024 << 4, to: 1_024 << 25, times: 2)
    /// 1 ms to 39 hours.
    private static let lifetimes = TimeBounds(from: 1_024 << 10, to: 1_024 << 36, times: 4)

    static let families: [Family<PoolReading>] = [
        .gauge("lb_pool_backends", by: "pool", help: "Backends of the pool, whatever their state.") { $1.add($0.backends) },
        .gauge("lb_pool_eligible_backends", by: "pool", help: "Backends that new connections go to now; 0: none is served, see when-none.") {
            $1.add($0.eligible)
        },
        .gauge("lb_pool_queued", by: "pool", help: "Connections in line now because every available backend is full.") { $1.add($0.queue.waiting) },
        .gauge("lb_pool_held", by: "pool", help: "Connections in line now because no backend is available.") { $1.add($0.queue.held) },
        .gauge("lb_pool_leased", by: "pool", help: "1 while a rollout, or whoever else has set shares, holds the pool.") { $1.add($0.isLeased) },
        .counter("lb_pool_refused_total", by: "pool", help: "Connections reset because every available backend was full, at once or after their time in line.") {
            $1.add($0.count(.refused))
        },
        .counter("lb_pool_queue_timeouts_total", by: "pool", help: "Connections reset because they had been in line for room for too long.") {
            $1.add($0.count(.queueTimeouts))
        },
        .counter("lb_pool_hold_timeouts_total", by: "pool", help: "Connections reset because no backend had become available in time.") {
            $1.add($0.count(.holdTimeouts))
        },
        .counter("lb_pool_diverted_total", by: "pool", help: "Connections sent on to the pool that divert names.") { $1.add($0.count(.diverted)) },
        .histogram(
            "lb_backend_connect_seconds", by: "pool", help: "How long connects to backends of the pool took that came about.", bounds: waits
        ) { $0.times(.connects) },
        .histogram(
            "lb_backend_first_byte_seconds", by: "pool", help: "How long after the client's last byte, or the connect, the backend's first byte came.",
            bounds: waits
        ) { $0.times(.firstBytes) },
        .histogram(
            "lb_connection_duration_seconds", by: "pool", help: "How long connections that had a backend lasted, from accept to end.", bounds: lifetimes
        ) { $0.times(.durations) },
    ]
}
