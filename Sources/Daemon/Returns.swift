// Backends that have come back, from down, drain or maintenance, or that are new in a pool that serves already: how large
// a share of new connections each gets, looked at a few times a second as long as there are any.
import Decisions
import EventLoop
import Model
import Proxy
import Statistics
import SystemCalls

@ControlPlane final class Returns {
    /// One pool, as it was at the last look.
    private final class Watched {
        let pool: Pool
        /// Those that take new connections.
        var targets: [Backend] = []
        /// Backends that have been out, or were not there when the pool began.
        var out: Set<BackendReference> = []
        var known: Set<BackendReference> = []
        var ramps: [BackendReference: ReturnRamp] = [:]
        /// As of the last look, of all that take connections.
        var totals: [BackendReference: BackendTotals] = [:]

        init(_ pool: Pool) { self.pool = pool }

        /// Backends that are no more; others may have their names one day.
        func forget(_ gone: Set<BackendReference>) {
            for reference in gone {
                out.remove(reference)
                (ramps[reference], totals[reference]) = (nil, nil)
            }
        }
    }

    private static let interval = Duration.milliseconds(250)

    private let plane: DataPlane
    private var watched: [PoolName: Watched] = [:]
    private var stepping: Task<Void, Never>?
    /// Told of a pool in which somebody's share has changed.
    var changed: @ControlPlane (Pool) -> Void = { _ in }

    init(plane: DataPlane) { self.plane = plane }

    func stop() {
        stepping?.cancel()
        stepping = nil
    }

    /// `targets`: those of the pool that take new connections from now on. Begins and ends what follows from that.
    func follow(_ pool: Pool, _ targets: [Backend]) {
        let entry = entry(of: pool)
        let isBeginning = entry.known.isEmpty
        let taking = Set(targets.map(\.reference))
        entry.targets = targets
        entry.forget(entry.known.subtracting(pool.backends.map(\.reference)))
        for backend in pool.backends {
            if !entry.known.contains(backend.reference), !isBeginning { entry.out.insert(backend.reference) }
            if backend.isOut { entry.out.insert(backend.reference) }
            if !taking.contains(backend.reference) { end(backend, entry) }
        }
        entry.known = Set(pool.backends.map(\.reference))
        for backend in targets where entry.out.remove(backend.reference) != nil { begin(backend, entry, besides: targets.count - 1) }
    }

    /// A pool that was replaced by one of its name goes on with what is known of its backends.
    private func entry(of pool: Pool) -> Watched {
        if let entry = watched[pool.configuration.name], entry.pool === pool { return entry }
        let entry = Watched(pool)
        if let old = watched[pool.configuration.name] {
            (entry.out, entry.known, entry.ramps, entry.totals) = (old.out, old.known, old.ramps, old.totals)
        }
        watched[pool.configuration.name] = entry
        return entry
    }

    private func begin(_ backend: Backend, _ entry: Watched, besides others: Int) {
        let configuration = entry.pool.configuration
        let ramp = ReturnRamp(slowStart: configuration.slowStart, prefersEmpty: configuration.balance.prefersEmpty, now: now)
        // Alone it takes everything, whatever its share.
        guard others > 0 || ramp.stage == .warming, ramp.stage != .over else { return }
        entry.ramps[backend.reference] = ramp
        show(ramp, backend)
        if stepping == nil { stepping = start { [weak self] in await self?.stepRegularly() } }
    }

    private func end(_ backend: Backend, _ entry: Watched) {
        (entry.ramps[backend.reference], entry.totals[backend.reference]) = (nil, nil)
        (backend.share, backend.isWarming) = (nil, false)
    }

    /// Small steps of a share are not worth a new routing.
    private func show(_ ramp: ReturnRamp, _ backend: Backend) {
        let share = max(1, Int(ramp.share * 256))
        switch ramp.stage {
        case .over: (backend.share, backend.isWarming) = (nil, false)
        case .catchingUp: (backend.share, backend.isWarming) = (share, false)
        case .warming:
            backend.isWarming = true
            if let shown = backend.share, abs(share - shown) * 8 < shown { return }
            backend.share = share
        }
    }

    // MARK: Steps

    private var now: Double { Double(Clocks.monotonic().nanoseconds) / 1e9 }

    private func stepRegularly() async {
        while await pause(for: Returns.interval), !Task.isCancelled {
            for entry in watched.values where !entry.ramps.isEmpty { step(entry) }
            guard watched.values.contains(where: { !$0.ramps.isEmpty }) else { break }
        }
        if !Task.isCancelled { stepping = nil }
    }

    private func step(_ entry: Watched) {
        let looks = looks(entry)
        var isNews = false
        for backend in entry.targets {
            guard var ramp = entry.ramps[backend.reference], let look = looks[backend.reference] else { continue }
            let before = (backend.share, backend.isWarming)
            ramp.step(look)
            entry.ramps[backend.reference] = ramp.stage == .over ? nil : ramp
            show(ramp, backend)
            isNews = isNews || before != (backend.share, backend.isWarming)
        }
        if entry.ramps.isEmpty { entry.totals = [:] }
        if isNews { changed(entry.pool) }
    }

    private func looks(_ entry: Watched) -> [BackendReference: ReturnRamp.Look] {
        var results: [BackendReference: ReturnRamp.Results] = [:]
        var peers = ReturnRamp.Results()
        var (weight, peersWeight, peersHolders) = (0, 0, 0)
        for backend in entry.targets {
            let totals = plane.statistics.totals(slot: backend.slot)
            // What happened before the first look tells nothing.
            let result = ReturnRamp.Results(totals, since: entry.totals[backend.reference] ?? totals)
            entry.totals[backend.reference] = totals
            results[backend.reference] = result
            weight += backend.configuration.weight
            guard entry.ramps[backend.reference] == nil else { continue }
            peers = peers + result
            peersWeight += backend.configuration.weight
            peersHolders += backend.holders
        }
        let now = now
        return entry.ramps.keys.reduce(into: [:]) { looks, reference in
            guard let own = results[reference], let backend = entry.targets.first(where: { $0.reference == reference }) else { return }
            looks[reference] = ReturnRamp.Look(
                now: now, own: own, peers: peers, fairShare: Double(backend.configuration.weight) / Double(weight),
                load: Double(backend.holders) / Double(backend.configuration.weight),
                peersLoad: peersWeight > 0 ? Double(peersHolders) / Double(peersWeight) : 0)
        }
    }
}

extension Backend {
    /// Seen to take no connections, other than for want of a first probe.
    fileprivate var isOut: Bool {
        switch availability {
        case .available, .warming, .unknown: false
        case .draining, .drained, .down, .maintenance: true
        }
    }
}

extension Balance {
    /// Whoever has fewest connections gets more than its share.
    fileprivate var prefersEmpty: Bool {
        switch self {
        case .leastConnections, .twoChoices: true
        case .roundRobin, .sourceHash, .random: false
        }
    }
}

extension ReturnRamp.Results {
    fileprivate init(_ now: BackendTotals, since before: BackendTotals) {
        let times = now.connectTimes.since(before.connectTimes)
        self.init(
            connections: Double(now.connections &- before.connections),
            failures: Double((now.connectFailures &- before.connectFailures) &+ (now.backendResets &- before.backendResets)),
            timed: Double(times.count), milliseconds: Double(times.microseconds) / 1000)
    }

    fileprivate static func + (left: Self, right: Self) -> Self {
        Self(
            connections: left.connections + right.connections, failures: left.failures + right.failures,
            timed: left.timed + right.timed, milliseconds: left.milliseconds + right.milliseconds)
    }
}
