// The last ten minutes of each pool, in steps of five seconds: for the graphs of the status page.
import EventLoop
import Model
import Statistics

/// A pool's samples, the oldest first; at most `length`.
struct PoolHistory: Sendable {
    struct Sample: Sendable {
        /// Highest first: what is drawn must not hide it.
        var connections: UInt32
        /// A second.
        var connects: Float
        var failures: Float
        /// Both ways.
        var bytes: Float
    }

    static let length = 120
    static let interval = Duration.seconds(5)

    private var ring: [Sample] = []
    private var next = 0
    /// As last read, to take the difference of.
    private var before: (connects: UInt64, failures: UInt64, bytes: UInt64, seconds: Double)?

    var samples: [Sample] { ring.count < PoolHistory.length ? ring : Array(ring[next...] + ring[..<next]) }

    /// All but `connections` count from any beginning: where they fall, a backend was taken out.
    mutating func read(connections: Int, connects: UInt64, failures: UInt64, bytes: UInt64, at seconds: Double) {
        defer { before = (connects, failures, bytes, seconds) }
        guard let before, seconds > before.seconds else { return }
        let elapsed = seconds - before.seconds
        let rate = { (now: UInt64, then: UInt64) in now > then ? Float(Double(now - then) / elapsed) : 0 }
        let sample = Sample(
            connections: UInt32(clamping: connections), connects: rate(connects, before.connects), failures: rate(failures, before.failures),
            bytes: rate(bytes, before.bytes))
        if ring.count < PoolHistory.length { ring.append(sample) } else { ring[next] = sample }
        next = (next + 1) % PoolHistory.length
    }
}

@ControlPlane final class History {
    private let table: PoolTable
    private let clock = LoopClock()
    /// Failed connects of backends that have had any: the count as last read, and how many a second since the reading before.
    private var failures: [Int: (count: UInt64, perSecond: Double)] = [:]
    private var pools: [Int: PoolHistory] = [:]
    private var readAt: MonotonicTime?
    /// Between two turns of everybody else.
    private static let backendsAtOnce = 256

    init(table: PoolTable) { self.table = table }

    func samples(of pool: Pool) -> [PoolHistory.Sample] { pools[pool.index]?.samples ?? [] }

    func failuresPerSecond(slot: Int) -> Double { failures[slot]?.perSecond ?? 0 }

    /// Until it is cancelled.
    func run() async {
        repeat {
            let now = clock.now
            let elapsed = readAt.map { $0.duration(to: now).inSeconds } ?? 0
            var (backends, kept) = (0, [Int: PoolHistory]())
            for pool in table.pools {
                kept[pool.index] = read(pool, elapsed)
                backends += pool.backends.count
                guard backends >= History.backendsAtOnce else { continue }
                backends = 0
                guard await pause(for: .milliseconds(1)), !Task.isCancelled else { return }
            }
            // A pool that has gone leaves its number to another.
            (pools, readAt) = (kept, now)
        } while await pause(for: PoolHistory.interval) && !Task.isCancelled
    }

    private func read(_ pool: Pool, _ elapsed: Double) -> PoolHistory {
        var (connections, connects, failed, bytes) = (0, UInt64(0), UInt64(0), UInt64(0))
        for backend in pool.backends where !backend.isGone {
            let totals = table.slots.totals(backend.slot)
            connections += backend.holders
            connects &+= totals.connections
            failed &+= totals.connectFailures
            bytes &+= totals.bytesToBackend &+ totals.bytesToClient
            note(totals.connectFailures, of: backend.slot, elapsed)
        }
        var history = pools[pool.index] ?? PoolHistory()
        history.read(connections: connections, connects: connects, failures: failed, bytes: bytes, at: clock.now.inSeconds)
        return history
    }

    private func note(_ count: UInt64, of slot: Int, _ elapsed: Double) {
        guard count > 0 else { return failures[slot] = nil }
        let before = failures[slot]?.count ?? 0
        failures[slot] = (count, count > before && elapsed > 0 ? Double(count - before) / elapsed : 0)
    }
}

extension MonotonicTime {
    fileprivate var inSeconds: Double { Double(nanoseconds) / 1e9 }
}
