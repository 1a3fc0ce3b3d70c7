// Which backend this connection tries next, and the ticket that says so to all workers.
import Decisions
import Model
import Statistics

enum Choice {
    /// Its ticket is taken.
    case backend(RouteTarget)
    /// Every eligible backend is at its limit.
    case full
    /// Others wait already.
    case behind
    /// No backend is eligible.
    case nobody
}

extension ConnectionHandle {
    /// An eligible backend with room that was not tried yet. When all were, any with room; when those that are left are
    /// full and the pool has a queue, none: it waits for one of them.
    func choose() -> Choice {
        let route = worker.route(of: record.pool)
        guard route.header.targetCount > 0 else { return .nobody }
        // Newcomers do not overtake.
        if route.header.hasLine, worker.queue(of: record.pool).isAwaited { return .behind }
        if let target = untried(route) { return .backend(target) }
        guard record.attempts > 0, route.header.queueLengthMax == 0 || !isAnyLeft(route) else { return .full }
        record.tried = ConnectionRecord.nothingTried
        return untried(route).map { .backend($0) } ?? .full
    }

    /// Whether there is a backend that was not tried: the first few tell, as no more than that were.
    private func isAnyLeft(_ route: Route) -> Bool {
        for index in 0..<min(route.header.targetCount, record.tried.count + 1) where !record.hasTried(slot: route.slot(index)) {
            return true
        }
        return false
    }

    /// A lost race for the last ticket makes the backend full, so that the next choice is another one.
    private func untried(_ route: Route) -> RouteTarget? {
        while let index = choice(from: route) {
            guard route.takeTicket(index, worker.state.segment) else { continue }
            if route.header.holdsBack { route.heldBack.take(index, worker: worker.state.index) }
            if route.header.hasLimits, worker.queue(of: record.pool).isAwaited { worker.serveQueue(pool: record.pool) }
            return hold(route.target(index))
        }
        return nil
    }

    /// The connection has the backend's ticket from now on.
    func hold(_ target: RouteTarget) -> RouteTarget {
        record.tried[Int(record.attempts) % record.tried.count] = Int16(target.slot)
        record.attempts += 1
        record.slot = target.slot
        return target
    }

    /// Those that are held back take a connection beyond their share where nobody else can.
    private func choice(from route: Route) -> Int? {
        guard route.header.holdsBack else { return choice(from: route, holding: .nobody) }
        route.heldBack.countChoice(worker: worker.state.index)
        if let index = choice(from: route, holding: .shares) { return index }
        if route.heldBack.hasLastResorts, let index = choice(from: route, holding: .lastResorts) { return index }
        return choice(from: route, holding: .nobody)
    }

    private func choice(from route: Route, holding: Holding) -> Int? {
        worker.choice(from: route, pool: record.pool, besides: record.tried, hash: record.sourceHash, holding: holding)
    }

