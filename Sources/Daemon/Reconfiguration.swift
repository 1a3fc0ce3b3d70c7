// What runs, and how it becomes something else: all of a new configuration or nothing of it.
import ControlProtocol
import EventLoop
import Logging
import Model
import Proxy
import SystemCalls

@ControlPlane final class Reconfiguration {
    private(set) var current: BalancerConfiguration
    private let plane: DataPlane
    private let table: PoolTable
    private let listeners: Listeners
    private let admin: AdminPort
    let drains: Drains
    private let saved: SavedWishes
    private let events: EventLog
    private let logger: Logger
    /// Descriptors that were open before anything of the configuration was.
    private let descriptorsBefore: Int
    var isStopping = false
    private let log: Log

    init(
        _ configuration: BalancerConfiguration, plane: DataPlane, table: PoolTable, listeners: Listeners, admin: AdminPort, drains: Drains, saved: SavedWishes,
        events: EventLog, log: Log, logger: Logger, descriptorsBefore: Int
    ) {
        current = configuration
        (current.pools, current.listeners, current.admin) = ([], [], nil)
        (self.plane, self.table, self.listeners, self.admin, self.drains) = (plane, table, listeners, admin, drains)
        (self.saved, self.events, self.log, self.logger, self.descriptorsBefore) = (saved, events, log, logger.about(.configuration), descriptorsBefore)
        table.gone = { [weak drains] backend in drains?.forget(backend) }
    }

    /// The first configuration, or a part of it.
    func start(_ configuration: BalancerConfiguration) throws(Failure) {
        let prepared = try prepare(configuration)
        carryOut(configuration, prepared, now: false, atStart: true)
    }

    /// Applies all or nothing: what can fail (binding listeners, source addresses, limits of slots) is tried before
    /// anything changes. `control`, `state-directory` and `workers` take effect at the next start only.
    /// `now`: what is removed is not drained first, its connections are reset. `changes`: what is told of it.
    func apply(_ new: BalancerConfiguration, now: Bool, by user: String, changes: [ConfigurationChange] = []) throws(Failure) {
        guard !isStopping else { throw Failure(.failed, "lbd is stopping: nothing is changed any more") }
        var new = new
        (new.control, new.stateDirectory, new.workers) = (current.control, current.stateDirectory, current.workers)
        let prepared = new == current ? nil : try prepare(new)
        for change in changes { events.record(.configurationChanged(change.abridged, by: user)) }
        guard let prepared else { return }
        carryOut(new, prepared, now: now, atStart: false)
    }

    /// Which saved wishes are of no backend that there is: somebody may wonder later why a new one is drained.
    func tellUnclaimed() {
        for (reference, wish) in (saved.unclaimed ?? [:]).sorted(by: { $0.key.description < $1.key.description }) {
            let owner = wish.drain.map { " of \($0.owner) since \($0.since.rfc3339)" } ?? ""
            logger.info("saved wish \(wish.wish.rawValue)\(owner) for \(reference.description), which is not configured: kept, and it holds when it is added")
        }
    }

    // MARK: What can fail

    private struct Prepared {
        let listeners: PreparedListeners
        let admin: AdminPort.Prepared?
        let saved: [BackendReference: SavedWish]
        /// Nil: the log stays where it is.
        let logOutput: LineOutput?
    }

    private func prepare(_ new: BalancerConfiguration) throws(Failure) -> Prepared {
        let changed = new.pools.filter { table.pool($0.name)?.configuration != $0 }
        for pool in changed { try checkSource(of: pool) }
        if let shortage = table.shortage(for: changed) { throw Failure(.failed, shortage) }
        let saved = try savedWishes(for: changed)
        let logOutput = try logOutput(new.log)
        let admin = try admin.prepare(new.admin, leaving: listeners.leaving(new.listeners))
        do throws(Failure) {
            let listeners = try listeners.prepare(new.listeners, leaving: self.admin.leaving(for: new.admin))
            return Prepared(listeners: listeners, admin: admin, saved: saved, logOutput: logOutput)
        } catch {
            self.admin.abandon(admin)
            throw error
        }
    }

    private func logOutput(_ new: LogConfiguration) throws(Failure) -> LineOutput? {
        do throws(SystemError) { return try log.prepare(new) } catch { throw Failure(.failed, "log: \(error.description)") }
    }

