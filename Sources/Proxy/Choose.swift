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
            record.tried = InlineArray(repeating: -1)
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
        return switch route.header.balance {
        case .roundRobin: BackendChoice.roundRobin(table, cursor: &worker.state.cursors[record.pool])
        case .leastConnections: BackendChoice.leastConnections(table, cursor: &worker.state.cursors[record.pool])
        }
    }

    /// The connection holds its backend no longer. The last one of a watched backend is news for the control plane.
    func giveTicketBack() {
        guard record.slot >= 0 else { return }
        let slot = record.slot
        record.slot = -1
        if worker.state.segment.tickets(slot: slot).give() { worker.report(.lastConnectionGone(slot: slot)) }
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

    func isTried(_ index: Int) -> Bool {
        let slot = Int32(route.slot(index))
        for position in tried.indices where tried[position] == slot { return true }
        return false
    }
}
