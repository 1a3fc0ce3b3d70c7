// Connections that wait for a backend of a full pool, or of one that has none and holds them (see Outage): first come
// first served, over all workers.
//
// A backend's ticket that comes back while somebody waits is handed to the first in line and never free in between,
// so that nobody overtakes; its worker learns so by mailbox. The line's lock is taken by those who wait, leave it or
// hand on; where nobody waits, a look at one flag is all.
import Decisions
import Model
import Statistics
import Synchronization
import SystemCalls

/// One pool's line, shared by all workers.
final class PoolQueue: Sendable {
    struct Waiter: @unchecked Sendable {
        // The connection is its worker's: to others it is only a name, to be handed back.
        let worker: Int
        let connection: ConnectionHandle
        /// Slots of the backends that it has tried in vain.
        let tried: InlineArray<8, Int16>
        let isHeld: Bool
    }

    private struct State {
        var line = WaitingLine<Waiter>()
        var pace = ReleasePace()
        var pacing = ReportPacing<Void>()
        var timeouts = 0
        /// Of those that were held.
        var holdPacing = ReportPacing<Void>()
        var holdTimeouts = 0
        /// All connections are about to be ended, those in line too.
        var isClosed = false
        /// Backends whose connect has failed of late, by slot: when.
        var failedAt: [Int: Int64] = [:]

        func isLeftAlone(_ slot: Int, now: Int64) -> Bool {
            failedAt[slot].map { now - $0 < PoolQueue.restAfterFailure } ?? false
        }
    }

    /// Nanoseconds. The ticket of a backend that refuses comes back at once: without a rest everybody in line would be
    /// sent there, one after the other, and lose his attempts.
    private static var restAfterFailure: Int64 { 1_000_000_000 }

    /// How many in line are asked whether they have tried a backend already.
    private static var looksMax: Int { 64 }

    private let state = Mutex(State())
    private let awaited = Atomic<Bool>(false)
    /// Over all workers, for the status.
    private let refusals = Atomic<UInt64>(0)
    private let timeouts = Atomic<UInt64>(0)
    private let holdTimeouts = Atomic<UInt64>(0)
    private let diversions = Atomic<UInt64>(0)
    /// In line because nobody was available; changed under the lock.
    private let heldCount = Atomic<Int>(0)

    /// Whether somebody waits. Who joins sets it, then looks for a ticket once more; who gives one back does so, then
    /// looks here: in one order for all, so that at least one sees the other.
    var isAwaited: Bool { awaited.load(ordering: .sequentiallyConsistent) }

    /// Whether some in line are held: who comes to the pool now is held behind them.
    var holdsAnybody: Bool { heldCount.load(ordering: .relaxed) > 0 }

    private func noteHeld(_ count: Int) { heldCount.add(count, ordering: .relaxed) }

    /// The place behind all others; nil: too many wait already.
    func join(_ waiter: Waiter, lengthMax: Int) -> WaitingPlace? {
        state.withLock { state in
            guard state.line.count < lengthMax else { return nil }
            let place = state.line.join(waiter)
            if waiter.isHeld { noteHeld(1) }
            tellAwaited(state)
            return place
        }
    }

    /// For one that was handed a ticket which is of no use to it.
    func joinAtHead(_ waiter: Waiter) -> WaitingPlace {
        state.withLock { state in
            let place = state.line.joinAtHead(waiter)
            if waiter.isHeld { noteHeld(1) }
            tellAwaited(state)
            return place
        }
    }

    func leave(_ place: WaitingPlace, isHeld: Bool) {
        state.withLock { state in
            if state.line.leave(place), isHeld { noteHeld(-1) }
            tellAwaited(state)
        }
    }

    /// From now on nobody is handed anything: where one worker ends its connections before another, those in line at the
    /// other would be connected for the moment until they are ended too.
    func close() {
        state.withLock { state in
            state.isClosed = true
            tellAwaited(state)
        }
    }

    /// Under the lock, after every change.
    private func tellAwaited(_ state: borrowing State) { awaited.store(!state.isClosed && !state.line.isEmpty, ordering: .sequentiallyConsistent) }

