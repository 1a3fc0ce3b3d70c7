// How the pools and backends of the table change while lbd runs: added, changed, taken out, gone.
import Decisions
import EventLoop
import Model
import Proxy
import Statistics
import SystemCalls

// By name: what has the same name before and after stays, with its wish, its findings, its counters and connections.
extension PoolTable {
    /// Slots and pool numbers that a change needs; nil: there are enough.
    func shortage(for configurations: [PoolConfiguration]) -> String? {
        var (newPools, newSlots) = (0, 0)
        for configuration in configurations {
            let pool = pool(configuration.name)
            if pool == nil { newPools += 1 }
            let addresses = Dictionary(uniqueKeysWithValues: (pool?.backends ?? []).map { ($0.reference.backend, $0.configuration.address) })
            newSlots += configuration.backends.count { addresses[$0.name] != $0.address }
        }
        guard newPools > indices.available || newSlots > slots.available else {
            return memoryShortage(pools: indices.next(newPools), slots: slots.next(newSlots), for: configurations)
        }
        return "room is left for \(counted(indices.available, "more pool")) and \(counted(slots.available, "more backend")), "
            + "\(newPools) and \(newSlots) are wanted; those that are being removed count until their last connection has ended"
    }

    /// Takes the memory behind the numbers; nil: there was enough.
    private func memoryShortage(pools: [Int], slots: [Int], for configurations: [PoolConfiguration]) -> String? {
        let hasPaths = configurations.contains { $0.backends.contains { IPEndpoint($0.address) == nil } }
        do throws(SystemError) {
            try plane.segment.reserve(slots: slots, pools: pools, withDetails: hasPaths)
            for slot in slots where plane.statistics.tickets(slot: slot).isUsed { try plane.segment.reserveDetails(slot: slot) }
        } catch {
            return "the statistics segment has no memory for it: \(error); make room there"
        }
        return nil
    }

    /// Adds and changes pools as the configuration has them now. `saved`: wishes of backends that are new.
    /// Those that were added, for their leases.
    func change(to configurations: [PoolConfiguration], saved: [BackendReference: SavedWish], atStart: Bool) -> [Backend] {
        var added: [Backend] = []
        taken = ([], [])
        for configuration in configurations {
            let pool = pool(configuration.name) ?? add(configuration, atStart: atStart)
            if pool.isRemoving { takeBack(pool) }
            let before = pool.configuration
            pool.configuration = configuration
            directory.publish(pool)
            // A new one has no backends yet.
            guard before != configuration || pool.backends.count != configuration.backends.count || pool.isLosing || pool.routing == nil else { continue }
            added += change(backendsOf: pool, saved: saved)
            mark(pool)
        }
        publishNow()
        for backend in added { announceAdded(backend, saved: saved[backend.reference], atStart: atStart) }
        sort(by: configurations)
        return added
    }

    /// Takes out the pools that the configuration has no longer; no listener names them any more.
    /// `now`: what was taken out, here and by `change`, is not waited for.
    func removeOthers(than configurations: [PoolConfiguration], now: Bool) {
        let names = Set(configurations.map(\.name))
        for pool in pools where !names.contains(pool.configuration.name) && !pool.isRemoving {
            events.record(.poolRemoving(pool.configuration.name))
            for backend in pool.backends where !backend.isRemoving { remove(backend) }
            pool.configuration.backends = []
            pool.retirement = .leaving(since: 0)
            lose(pool)
            mark(pool)
            publishNow()
            pool.retirement = .leaving(since: plane.generation)
        }
        sort(by: configurations)
        if now { end(taken.backends, taken.addresses) }
        taken = ([], [])
        settle()
    }

    private func add(_ configuration: PoolConfiguration, atStart: Bool) -> Pool {
        guard let index = indices.take() else { preconditionFailure("the room for pools was checked") }
        plane.statistics.clearTimes(pool: index)
        let pool = Pool(configuration: configuration, index: index, plane: plane)
        pools.append(pool)
        counters.open(pool)
        events.record(.poolAdded(configuration.name, atStart: atStart))
        return pool
    }

