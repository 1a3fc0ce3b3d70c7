// The status as a value, read from the table and the statistics.
import ControlProtocol
import EventLoop
import Model
import Proxy
import Statistics
import SystemCalls

@ControlPlane struct StatusReports {
    let table: PoolTable
    let listeners: Listeners
    let plane: DataPlane
    let events: EventLog
    let startedAt: Timestamp
    let rollouts: Rollouts

    func report(_ scope: StatusScope, stopping: Bool) -> StatusReport {
        let shown = (listeners.open + listeners.closing).filter { scope.includesListeners(of: $0.configuration.pool) }
        return StatusReport(
            version: sluiceVersion, pid: Processes.own, generation: plane.generation,
            startedAt: startedAt.rfc3339, stopping: stopping, workers: plane.workerCount,
            connections: plane.statistics.process.held, connectionsMax: plane.connectionsMax,
            listeners: shown.map { report($0) }, pools: table.pools.compactMap { report($0, scope) },
            eventSequence: events.sequence)
    }

    func report(_ listener: OpenListener) -> ListenerReport {
        let totals = listeners.totals(listener)
        return ListenerReport(
            name: listener.configuration.name.text, bind: listener.endpoint.description,
            pool: listener.configuration.pool.text, connections: plane.statistics.tickets(listener: listener.index).held,
            connectionsMax: listener.configuration.connectionsMax, connectionsTotal: totals.accepted, refused: totals.refused,
            rateReached: plane.isHeldByRate(listener: listener.index), closing: listener.isClosing)
    }

    func report(_ pool: Pool, _ scope: StatusScope) -> PoolReport? {
        let backends = pool.backends.filter { scope.includes($0.reference) }
        guard !backends.isEmpty || scope.includesListeners(of: pool.configuration.name) else { return nil }
        let queue = plane.queueReport(pool: pool.index)
        return PoolReport(
            name: pool.configuration.name.text, balance: pool.configuration.balance.rawValue,
            drainDeadline: pool.configuration.drainDeadline.inSeconds,
            restart: pool.configuration.restart.map { RestartReport($0) },
            queued: queue.waiting, refused: queue.refused, queueTimeouts: queue.timeouts, eligible: pool.published?.count ?? 0,
            whenNone: pool.configuration.whenNone.word, held: queue.held, holdTimeouts: queue.holdTimeouts, diverted: queue.diverted,
            removing: pool.isRemoving, backends: backends.map(report),
            leaving: pool.leaving.filter { scope.includes($0.reference) }.map {
                LeavingReport(name: $0.reference.backend.text, address: $0.address.description, connections: $0.holders)
            }, shares: pool.shares.map(SharesReport.init), rollout: rollouts.standing(of: pool))
    }

    private func report(_ backend: Backend) -> BackendReport {
        let totals = table.slots.totals(backend.slot)
        let history = backend.history
        return BackendReport(
            name: backend.reference.backend.text, address: backend.configuration.address.description,
            wish: backend.wish, probe: history.finding, availability: backend.availability,
            connections: backend.holders, connectionsMax: backend.configuration.connectionsMax, connectionsTotal: totals.connections,
            connectFailures: totals.connectFailures, resets: totals.backendResets,
            bytesToBackend: totals.bytesToBackend, bytesToClient: totals.bytesToClient,
            weight: backend.configuration.weight, share: backend.comeback.share.map { $0 * 100 / 256 }, backup: backend.configuration.backup,
            probeSince: history.since?.rfc3339, probeSequence: history.sequence, probedAt: history.finishedAt?.rfc3339, probeFailure: history.failure,
            drain: backend.drain.map { DrainReport($0, leaseUntil: backend.leaseUntil) }, removing: backend.isRemoving)
    }
}