    /// Hands a taken ticket to the first in line who has not tried that backend; false: nobody waits, or the backend is
    /// left alone for now. Nobody is told within the lock of anything that takes it again.
    func hand(slot: Int, pool: Int, now: Int64, to mailboxes: [Mailbox]) -> Bool {
        let served = state.withLock { state -> (waiter: Waiter, place: WaitingPlace)? in
            guard !state.isClosed, !state.isLeftAlone(slot, now: now) else { return nil }
            defer { tellAwaited(state) }
            let served = state.line.serve(looksMax: PoolQueue.looksMax) { !$0.tried.holds(Int16(slot)) }
            if let served {
                state.pace.begin()
                if served.waiter.isHeld { noteHeld(-1) }
            }
            return served
        }
        guard let (waiter, place) = served else { return false }
        mailboxes[waiter.worker].post(.serve(waiter, place: place, slot: slot, pool: pool))
        return true
    }

    /// The first of one worker's, in line no longer.
    func remove(of worker: Int, countMax: Int) -> [Waiter] {
        state.withLock { state in
            defer { tellAwaited(state) }
            let removed = state.line.remove(countMax: countMax) { $0.worker == worker }
            noteHeld(-removed.count { $0.isHeld })
            return removed
        }
    }

    // MARK: Pace

    /// Whether one more may be sent to a backend that has room. Tickets that come back one by one are handed on all the
    /// same.
    var hasPace: Bool { state.withLock { $0.pace.hasRoom } }

    /// Who was handed a ticket has a backend now, or none.
    func endRelease(connected: Bool) { state.withLock { $0.pace.end(connected: connected) } }

    func slowDown() { state.withLock { $0.pace.slowDown() } }

    // MARK: Backends that fail

    /// Nobody in line is sent to this backend for a while.
    func leaveAlone(slot: Int, now: Int64) { state.withLock { $0.failedAt[slot] = now } }

    func isLeftAlone(slot: Int, now: Int64) -> Bool { state.withLock { $0.isLeftAlone(slot, now: now) } }

    /// Whether some are left alone; those whose time is over are not any more.
    func leavesAny(now: Int64) -> Bool {
        state.withLock { state in
            state.failedAt = state.failedAt.filter { state.isLeftAlone($0.key, now: now) }
            return !state.failedAt.isEmpty
        }
    }

    /// The slot may be another backend's soon.
    func forget(slot: Int) { state.withLock { $0.failedAt[slot] = nil } }

    // MARK: Told

    /// One more was reset, at once or after it had waited in vain; what to report of it now: at most once a second.
    func countRefused(timedOut: Bool, now: Int64) -> (refused: Int, timedOut: Int)? {
        refusals.add(1, ordering: .relaxed)
        if timedOut { timeouts.add(1, ordering: .relaxed) }
        return state.withLock { state in
            if timedOut { state.timeouts += 1 }
            guard let besides = state.pacing.next((), now: now) else { return nil }
            defer { state.timeouts = 0 }
            return (besides + 1, state.timeouts)
        }
    }

    /// What of it is still to be told.
    func settle(now: Int64, atOnce: Bool) -> (refused: Int, timedOut: Int)? {
        state.withLock { state in
            guard let (_, besides) = state.pacing.settle(now: now, atOnce: atOnce) else { return nil }
            defer { state.timeouts = 0 }
            return (besides + 1, state.timeouts)
        }
    }

    /// The same of one that was held, or should have been.
    func countHoldLost(timedOut: Bool, now: Int64) -> (reset: Int, timedOut: Int)? {
        if timedOut { holdTimeouts.add(1, ordering: .relaxed) }
        return state.withLock { state in
            if timedOut { state.holdTimeouts += 1 }
            guard let besides = state.holdPacing.next((), now: now) else { return nil }
            defer { state.holdTimeouts = 0 }
            return (besides + 1, state.holdTimeouts)
        }
    }

    func settleHold(now: Int64, atOnce: Bool) -> (reset: Int, timedOut: Int)? {
        state.withLock { state in
            guard let (_, besides) = state.holdPacing.settle(now: now, atOnce: atOnce) else { return nil }
            defer { state.holdTimeouts = 0 }
            return (besides + 1, state.holdTimeouts)
        }
    }

    func countDiverted() { diversions.add(1, ordering: .relaxed) }

    var owes: Bool { state.withLock { $0.pacing.owes || $0.holdPacing.owes } }

