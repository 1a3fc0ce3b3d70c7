// All pools and their backends: the control plane's truth, from which the routing of the workers follows.
import Decisions
import EventLoop
import Model
import Probing
import Proxy
import SystemCalls

@ControlPlane final class Pool {
    let configuration: PoolConfiguration
    let index: Int
    let backends: [Backend]
    /// Slots in the routing that was published last.
    var published: [Int]?
    /// As last announced: nobody takes new connections.
    var refuses = false

    init(configuration: PoolConfiguration, index: Int, backends: [Backend]) {
        self.configuration = configuration
        self.index = index
        self.backends = backends
    }
}

@ControlPlane final class PoolTable {
    let pools: [Pool]
    private let byReference: [BackendReference: (pool: Pool, backend: Backend)]
    private let bySlot: [Backend]
    private let plane: DataPlane
    private let events: EventLog
    /// Announced whenever a backend's state, its emptiness or its holders' news changed.
    let changes = Broadcast()

    init(_ configurations: [PoolConfiguration], plane: DataPlane, events: EventLog) {
        let relay = FindingRelay()
        var slots = 0
        pools = configurations.enumerated().map { index, configuration in
            let backends = configuration.backends.map { backend in
                defer { slots += 1 }
                return Backend(
                    reference: BackendReference(pool: configuration.name, backend: backend.name),
                    configuration: backend, slot: slots, health: configuration.health,
                    sendProxy: configuration.sendProxy, source: configuration.transport.source, plane: plane,
                    found: { backend, old, reason in relay.table?.found(backend, old, reason) })
            }
            return Pool(configuration: configuration, index: index, backends: backends)
        }
        bySlot = pools.flatMap(\.backends)
        byReference = Dictionary(
            uniqueKeysWithValues: pools.flatMap { pool in pool.backends.map { ($0.reference, (pool, $0)) } })
        self.plane = plane
        self.events = events
        relay.table = self
    }

    /// Publishes every pool's first routing and starts the probes. `saved`: wishes that win over the file's.
    func start(saved: [BackendReference: SavedWish]) {
        for pool in pools {
            for backend in pool.backends {
                let wish = saved[backend.reference]
                backend.set(wish?.wish ?? backend.configuration.wish, drain: wish?.drain)
                if let wish { announce(backend, keeps: wish) }
            }
            publish(pool)
            for backend in pool.backends { announceAdded(backend) }
            announce(pool)
        }
    }

    func stop() {
        for backend in bySlot { backend.prober.stop() }
    }

    func backend(_ reference: BackendReference) -> Backend? { byReference[reference]?.backend }

    /// By its slot, with its pool.
    func entry(slot: Int) -> (pool: Pool, backend: Backend)? { byReference[bySlot[slot].reference] }

    func pool(_ name: PoolName) -> Pool? { pools.first { $0.configuration.name == name } }

    /// The nearest name to one that is not there, of a backend or of a pool.
    func nearest(to text: String) -> String? {
        text.nearest(among: bySlot.map(\.reference.description) + pools.map(\.configuration.name.text))
    }

    // MARK: What changes a backend

    /// Sets an operator's wish. From the generation that this returns on, no worker sends the backend new
    /// connections unless the wish is `ready`.
    func set(_ wish: Wish, of backend: Backend, drain: DrainLease?, by: String, reason: String?) {
        let old = backend.wish
        // A rollout that fails says why by a new reason for the drain that stays; a renewal changes nothing.
        let isNews = old != wish || backend.drain != drain
        backend.set(wish, drain: drain)
        if isNews {
            events.record(.wish(backend.reference, from: old, to: wish, by: by, reason: reason, drain: drain))
        }
        refresh(backend)
    }

    private func found(_ backend: Backend, _ old: ProbeFinding, _ reason: String) {
        events.record(.probe(backend.reference, from: old, to: backend.history.finding, reason: reason))
        refresh(backend)
    }

    /// A worker's news: something may be empty now.
    func lookAgain(slot: Int? = nil) {
        for backend in slot.map({ [bySlot[$0]] }) ?? bySlot where backend.wish != .ready { announce(backend) }
        changes.announce()
    }

    /// Waits until all workers follow what was published last.
    func followed(_ generation: UInt64) async -> Bool {
        while !plane.isFollowed(generation) {
            guard await changes.next(after: changes.version) == .ready else { return false }
        }
        return true
    }

    var generation: UInt64 { plane.generation }

    /// Something that no command asked for has failed: for the log.
    func reportFailure(_ text: String) { events.reportFailure(text) }

    // MARK: Consequences

    private func refresh(_ backend: Backend) {
        guard let pool = byReference[backend.reference]?.pool else { return }
        publish(pool)
        announce(backend)
        announce(pool)
        changes.announce()
    }

    private func announce(_ pool: Pool) {
        let refuses = pool.published == []
        guard refuses != pool.refuses else { return }
        pool.refuses = refuses
        events.record(refuses ? .poolRefuses(pool.configuration.name) : .poolServes(pool.configuration.name))
    }

    /// Who looks at the file alone would not expect it.
    private func announce(_ backend: Backend, keeps saved: SavedWish) {
        let overrides = saved.wish != backend.configuration.wish
        guard saved.wish != .ready || overrides else { return }
        events.record(.wishKept(backend.reference, saved.wish, drain: saved.drain, overrides: overrides))
    }

    private func announceAdded(_ backend: Backend) {
        backend.announced = backend.availability
        events.record(.backendAdded(
            backend.reference, backend.configuration.address, backend.wish, backend.history.finding, backend.announced, atStart: true))
    }

    /// The lease of its drain has begun anew.
    func announceLease(of backend: Backend) {
        guard let drain = backend.drain, let until = backend.leaseUntil else { return }
        events.record(.leased(backend.reference, drain, until: until))
    }

    private func announce(_ backend: Backend) {
        let availability = backend.availability
        guard availability != backend.announced else { return }
        events.record(.availability(backend.reference, from: backend.announced, to: availability))
        backend.announced = availability
    }

    /// Hands the workers the pool's routing where it differs from what they follow.
    private func publish(_ pool: Pool) {
        let eligible = Availability.eligible(in: pool.backends.map { ($0.availability, $0.configuration.backup) })
        let targets = eligible.map { pool.backends[$0] }
        let slots = targets.map(\.slot)
        guard slots != pool.published else { return }
        let generation = plane.publish(
            PoolRouting(
                balance: pool.configuration.balance, timeouts: pool.configuration.timeouts,
                connectRetries: pool.configuration.connectRetries, sendProxy: pool.configuration.sendProxy,
                transport: pool.configuration.transport, whenFull: pool.configuration.whenFull,
                targets: targets.map {
                    .init(
                        name: $0.reference.description, slot: $0.slot, address: $0.configuration.address,
                        weight: $0.configuration.weight, connectionsMax: $0.configuration.connectionsMax)
                }),
            pool: pool.index)
        pool.published = slots
        let named = Set(slots)
        for backend in pool.backends {
            backend.outSince = named.contains(backend.slot) ? nil : backend.outSince ?? generation
        }
    }
}

/// Breaks the circle between the table and the probers that it makes.
@ControlPlane private final class FindingRelay {
    weak var table: PoolTable?
}
