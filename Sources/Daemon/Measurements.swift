// What pools and their backends carry: read once a second from the workers' counters, so that it costs them nothing.
import ControlProtocol
import Decisions
import EventLoop
import Model
import Proxy
import Statistics

/// A backend's, apart from it: of thousands of backends most are idle, and shall cost nothing for it.
@ControlPlane final class MeasuredLoad {
    var meter = LoadMeter()
}

extension Backend {
    var meter: LoadMeter { load?.meter ?? LoadMeter() }
}

@ControlPlane final class Measurements {
    private let table: PoolTable
    private let plane: DataPlane
    private let clock = LoopClock()
    private let began: MonotonicTime
    /// What else comes once a second.
    var turn: @ControlPlane () -> Void = {}

    /// How much later than due the last of its turns began: whatever else is the control loop's waits as long.
    private(set) var lag = Duration.zero

    private static let interval = Duration.seconds(1)
    /// Between two turns of everybody else.
    private static let backendsAtOnce = 256

    init(table: PoolTable, plane: DataPlane) {
        self.table = table
        self.plane = plane
        began = clock.now
    }

    /// Until it is cancelled.
    func run() async {
        repeat {
            turn()
            var backends = 0
            for pool in table.pools {
                read(pool)
                backends += pool.backends.count
                guard backends >= Measurements.backendsAtOnce else { continue }
                backends = 0
                guard await pause(for: .milliseconds(1)), !Task.isCancelled else { return }
            }
        } while await rest()
    }

    /// False: cancelled.
    private func rest() async -> Bool {
        let due = clock.now.advanced(by: Measurements.interval)
        guard await pause(for: Measurements.interval), !Task.isCancelled else { return false }
        lag = max(.zero, due.duration(to: clock.now))
        return true
    }

    private func read(_ pool: Pool) {
        let seconds = Double(clock.now.nanoseconds) / 1e9
        var (connections, connects, bytes) = (0, UInt64(0), UInt64(0))
        for backend in pool.backends where !backend.isGone {
            // Since it has its slot: what that counted before is nobody's load.
            let totals = table.slots.totals(backend.slot)
            let held = backend.holders
            let moved = totals.bytesToBackend &+ totals.bytesToClient
            if backend.load == nil, held > 0 || totals.connections > 0 { backend.load = MeasuredLoad() }
            if let load = backend.load {
                load.meter.read(connections: held, connects: totals.connections, bytes: moved, at: seconds)
                let now = load.meter.now
                plane.statistics.write(rate: now.connectsPerSecond, byteRate: now.bytesPerSecond, slot: backend.slot)
            }
            connections += held
            connects &+= totals.connections
            bytes &+= moved
        }
        pool.meter.read(connections: connections, connects: connects, bytes: bytes, at: seconds)
    }

    /// How far back the peaks go.
    var measured: Duration { min(LoadMeter.window, began.duration(to: clock.now)) }
}

extension CommandHandler {
    func measure(_ name: PoolName, ages: Bool, _ answer: Answer) async throws(Failure) {
        let pool = try find(name)
        let open = ages ? try await surveys.connections(pool: pool.index) : nil
        try await answer.tell(MeasureReport(
            pool: name, window: LoadMeter.window, measured: measurements.measured, load: pool.meter.now, peak: pool.meter.peak,
            lifetimes: pool.lifetimes, backends: pool.backends.map { backend in
                report(backend, pool, ages: open.map { all in LifetimeCounts(all.lazy.filter { $0.slot == backend.slot }.map(\.age)) })
            }))
    }

    private func report(_ backend: Backend, _ pool: Pool, ages: LifetimeCounts?) -> MeasuredBackend {
        var outcomes = explanations.plane.statistics.outcomes(slot: backend.slot)
        let totals = table.slots.totals(backend.slot)
        (outcomes.connections, outcomes.connectFailures, outcomes.backendResets) = (totals.connections, totals.connectFailures, totals.backendResets)
        return MeasuredBackend(
            name: backend.reference.backend, availability: backend.availability, weight: backend.configuration.weight,
            backup: backend.configuration.backup, connectionsMax: backend.configuration.connectionsMax,
            capacity: backend.configuration.capacity.completed(by: pool.configuration.capacity), load: backend.meter.now, peak: backend.meter.peak,
            outcomes: outcomes, ages: ages)
    }
}
