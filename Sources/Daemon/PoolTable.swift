// All pools and their backends: the control plane's truth, from which the routing of the workers follows.
import Decisions
import EventLoop
import Model
import Probing
import Proxy
import SystemCalls

@ControlPlane final class PoolTable {
    /// In the order of the configuration; those that are being removed come last.
    var pools: [Pool] = []
    var byReference: [BackendReference: (pool: Pool, backend: Backend)] = [:]
    /// With former addresses, which count as their backend's, and until nothing more can be heard of a slot.
    private var bySlot: [Int: (pool: Pool, backend: Backend)] = [:]
    let slots: SlotTable
    let counters: NamedCounters
    var indices: Numbers
    /// Of pools that are gone, until the generation is settled.
    var poolsLeaving: [(pool: Pool, generation: UInt64)] = []
    /// Of which something is on its way out, or was.
    var losing: [Pool] = []
    /// What the change under way has taken out.
    var taken: (backends: [Backend], addresses: [FormerAddress]) = ([], [])
    let plane: DataPlane
    let events: EventLog
    let directory: SegmentDirectory
    private let returns: Returns
    /// Called when a backend is in the table no longer.
    var gone: @ControlPlane (Backend) -> Void = { _ in }
    /// When those that are gone went, the last of them at the end: for whoever asks for one.
    private var removed: [(reference: BackendReference, at: Timestamp)] = []
    private static let removedMax = 1000
    /// Announced whenever a backend's state, its emptiness or its holders' news changed.
    let changes = Broadcast()

    /// Pools whose routing may have to be published anew, and backends whose availability may be news.
    private var dirtyPools: [Int: Pool] = [:]
    private var dirtyBackends: [Backend] = []
    /// Announced as draining: any news of the workers may say that they are drained.
    private var emptying: [Backend] = []
    private var publishing: Task<Void, Never>?
    /// Between two publications because of findings: many backends that come up at once are one change of their pool.
    private static let publishingPause = Duration.milliseconds(10)

    init(plane: DataPlane, events: EventLog, poolsMax: Int) {
        self.plane = plane
        self.events = events
        slots = SlotTable(plane: plane)
        counters = NamedCounters(plane: plane)
        directory = SegmentDirectory(plane: plane, events: events)
        indices = Numbers(from: AdminPort.pool + 1, max: poolsMax)
        returns = Returns(plane: plane)
        returns.changed = { [weak self] pool in self?.follow(pool) }
        slots.freed = { [weak self] slot in self?.leave(slot) }
    }

    /// The slot is the backend's from now on.
    func enter(_ backend: Backend, _ pool: Pool) {
        bySlot[backend.slot] = (pool, backend)
        counters.open(slot: backend.slot, backend)
    }

    private func leave(_ slot: Int) {
        guard let (_, backend) = bySlot.removeValue(forKey: slot) else { return }
        counters.close(slot: slot, backend)
    }

    func stop() {
        returns.stop()
        for pool in pools { for backend in pool.backends { backend.prober.stop() } }
        publishing?.cancel()
    }

    func backend(_ reference: BackendReference) -> Backend? { byReference[reference]?.backend }

    /// By its slot, with its pool; nil where that is gone.
    func entry(slot: Int) -> (pool: Pool, backend: Backend)? { bySlot[slot] }

    func pool(_ name: PoolName) -> Pool? { pools.first { $0.configuration.name == name } }

    /// By its number; nil where it is gone.
    func pool(index: Int) -> Pool? {
        pools.first { $0.index == index } ?? poolsLeaving.first { $0.pool.index == index }?.pool
    }

    func noteRemoved(_ reference: BackendReference) {
        removed.append((reference, Clocks.calendar()))
        if removed.count > 2 * PoolTable.removedMax { removed.removeFirst(removed.count - PoolTable.removedMax) }
    }

    /// When the last backend of this name went; nil: there was none, as far as is known.
    func removedAt(_ name: String) -> Timestamp? { removed.last { $0.reference.description == name }?.at }