    var report: QueueReport {
        let (waiting, held) = state.withLock { ($0.line.count, heldCount.load(ordering: .relaxed)) }
        return QueueReport(
            waiting: waiting - held, refused: refusals.load(ordering: .relaxed), timeouts: timeouts.load(ordering: .relaxed),
            held: held, holdTimeouts: holdTimeouts.load(ordering: .relaxed), diverted: diversions.load(ordering: .relaxed))
    }
}

/// Of one pool, over all workers.
package struct QueueReport: Equatable, Sendable {
    /// Connections in line for room now.
    package let waiting: Int
    /// Reset because every available backend was full, `timeouts` included.
    package let refused: UInt64
    /// Reset because they had waited for too long.
    package let timeouts: UInt64
    /// Connections in line now because no backend was available.
    package var held = 0
    /// Reset because they had been held for too long.
    package var holdTimeouts: UInt64 = 0
    /// Sent on to the pool that when-none names.
    package var diverted: UInt64 = 0
}

extension ConnectionHandle {
    private var queue: PoolQueue { worker.queue(of: record.pool) }

    /// Every available backend is full: waits for one, or is reset.
    func awaitBackend(_ first: FirstBytes) {
        guard worker.route(of: record.pool).header.queueLengthMax > 0 else { return close(.poolFull) }
        wait(first, isHeld: false)
    }

    /// Others are in line already, for room or because nobody was available.
    func standBehind(_ first: FirstBytes) {
        let header = worker.route(of: record.pool).header
        wait(first, isHeld: header.outage.lengthMax > 0 && (header.queueLengthMax == 0 || queue.holdsAnybody))
    }

    /// In line, until a backend is handed to it or its time is over.
    func wait(_ first: FirstBytes, isHeld: Bool) {
        let header = worker.route(of: record.pool).header
        guard !clientHasLeft else { return close(.clientLeft) }
        keep(first)
        record.isHeld = isHeld
        record.phase = .queued
        record.isWaitingForResources = false
        guard record.client.isWatched || watch(.client) else { return close(.outOfResources) }
        guard takePlace(lengthMax: isHeld ? header.outage.lengthMax : header.queueLengthMax) else {
            return close(isHeld ? .holdFull : .poolFull)
        }
        record.lastActivity = TimerWheel.end(ofTick: record.queuedAt)
        worker.fileDeadline(of: self)
        worker.serveQueue(pool: record.pool)
    }

    /// Behind all others; who was served before, in vain, waits on before them. False: too many wait already.
    private func takePlace(lengthMax: Int) -> Bool {
        guard record.queuedAt == 0 else {
            record.place = queue.joinAtHead(waiter)
            return true
        }
        guard let place = queue.join(waiter, lengthMax: lengthMax) else { return false }
        (record.place, record.queuedAt) = (place, TimerWheel.tick(at: worker.now()))
        return true
    }

    private var waiter: PoolQueue.Waiter {
        PoolQueue.Waiter(worker: worker.state.index, connection: self, tried: record.tried, isHeld: record.isHeld)
    }

    /// The connect to the chosen backend has failed: those in line are spared it for a while.
    func leaveAlone() {
        let header = worker.route(of: record.pool).header
        guard record.slot >= 0, header.queueLengthMax > 0 || header.outage.lengthMax > 0 else { return }
        queue.leaveAlone(slot: record.slot, now: worker.now())
        worker.state.poolsResting.insert(record.pool)
    }

    /// The first in line has been handed a ticket. It may have left meanwhile, or follow a routing without that backend.
    func served(slot: Int, pool: Int, place: WaitingPlace) {
        guard record.phase == .queued, record.pool == pool, record.place == place else {
            worker.giveBack(slot: slot, pool: pool)
            return worker.endRelease(pool: pool, connected: true)
        }
        let route = worker.route(of: pool)
        guard let index = route.index(ofSlot: slot) else { return servedInVain(slot: slot, route) }
        record.isReleased = true
        resumeChoice(at: hold(route.target(index)))
    }

    /// Out of the line.
    func resumeChoice(at target: RouteTarget? = nil) {
        record.phase = .connecting
        // While a connect is under way the client goes unwatched; what it sends is an edge when it is watched again.
        unwatch(.client)
        connectToBackend(keptFirst, at: target)
    }