    private func takeBack(_ pool: Pool) {
        pool.retirement = .none
        events.record(.poolTakenBack(pool.configuration.name))
    }

    private func change(backendsOf pool: Pool, saved: [BackendReference: SavedWish]) -> [Backend] {
        var added: [Backend] = []
        let known = Dictionary(uniqueKeysWithValues: pool.backends.map { ($0.reference.backend, $0) })
        for configuration in pool.configuration.backends {
            if let backend = known[configuration.name] {
                change(backend, of: pool, to: configuration)
            } else {
                added.append(add(configuration, to: pool, saved: saved))
            }
        }
        let names = Set(pool.configuration.backends.map(\.name))
        for backend in pool.backends where !names.contains(backend.reference.backend) && !backend.isRemoving { remove(backend) }
        if pool.isLosing { lose(pool) }
        let order = Dictionary(uniqueKeysWithValues: pool.configuration.backends.enumerated().map { ($1.name, $0) })
        pool.backends = pool.backends.enumerated()
            .sorted { (order[$0.element.reference.backend] ?? .max, $0.offset) < (order[$1.element.reference.backend] ?? .max, $1.offset) }
            .map(\.element)
        return added
    }

    private func add(_ configuration: BackendConfiguration, to pool: Pool, saved: [BackendReference: SavedWish]) -> Backend {
        let reference = BackendReference(pool: pool.configuration.name, backend: configuration.name)
        let backend = Backend(
            reference: reference, configuration: configuration, slot: slots.take(), of: pool.configuration, plane: plane,
            found: { [weak self] backend, old, reason in self?.found(backend, old, reason) })
        pool.backends.append(backend)
        byReference[reference] = (pool, backend)
        enter(backend, pool)
        let wish = saved[reference]
        backend.set(wish?.wish ?? configuration.wish, drain: wish?.drain)
        backend.leaseUntil = wish?.leaseUntil
        return backend
    }

    private func announceAdded(_ backend: Backend, saved: SavedWish?, atStart: Bool) {
        note(backend.availability, of: backend)
        publishEntry(of: backend)
        events.record(.backendAdded(
            backend.reference, backend.configuration.address, backend.wish, backend.history.finding, backend.announced, atStart: atStart))
        guard let saved else { return }
        // Who looks at the file alone would not expect it.
        let overrides = saved.wish != backend.configuration.wish
        guard saved.wish != .ready || overrides else { return }
        events.record(.wishKept(backend.reference, saved.wish, drain: saved.drain, overrides: overrides))
    }

    private func change(_ backend: Backend, of pool: Pool, to configuration: BackendConfiguration) {
        let wasRemoving = backend.isRemoving
        if wasRemoving { backend.beTakenBack() }
        let old = backend.configuration.address
        if configuration.address == old {
            backend.follow(configuration, of: pool.configuration)
        } else {
            let found = backend.history.finding
            counters.keepProbes(of: backend)
            let former = backend.move(to: configuration, slot: slots.take(), of: pool.configuration)
            pool.leaving.append(former)
            taken.addresses.append(former)
            enter(backend, pool)
            directory.publish(former, of: pool, before: slots.before(former.slot))
            events.record(.backendMoved(backend.reference, from: old, to: configuration.address))
            // Nobody has asked there yet; with no check it is up, as it was.
            if backend.history.finding != found {
                events.record(.probe(backend.reference, from: found, to: backend.history.finding, reason: "another address"))
            }
        }
        if wasRemoving { events.record(.backendTakenBack(backend.reference, configuration.address)) }
        mark(backend)
    }

    private func remove(_ backend: Backend) {
        backend.beRemoved()
        taken.backends.append(backend)
        events.record(.backendRemoving(backend.reference))
        mark(backend)
    }