    /// The nearest name to one that is not there, of a backend or of a pool.
    func nearest(to text: String) -> String? {
        text.nearest(among: pools.flatMap { $0.backends.map(\.name) } + pools.map(\.configuration.name.text))
    }

    // MARK: What changes a backend

    /// Sets an operator's wish. It is published soon; where somebody relies on it, `publishNow` comes next: from the
    /// generation that follows no worker sends the backend new connections unless the wish is `ready`.
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

    func found(_ backend: Backend, _ old: ProbeFinding, _ reason: String) {
        events.record(.probe(backend.reference, from: old, to: backend.history.finding, reason: reason))
        refresh(backend)
        endConnections(of: backend)
    }

    /// What happens to clients' connections only ever asks for a probe.
    func noteFailures(_ count: Int, slot: Int) {
        // Of a former address it says nothing about the one that is probed.
        guard let (pool, backend) = entry(slot: slot), backend.slot == slot, let rule = pool.configuration.health.passive,
            let failures = backend.prober.noteFailures(count)
        else { return }
        events.record(.suspected(backend.reference, failures: failures, within: rule.within))
    }

    /// Behind the routing that takes the backend out, so that none comes after.
    private func endConnections(of backend: Backend) {
        guard backend.history.finding == .down, byReference[backend.reference]?.pool.configuration.health.whenDown == .reset,
            backend.holders > 0
        else { return }
        publishNow()
        events.record(.connectionsReset(backend.reference, count: backend.holders))
        plane.resetConnections(.taken(slot: backend.slot))
    }

    /// A worker's news: something may be empty now.
    func lookAgain(slot: Int? = nil) {
        let backends = slot.map { bySlot[$0].map { [$0.backend] } ?? [] } ?? emptying
        for backend in backends where !backend.isGone && (backend.wish != .ready || backend.isRemoving) { announce(backend) }
        emptying.removeAll { $0.isGone || $0.announced != .draining }
        changes.announce()
    }

    /// Waits until all workers follow what was published last.
    func followed(_ generation: UInt64) async -> Bool {
        while !plane.isFollowed(generation) {
            guard await changes.next(after: changes.version) == .ready else { return false }
        }
        return true
    }

    /// Waits until nobody who comes from now on meets what was before in these pools. Workers read their mail before they
    /// begin a connection, so what was posted holds for all who come after; only who waits in line may be handed a
    /// backend by a worker that has not read it.
    func holds(_ generation: UInt64, in pools: some Sequence<Pool>) async -> Bool {
        pools.contains(where: \.hasLine) ? await followed(generation) : true
    }

    var generation: UInt64 { plane.generation }

    /// Something that no command asked for has failed: for the log.
    func reportFailure(_ text: String) { events.reportFailure(text) }

    // MARK: Consequences

    private func refresh(_ backend: Backend) {
        guard let pool = byReference[backend.reference]?.pool else { return }
        dirtyPools[pool.index] = pool
        dirtyBackends.append(backend)
        guard publishing == nil else { return }
        publishing = start { [weak self] in await self?.publishInTurns() }
    }

    /// What comes about in the same turn of the loop, and soon after, is one publication.
    private func publishInTurns() async {
        repeat {
            publishNow()
            guard await pause(for: PoolTable.publishingPause) else { return }
        } while !dirtyPools.isEmpty
        publishing = nil
    }

    /// The configuration of the pool has changed: it is published with the next `publishNow`.
    func mark(_ pool: Pool) { dirtyPools[pool.index] = pool }

    func mark(_ backend: Backend) { dirtyBackends.append(backend) }

    func publishNow() {
        let (pools, backends) = (dirtyPools.values.sorted { $0.index < $1.index }, dirtyBackends)
        (dirtyPools, dirtyBackends) = ([:], [])
        for pool in pools { publish(pool) }
        for backend in backends where !backend.isGone {
            announce(backend)
            publishEntry(of: backend)
        }
        for pool in pools { announce(pool) }
        changes.announce()
    }