    /// Who came out of the line has a backend, or goes back: the next one's turn.
    func endRelease(connected: Bool) {
        guard record.isReleased else { return }
        record.isReleased = false
        worker.endRelease(pool: record.pool, connected: connected)
    }

    /// Its worker follows a routing already that does not name the backend: it waits on, before all others.
    private func servedInVain(slot: Int, _ route: Route) {
        let pool = record.pool
        worker.giveBack(slot: slot, pool: pool)
        guard route.header.targetCount > 0 || route.header.outage.lengthMax > 0 else {
            worker.endRelease(pool: pool, connected: true)
            return resumeChoice()
        }
        record.place = queue.joinAtHead(waiter)
        worker.endRelease(pool: pool, connected: true)
    }

    func leaveQueue() { queue.leave(record.place, isHeld: record.isHeld) }

    /// An edge of a waiting client: it is not read, but whether it is still there can be seen.
    func lookForClient() {
        if Sockets.takeError(of: record.client.descriptor) != 0 {
            record.client.resetSeen = true
            close(.passedReset(by: .client))
        } else if clientHasLeft {
            close(.clientLeft)
        }
    }

    /// An end of a client that has said nothing: there is nothing to answer. After a word it is a half-close, and
    /// the answer is awaited.
    private var clientHasLeft: Bool {
        guard record.readAhead == 0 else { return false }
        return record.toBackend.sourceEnd == .finished || Sockets.isAtEnd(record.client.descriptor)
    }
}

extension WorkerHandle {
    func queue(of pool: Int) -> PoolQueue {
        guard let queue = state.queues[pool] else { preconditionFailure("a pool is routed before it is listened for") }
        return queue
    }

    /// Its place on the way to a backend is free for the next.
    func endRelease(pool: Int, connected: Bool) {
        queue(of: pool).endRelease(connected: connected)
        serveQueue(pool: pool)
    }

    /// Hands free tickets to those in line as long as there are both, at their pace.
    func serveQueue(pool: Int) {
        let queue = queue(of: pool)
        let route = route(of: pool)
        while queue.isAwaited, queue.hasPace, let slot = takeTicketForLine(pool: pool, route, queue) {
            if !queue.hand(slot: slot, pool: pool, now: now(), to: state.peers) { giveBack(slot: slot, pool: pool) }
        }
    }

    /// At every tick while backends are left alone: one whose time is over is tried again by the next in line.
    func endRests() {
        for pool in state.poolsResting {
            if !queue(of: pool).leavesAny(now: now()) { state.poolsResting.remove(pool) }
            serveQueue(pool: pool)
        }
    }

    /// A backend's ticket comes back: to the first in line, else it is free.
    func giveBack(slot: Int, pool: Int) {
        let route = route(of: pool)
        let tickets = state.segment.tickets(slot: slot)
        guard route.header.hasLimits, let index = route.index(ofSlot: slot) else {
            if tickets.give() { report(.lastConnectionGone(slot: slot)) }
            return
        }
        let queue = queue(of: pool)
        // More than the limit are out where it was lowered: then one less.
        if queue.isAwaited, tickets.held <= route.limit(index), queue.hand(slot: slot, pool: pool, now: now(), to: state.peers) { return }
        let (before, isLastNews) = tickets.giveCounted()
        if isLastNews { report(.lastConnectionGone(slot: slot)) }
        route.noteReturned(index, before: before)
        if queue.isAwaited { serveQueue(pool: pool) }
    }

    /// A new routing of the pool: room that was not there, or nobody left to wait for.
    func followRouting(pool: Int, _ route: Route) {
        route.lookForRoom(state.segment)
        guard route.header.targetCount > 0 else { return meetOutage(pool: pool, route) }
        if queue(of: pool).isAwaited { serveQueue(pool: pool) }
    }

    func reportFull(_ pool: Int, timedOut: Bool) {
        guard let (refused, timedOut) = queue(of: pool).countRefused(timedOut: timedOut, now: now()) else { return oweReport() }
        report(.poolFull(pool: pool, refused: refused, timedOut: timedOut))
    }

    func reportHoldLost(_ pool: Int, timedOut: Bool) {
        guard let (reset, timedOut) = queue(of: pool).countHoldLost(timedOut: timedOut, now: now()) else { return oweReport() }
        report(.holdLost(pool: pool, reset: reset, timedOut: timedOut))
    }
}
