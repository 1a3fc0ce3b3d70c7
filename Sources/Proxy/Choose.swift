// Which backend this connection tries next, and the ticket that says so to all workers.
import Decisions
import Model
import Statistics

extension ConnectionHandle {
    /// An eligible backend that was not tried yet; when all were, any eligible one. Takes its ticket.
    /// Nil: the pool has nobody.
    func choose() -> RouteTarget? {
        let route = worker.route(of: record.pool)
        var index = choice(from: route)
        if index == nil, record.attempts > 0, route.header.targetCount > 0 {
            record.tried = ConnectionRecord.nothingTried
            index = choice(from: route)
        }
        guard let index else { return nil }
        let target = route.target(index)
        record.tried[record.attempts % record.tried.count] = Int32(target.slot)
        record.attempts += 1
        record.slot = target.slot
        worker.state.segment.tickets(slot: target.slot).take()
        return target
    }

    private func choice(from route: Route) -> Int? {
        let table = RouteTable(route: route, segment: worker.state.segment, tried: record.tried)
        let pool = record.pool
        switch route.header.balance {
        case .roundRobin: return BackendChoice.roundRobin(table, cursor: &worker.state.balancing[pool].cursor)
        case .leastConnections: return worker.state.balancing[pool].ranking.choose(table)
        case .twoChoices: return BackendChoice.twoChoices(table, using: &worker.state.generator)
        case .random: return BackendChoice.random(table, using: &worker.state.generator)
        case .sourceHash:
            guard let hash = record.sourceHash else {
                return BackendChoice.roundRobin(table, cursor: &worker.state.balancing[pool].cursor)
            }
            return BackendChoice.sourceHash(table, hash: hash)
        }
    }

    /// The connection holds its backend no longer. The last one of a watched backend is news for the control plane.
    func giveTicketBack() {
        guard record.slot >= 0 else { return }
        let slot = record.slot
        record.slot = -1
        if worker.state.segment.tickets(slot: slot).give() { worker.report(.lastConnectionGone(slot: slot)) }
        worker.noteReturned(slot: slot, pool: record.pool)
    }
}

/// What one worker remembers from choice to choice, of one pool.
struct Balancing {
    /// Of round-robin; workers start apart so that they do not march in step.
    var cursor: UInt32
    /// Of least-connections; else empty.
    var ranking = LoadRanking()
}

extension WorkerHandle {
    /// A new routing of the pool is to be followed from now on.
    func prepareBalancing(pool: Int, _ route: Route) {
        switch route.header.balance {
        case .leastConnections:
            let table = RouteTable(route: route, segment: state.segment, tried: ConnectionRecord.nothingTried)
            state.balancing[pool].ranking = LoadRanking(table, workers: state.peers.count, start: state.generator.next())
        case .roundRobin, .twoChoices, .random, .sourceHash: state.balancing[pool].ranking = LoadRanking()
        }
    }

    fileprivate func noteReturned(slot: Int, pool: Int) {
        let route = route(of: pool)
        guard case .leastConnections = route.header.balance, let index = route.index(ofSlot: slot) else { return }
        state.balancing[pool].ranking.noteReturned(index, connections: state.segment.tickets(slot: slot).held)
    }
}

/// A route as the pure choice sees it.
private struct RouteTable: ChoiceTable {
    let route: Route
    let segment: SegmentView
    let tried: InlineArray<8, Int32>

    var count: Int { route.header.targetCount }
    var scheduleCount: Int { route.header.scheduleCount }
    func weight(_ index: Int) -> Int { route.weight(index) }
    func connections(_ index: Int) -> Int { segment.tickets(slot: route.slot(index)).held }
    func scheduled(_ position: Int) -> Int { route.scheduled(position) }
    func column(_ index: Int) -> AliasTable.Column { route.column(index) }
    func hashed(_ position: Int) -> Int { route.hashed(position) }

    func isTried(_ index: Int) -> Bool {
        let slot = Int32(route.slot(index))
        for position in tried.indices where tried[position] == slot { return true }
        return false
    }
}
