// Backends that have come back, from down, drain or maintenance, or that are new in a pool that serves already: how large
// a share of new connections each gets, looked at a few times a second as long as there are any.
import Decisions
import EventLoop
import Model
import Proxy
import Statistics
import SystemCalls

/// What a backend carries of it.
struct Comeback {
    fileprivate var isKnown = false
    fileprivate var hasBeenOut = false
    /// It takes new connections.
    fileprivate var isTaking = false
    fileprivate var ramp: ReturnRamp?
    /// As of the last look.
    fileprivate var totals: BackendTotals?
    /// In 1/256 of its fair share; nil: it is not held back.
    fileprivate(set) var share: Int?
    /// Its slow start goes on.
    fileprivate(set) var isWarming = false

    /// Small steps of a share are not worth a new routing.
    fileprivate mutating func show(_ ramp: ReturnRamp) {
        let exact = max(1, Int(ramp.share * 256))
        switch ramp.stage {
        case .over: (share, isWarming) = (nil, false)
        case .catchingUp: (share, isWarming) = (exact, false)
        case .warming:
            isWarming = true
            if let share, abs(exact - share) * 8 < share { return }
            share = exact
        }
    }

    fileprivate mutating func end() { (isTaking, ramp, totals, share, isWarming) = (false, nil, nil, nil, false) }
}

@ControlPlane final class Returns {
    private static let interval = Duration.milliseconds(250)

    private let plane: DataPlane
    /// Pools in which somebody's share is less than all.
    private var pools: [Pool] = []
    private var stepping: Task<Void, Never>?
    /// Told of a pool in which somebody's share has changed.
    var changed: @ControlPlane (Pool) -> Void = { _ in }

    init(plane: DataPlane) { self.plane = plane }

    func stop() {
        stepping?.cancel()
        stepping = nil
        pools = []
    }

    /// `targets`: those of the pool that take new connections from now on. Begins and ends what follows from that.
    func follow(_ pool: Pool, _ targets: [Backend]) {
        let isServing = pool.published != nil
        for backend in pool.backends {
            if backend.isOut || (isServing && !backend.comeback.isKnown) { backend.comeback.hasBeenOut = true }
            backend.comeback.isKnown = true
            backend.comeback.isTaking = false
        }
        for backend in targets {
            backend.comeback.isTaking = true
            if backend.comeback.hasBeenOut { begin(backend, pool, besides: targets.count - 1) }
        }
        for backend in pool.backends where !backend.comeback.isTaking { backend.comeback.end() }
    }

    private func begin(_ backend: Backend, _ pool: Pool, besides others: Int) {
        backend.comeback.hasBeenOut = false
        let ramp = ReturnRamp(
            slowStart: pool.configuration.slowStart, prefersEmpty: pool.configuration.balance.prefersEmpty, now: now)
        // Alone it takes everything, whatever its share.
        guard others > 0 || ramp.stage == .warming, ramp.stage != .over else { return }
        backend.comeback.ramp = ramp
        backend.comeback.show(ramp)
        if !pools.contains(where: { $0 === pool }) { pools.append(pool) }
        if stepping == nil { stepping = start { [weak self] in await self?.stepRegularly() } }
    }

    // MARK: Steps

    private var now: Double { Double(Clocks.monotonic().nanoseconds) / 1e9 }

    private func stepRegularly() async {
        while !pools.isEmpty, await pause(for: Returns.interval), !Task.isCancelled {
            for pool in pools { step(pool) }
            pools.removeAll { pool in !pool.backends.contains { $0.comeback.ramp != nil } }
        }
        if !Task.isCancelled { stepping = nil }
    }

    private func step(_ pool: Pool) {
        let sight = Sight(pool, plane)
        var isNews = false
        for backend in pool.backends {
            guard var ramp = backend.comeback.ramp else { continue }
            let before = (backend.comeback.share, backend.comeback.isWarming)
            ramp.step(sight.look(at: backend, now: now))
            backend.comeback.ramp = ramp.stage == .over ? nil : ramp
            backend.comeback.show(ramp)
            isNews = isNews || before != (backend.comeback.share, backend.comeback.isWarming)
        }
        if isNews { changed(pool) }
    }
}

/// What has become of a pool's connects since the last look.
@ControlPlane private struct Sight {
    private var results: [Int: ReturnRamp.Results] = [:]
    private let pool: Pool
    private var peers = ReturnRamp.Results()
    /// As scaled for a while.
    private var weight = 0.0
    private var peersWeight = 0
    private var peersHolders = 0

    init(_ pool: Pool, _ plane: DataPlane) {
        self.pool = pool
        for backend in pool.backends where backend.comeback.isTaking {
            let totals = plane.statistics.totals(slot: backend.slot)
            // What happened before the first look tells nothing.
            let result = ReturnRamp.Results(totals, since: backend.comeback.totals ?? totals)
            backend.comeback.totals = totals
            weight += scaledWeight(backend)
            if backend.comeback.ramp != nil {
                results[backend.slot] = result
            } else {
                peers = peers + result
                peersWeight += backend.configuration.weight
                peersHolders += backend.holders
            }
        }
    }

    private func scaledWeight(_ backend: Backend) -> Double { Double(backend.configuration.weight * pool.percent(backend)) / 100 }

    func look(at backend: Backend, now: Double) -> ReturnRamp.Look {
        let own = Double(backend.configuration.weight)
        return ReturnRamp.Look(
            now: now, own: results[backend.slot] ?? ReturnRamp.Results(), peers: peers, fairShare: weight > 0 ? scaledWeight(backend) / weight : 1,
            load: Double(backend.holders) / own, peersLoad: peersWeight > 0 ? Double(peersHolders) / Double(peersWeight) : 0)
    }
}

extension Backend {
    /// Seen to take no connections, other than for want of a first probe.
    fileprivate var isOut: Bool {
        if wish != .ready { return true }
        return switch history.finding {
        case .up, .unknown: false
        case .down: true
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