    /// The share of some backend that has come back is another one.
    private func follow(_ pool: Pool) {
        guard pools.contains(where: { $0 === pool }) else { return }
        mark(pool)
        for backend in pool.backends where backend.wish == .ready { mark(backend) }
        publishNow()
    }

    private func announce(_ pool: Pool) {
        let refuses = pool.published == []
        guard refuses != pool.refuses, !pool.isRemoving else { return }
        pool.refuses = refuses
        events.record(refuses ? outage(of: pool.configuration) : .poolServes(pool.configuration.name))
    }

    private func outage(of pool: PoolConfiguration) -> Event.Change {
        switch pool.whenNone {
        case .refuse: .poolRefuses(pool.name)
        case .hold(let lengthMax, let timeout): .poolHolds(pool.name, lengthMax: lengthMax, timeout: timeout)
        case .divert(let other): .poolDiverts(pool.name, to: other)
        }
    }

    /// The lease of its drain has begun anew.
    func announceLease(of backend: Backend) {
        guard let drain = backend.drain, let until = backend.leaseUntil else { return }
        publishEntry(of: backend)
        events.record(.leased(backend.reference, drain, until: until))
    }

    /// As it is now, for whoever looks from outside.
    func publishEntry(of backend: Backend) {
        guard let pool = byReference[backend.reference]?.pool else { return }
        directory.publish(backend, of: pool, before: slots.before(backend.slot))
    }

    private func announce(_ backend: Backend) {
        let availability = backend.availability
        guard availability != backend.announced else { return }
        events.record(.availability(backend.reference, from: backend.announced, to: availability))
        note(availability, of: backend)
        publishEntry(of: backend)
    }

    /// As it is told now.
    func note(_ availability: Availability, of backend: Backend) {
        backend.announced = availability
        if availability == .draining { emptying.append(backend) }
    }

    /// Hands the workers the pool's routing where it differs from what they follow.
    private func publish(_ pool: Pool) {
        let eligible = Availability.eligible(in: pool.backends.map { ($0.availability, $0.configuration.backup) })
        let targets = eligible.map { pool.backends[$0] }
        returns.follow(pool, targets)
        let routing = PoolRouting(pool, to: targets, whenNone: whenNone(of: pool))
        if routing != pool.routing {
            plane.publish(routing, pool: pool.index)
            pool.routing = routing
        }
        let named = Set(pool.published ?? [])
        for backend in pool.backends {
            backend.outSince = named.contains(backend.slot) ? nil : backend.outSince ?? plane.generation
        }
        for former in pool.leaving { former.outSince = former.outSince ?? plane.generation }
    }
}

extension PoolTable {
    private func whenNone(of pool: Pool) -> PoolRouting.WhenNone {
        // Nobody is held for backends that do not come back, nor sent to a pool that may be gone first.
        guard !pool.isRemoving else { return .refuse }
        return switch pool.configuration.whenNone {
        case .refuse: .refuse
        case .hold(let lengthMax, let timeout): .hold(lengthMax: lengthMax, timeout: timeout)
        // The configuration was checked: there is such a pool.
        case .divert(let name): self.pool(name).map { .divert(pool: $0.index) } ?? .refuse
        }
    }
}

extension PoolRouting {
    @ControlPlane fileprivate init(_ pool: Pool, to targets: [Backend], whenNone: WhenNone) {
        let configuration = pool.configuration
        self.init(
            balance: configuration.balance, timeouts: configuration.timeouts, connectRetries: configuration.connectRetries,
            sendProxy: configuration.sendProxy, transport: configuration.transport, whenFull: configuration.whenFull, whenNone: whenNone,
            targets: targets.map {
                .init(
                    name: $0.name, slot: $0.slot, address: $0.configuration.address, weight: $0.configuration.weight,
                    connectionsMax: $0.configuration.connectionsMax, share: $0.comeback.share, percent: pool.percent($0))
            })
    }
}