    /// The connection holds its backend no longer. The last one of a watched backend is news for the control plane.
    func giveTicketBack() {
        guard record.slot >= 0 else { return }
        let slot = record.slot
        record.slot = -1
        worker.giveBack(slot: slot, pool: record.pool)
        worker.noteReturned(slot: slot, pool: record.pool)
        endRelease(connected: false)
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
    /// By the pool's method, `besides` those slots. `hash`: the client's, where it is known.
    fileprivate func choice(
        from route: Route, pool: Int, besides tried: InlineArray<8, Int16>, hash clients: UInt64?, holding: Holding
    ) -> Int? {
        let hash = route.header.balance == .sourceHash ? clients : nil
        let table = RouteTable(
            route: route, segment: state.segment, tried: tried, holding: holding, worker: state.index, hash: hash)
        switch route.header.balance {
        case .roundRobin: return BackendChoice.roundRobin(table, cursor: &state.balancing[pool].cursor)
        case .leastConnections: return state.balancing[pool].ranking.choose(table)
        case .twoChoices: return BackendChoice.twoChoices(table, using: &state.generator)
        case .random: return BackendChoice.random(table, using: &state.generator)
        case .sourceHash:
            guard let hash else { return BackendChoice.roundRobin(table, cursor: &state.balancing[pool].cursor) }
            return BackendChoice.sourceHash(table, hash: hash)
        }
    }

    /// A ticket for whoever is first in the pool's line, of a backend with room that is not left alone: by the pool's
    /// method and weights, and of those that are held back not beyond their share unless nobody else has room.
    func takeTicketForLine(pool: Int, _ route: Route, _ queue: PoolQueue) -> Int? {
        guard route.header.targetCount > 0 else { return nil }
        guard route.header.holdsBack else { return takeTicketForLine(pool, route, queue, holding: .nobody) }
        route.heldBack.countChoice(worker: state.index)
        if let slot = takeTicketForLine(pool, route, queue, holding: .shares) { return slot }
        if route.heldBack.hasLastResorts, let slot = takeTicketForLine(pool, route, queue, holding: .lastResorts) { return slot }
        return takeTicketForLine(pool, route, queue, holding: .nobody)
    }

    private func takeTicketForLine(_ pool: Int, _ route: Route, _ queue: PoolQueue, holding: Holding) -> Int? {
        var passed = ConnectionRecord.nothingTried
        for attempt in 0..<min(route.header.targetCount, passed.count) {
            guard let index = choice(from: route, pool: pool, besides: passed, hash: nil, holding: holding) else { return nil }
            if let slot = takeTicketForLine(index, route, queue) { return slot }
            passed[attempt] = Int16(route.slot(index))
        }
        return route.header.targetCount > passed.count ? takeAnyTicketForLine(route, queue, holding: holding) : nil
    }

    /// Where the method's own looks have met only those that are left alone: there may be many, and one that is not.
    private func takeAnyTicketForLine(_ route: Route, _ queue: PoolQueue, holding: Holding) -> Int? {
        let count = route.header.targetCount
        var next = Int.random(in: 0..<count, using: &state.generator)
        for _ in 0..<count {
            guard let index = route.withRoom(from: next) else { return nil }
            let isHeldBack = holding != .nobody && route.heldBack.isHeldBack(index, holding, worker: state.index, hash: nil)
            if !isHeldBack, let slot = takeTicketForLine(index, route, queue) { return slot }
            next = index + 1 < count ? index + 1 : 0
        }
        return nil
    }

    private func takeTicketForLine(_ index: Int, _ route: Route, _ queue: PoolQueue) -> Int? {
        let slot = route.slot(index)
        guard !queue.isLeftAlone(slot: slot, now: now()), route.takeTicket(index, state.segment) else { return nil }
        if route.header.holdsBack { route.heldBack.take(index, worker: state.index) }
        return slot
    }

    /// A new routing of the pool is to be followed from now on, instead of `old`.
    func prepareBalancing(pool: Int, _ route: Route, insteadOf old: Route?) {
        if route.header.holdsBack { route.heldBack.carryOn(from: old, worker: state.index, using: &state.generator) }
        switch route.header.balance {
        case .leastConnections:
            let table = RouteTable(
                route: route, segment: state.segment, tried: ConnectionRecord.nothingTried, holding: .nobody, worker: state.index, hash: nil)
            state.balancing[pool].ranking = LoadRanking(table, workers: state.peers.count, start: state.generator.next())
        case .roundRobin, .twoChoices, .random, .sourceHash: state.balancing[pool].ranking = LoadRanking()
        }
    }

    fileprivate func noteReturned(slot: Int, pool: Int) {
        let route = route(of: pool)
        guard case .leastConnections = route.header.balance, let index = route.index(ofSlot: slot) else { return }
        if route.hasRoom(index) {
            state.balancing[pool].ranking.noteReturned(index, connections: state.segment.tickets(slot: slot).held)
        } else {
            state.balancing[pool].ranking.noteFull(index)
        }
    }
}

/// A route as the pure choice sees it.
private struct RouteTable: ChoiceTable {
    let route: Route
    let segment: SegmentView
    let tried: InlineArray<8, Int16>
    /// False: nobody is, or it does not matter.
    let holding: Holding
    let worker: Int
    /// Of the client, by `source-hash`.
    let hash: UInt64?

    var count: Int { route.header.targetCount }
    var scheduleCount: Int { route.header.scheduleCount }
    func weight(_ index: Int) -> Int { route.weight(index) }
    func connections(_ index: Int) -> Int { segment.tickets(slot: route.slot(index)).held }
    func isFull(_ index: Int) -> Bool { !route.hasRoom(index) }
    func isHeldBack(_ index: Int) -> Bool { holding != .nobody && route.heldBack.isHeldBack(index, holding, worker: worker, hash: hash) }
    func notFull(from index: Int) -> Int? { route.withRoom(from: index) }
    func scheduled(_ position: Int) -> Int { route.scheduled(position) }
    func column(_ index: Int) -> AliasTable.Column { route.column(index) }
    func hashed(_ position: Int) -> Int { route.hashed(position) }

    func isTried(_ index: Int) -> Bool {
        tried.holds(Int16(route.slot(index)))
    }
}