    private func sort(by configurations: [PoolConfiguration]) {
        let order = Dictionary(uniqueKeysWithValues: configurations.enumerated().map { ($1.name, $0) })
        pools = pools.enumerated()
            .sorted { (order[$0.element.configuration.name] ?? .max, $0.offset) < (order[$1.element.configuration.name] ?? .max, $1.offset) }
            .map(\.element)
    }
}

// What goes.
extension PoolTable {
    /// After any news of the workers: what is on its way out goes as far as it can.
    func settle() {
        for pool in losing where pool.isLosing {
            for former in pool.leaving where former.isEmpty { end(former, of: pool) }
            end(pool.backends.filter { $0.isRemoving && $0.isEmpty }.map { Ending($0) }, of: pool)
            retire(pool)
        }
        losing.removeAll { !$0.isLosing }
        slots.settle()
        poolsLeaving.removeAll { entry in
            guard entry.generation <= plane.settledGeneration else { return false }
            indices.give(entry.pool.index)
            return true
        }
    }

    /// Resets whoever holds what is on its way out already; it is gone from the table at once.
    func end(_ backends: [Backend], _ addresses: [FormerAddress] = []) {
        let slots = backends.map(\.slot) + addresses.map(\.slot)
        guard !slots.isEmpty else { return }
        // Looked at before the workers reset them, which they do at once.
        let held = backends.map { Ending($0) }
        plane.resetConnections(.slots(Set(slots)))
        for pool in losing {
            for former in addresses where pool.leaving.contains(where: { $0 === former }) { end(former, of: pool) }
            end(held.filter { $0.backend.reference.pool == pool.configuration.name }, of: pool)
        }
        settle()
    }

    private func lose(_ pool: Pool) {
        if !losing.contains(where: { $0 === pool }) { losing.append(pool) }
    }

    private func end(_ former: FormerAddress, of pool: Pool) {
        pool.leaving.removeAll { $0 === former }
        slots.release(former.slot, pool: pool.index, outSince: former.outSince ?? plane.generation)
        directory.forget(slot: former.slot)
        events.record(.backendLeft(former.reference, former.address))
        changes.announce()
    }

    private func end(_ ending: [Ending], of pool: Pool) {
        let ending = ending.filter { !$0.backend.isGone }
        guard !ending.isEmpty else { return }
        let names = Set(ending.map(\.backend.reference))
        pool.backends.removeAll { names.contains($0.reference) }
        for (backend, connections, isEmpty) in ending.map({ ($0.backend, $0.connections, $0.isEmpty) }) {
            byReference[backend.reference] = nil
            slots.release(backend.slot, pool: pool.index, outSince: backend.outSince ?? plane.generation)
            counters.keepProbes(of: backend)
            directory.forget(slot: backend.slot)
            backend.beGone(empty: isEmpty)
            noteRemoved(backend.reference)
            events.record(.backendRemoved(backend.reference, connections: connections))
            gone(backend)
        }
        changes.announce()
    }

    private func retire(_ pool: Pool) {
        guard pool.backends.isEmpty, pool.leaving.isEmpty, !slots.holds(pool: pool.index) else { return }
        switch pool.retirement {
        case .none: return
        case .leaving(let since):
            guard plane.isFollowed(since) else { return }
            pool.retirement = .releasing
            plane.retire(pool: pool.index)
        case .releasing:
            guard plane.isReleased(pool: pool.index) else { return }
            counters.close(pool)
            poolsLeaving.append((pool, plane.forget(pool: pool.index)))
            pools.removeAll { $0 === pool }
            losing.removeAll { $0 === pool }
            directory.forget(pool: pool.index)
            events.record(.poolRemoved(pool.configuration.name))
            changes.announce()
        }
    }
}

/// A backend that leaves its pool for good, and what it still holds at that moment.
@ControlPlane private struct Ending {
    let backend: Backend
    let connections: Int
    let isEmpty: Bool

    init(_ backend: Backend) {
        self.backend = backend
        connections = backend.holders
        isEmpty = backend.isEmpty
    }
}