    /// An address that this host does not have would make every connection wait for it, and none come about.
    private func checkSource(of pool: PoolConfiguration) throws(Failure) {
        guard let source = pool.transport.source, table.pool(pool.name)?.configuration.transport.source != source else { return }
        do throws(SystemError) { _ = try Sockets.bind(source.endpoint(port: 0)) } catch {
            throw Failure(.failed, "pool '\(pool.name)': source \(source): \(error.description)")
        }
    }

    /// Read only where there are backends that they could be of.
    private func savedWishes(for pools: [PoolConfiguration]) throws(Failure) -> [BackendReference: SavedWish] {
        let hasNew = pools.contains { pool in
            pool.backends.contains { table.backend(BackendReference(pool: pool.name, backend: $0.name)) == nil }
        }
        guard hasNew else { return [:] }
        do { return try saved.read() } catch { throw Failure(.failed, "\(error)") }
    }

    // MARK: What cannot

    /// In this order nobody meets a pool that is not there yet, or no more: routes, then listeners, then what is removed.
    private func carryOut(_ new: BalancerConfiguration, _ prepared: Prepared, now: Bool, atStart: Bool) {
        let old = current
        let added = table.change(to: new.pools, saved: prepared.saved, atStart: atStart)
        for backend in added { drains.begin(backend) }
        listeners.change(to: new.listeners, prepared.listeners, now: now, admin: new.admin) { table.pool($0) }
        if let own = prepared.admin { admin.change(to: own, beside: new.listeners.map(\.bind)) }
        table.removeOthers(than: new.pools, now: now)
        listeners.settle()
        current = new
        if !atStart {
            rebudget(from: old)
            // Those of the backends stay as they are, and so they are at the next start.
            if new.wishesAtFirstStart != old.wishesAtFirstStart { drains.saveOrTell() }
        }
        plane.access.turn(on: new.log.writesAccess)
        if new.log != old.log { log.change(to: new.log, prepared.logOutput) }
    }

    private func rebudget(from old: BalancerConfiguration) {
        let backends = current.pools.reduce(0) { $0 + $1.backends.count }
        plane.rebudget(
            descriptorsOpen: descriptorsBefore + plane.workerCount * current.listeners.count + admin.descriptors, backends: backends,
            connectionsMax: current.connectionsMax)
        guard current.connectionsMax != old.connectionsMax, let shortfall = plane.budget.shortfall else { return }
        logger.warning("\(shortfall.words(carried: plane.connectionsMax))")
    }
}

// What goes.
extension Reconfiguration {
    /// Connections of something that was removed; nil: it is gone.
    func holders(of subject: ConfigurationSubject) -> Int? {
        switch subject {
        case .lbd: return nil
        case .backend(let reference): return table.backend(reference).flatMap { $0.isRemoving ? $0.holders : nil }
        case .pool(let name):
            guard let pool = table.pool(name), pool.isRemoving else { return nil }
            return pool.backends.reduce(0) { $0 + $1.holders } + pool.leaving.reduce(0) { $0 + $1.holders }
        case .listener(let name):
            let closing = listeners.closing.filter { $0.configuration.name == name }
            return closing.isEmpty ? nil : closing.reduce(0) { $0 + plane.statistics.tickets(listener: $1.index).held }
        }
    }

    /// Removed, and still held.
    var closingListeners: [ListenerConfiguration] { listeners.closing.map(\.configuration) }

    /// Resets whoever holds something that was removed before.
    func hurry(_ subject: ConfigurationSubject) {
        switch subject {
        case .lbd: return
        case .backend(let reference):
            guard let backend = table.backend(reference), backend.isRemoving else { return }
            table.end([backend])
        case .pool(let name):
            guard let pool = table.pool(name), pool.isRemoving else { return }
            table.end(pool.backends, pool.leaving)
        case .listener(let name): listeners.hurry(name)
        }
    }
}

extension BalancerConfiguration {
    /// But those that are ready.
    fileprivate var wishesAtFirstStart: [BackendReference: Wish] {
        var wishes: [BackendReference: Wish] = [:]
        for pool in pools {
            for backend in pool.backends where backend.wish != .ready {
                wishes[BackendReference(pool: pool.name, backend: backend.name)] = backend.wish
            }
        }
        return wishes
    }
}
