// What becomes of the connections that still hold a draining backend when its deadline has passed.
//
// The deadline runs here whether or not anybody waits for it. A backend may be removed or come back at any `await`: it
// is looked up again after each.
import ControlProtocol
import Decisions
import EventLoop
import Model
import Proxy
import Statistics
import SystemCalls

@ControlPlane final class DrainDeadlines {
    private let table: PoolTable
    private let surveys: Surveys
    private let plane: DataPlane
    private let events: EventLog
    private struct Running {
        let order: Order
        let at: MonotonicTime
        let work: Task<Void, Never>
        var hasPassed = false
        /// Its connections could not be closed.
        var hasFailed = false
    }

    private var running: [BackendReference: Running] = [:]
    /// How many backends of a pool have their connections closed now: they share its budget.
    private var closers: [PoolName: Int] = [:]

    /// From one look at the pace to the next.
    private static let tick = Duration.milliseconds(20)

    init(table: PoolTable, surveys: Surveys, plane: DataPlane, events: EventLog) {
        self.table = table
        self.surveys = surveys
        self.plane = plane
        self.events = events
    }

    /// Starts the backend's deadline anew, if its drain has one. A renewal that leaves it as it is changes nothing: what
    /// has been watched goes on, and so does the closing, which a new start would set back each time.
    func run(_ backend: Backend) {
        let reference = backend.reference
        let order = Order(backend)
        if let order, let running = running[reference], running.order == order, !running.hasFailed { return }
        running.removeValue(forKey: reference)?.work.cancel()
        guard let order else { return }
        let rest = Duration.milliseconds(max(0, order.deadline.milliseconds - Clocks.calendar().milliseconds))
        let work = start { await self.carryOut(order, after: rest) }
        running[reference] = Running(order: order, at: LoopClock().now.advanced(by: rest), work: work)
    }

    /// Its backend is gone.
    func forget(_ reference: BackendReference) { running.removeValue(forKey: reference)?.work.cancel() }

    /// Until the deadline, below zero after it; nil: there is none.
    func rest(_ reference: BackendReference) -> Duration? {
        running[reference].map { LoopClock().now.duration(to: $0.at) }
    }

    /// The deadline has come, and what it means has been told.
    func hasPassed(_ reference: BackendReference) -> Bool { running[reference]?.hasPassed ?? false }

    // MARK: The deadline

    private struct Order: Equatable {
        let reference: BackendReference
        let owner: String
        let deadline: Timestamp
        let end: DrainEnd

        /// Nil: it is not drained, or has all the time it likes.
        @ControlPlane init?(_ backend: Backend) {
            guard backend.wish == .drain, let drain = backend.drain, let deadline = drain.deadline, let end = drain.atDeadline else { return nil }
            (reference, owner, self.deadline, self.end) = (backend.reference, drain.owner, deadline, end)
        }
    }

    private func carryOut(_ order: Order, after rest: Duration) async {
        let busiest = BusiestSecond { [weak self] in self?.connects(besides: order.reference) ?? 0 }
        let watch: Task<Void, Never>? = order.end == .close ? start { await busiest.watch() } : nil
        defer { watch?.cancel() }
        guard await pause(for: rest), let backend = standing(order) else { return }
        let holders = backend.holders
        let pacing = order.end == .close ? pacing(order, busiest, holders: holders) : nil
        if holders > 0 {
            events.record(.drainDeadline(order.reference, order.end, holders: holders, perSecond: pacing.map { Int($0.budget) }))
        }
        running[order.reference]?.hasPassed = true
        table.changes.announce()
        do throws(Failure) {
            switch order.end {
            case .keep: return
            case .reset: try await reset(order)
            case .close: if let pacing { try await close(order, pacing) }
            }
        } catch {
            // Cancelled: the drain has ended or was given anew.
            guard standing(order) != nil else { return }
            running[order.reference]?.hasFailed = true
            table.reportFailure("\(order.reference): its connections are not closed at the deadline: \(error); drain it again to try again")
        }
    }

    /// The backend, where its drain is still the one that was ordered.
    private func standing(_ order: Order) -> Backend? {
        guard let backend = table.backend(order.reference), Order(backend) == order, !Task.isCancelled else { return nil }
        return backend
    }

    private func reset(_ order: Order) async throws(Failure) {
        var progress = ClosingProgress(order.reference, .reset, events)
        while let backend = standing(order), backend.holders > 0 {
            let holders = try await surveys.connections(slot: backend.slot)
            guard standing(order) != nil else { break }
            let closed = try await surveys.close(holders, .reset).count
            progress.note(closed: closed, reset: closed, left: backend.holders)
            guard await pause(for: DrainDeadlines.tick) else { return }
        }
        progress.end(left: standing(order)?.holders)
    }

    // MARK: Closing at a pace

    private func pacing(_ order: Order, _ busiest: BusiestSecond, holders: Int) -> Pacing {
        if let perSecond = table.pool(order.reference.pool)?.configuration.closeRate { return Pacing(perSecond: perSecond) }
        return Pacing(busiest: busiest.most, holders: holders)
    }

    /// Connects that the other backends of the pool have taken so far, each since it is one: its slot may have been
    /// somebody else's before.
    private func connects(besides reference: BackendReference) -> UInt64 {
        guard let pool = table.pool(reference.pool) else { return 0 }
        let all = pool.connects(now: LoopClock().now, within: DrainDeadlines.tick) { backends in
            backends.reduce(0) { $0 &+ table.slots.totals($1.slot).connections }
        }
        // It takes none any more, so that its own are the same since they were summed up.
        let own = table.backend(reference).map { table.slots.totals($0.slot).connections } ?? 0
        return all - min(all, own)
    }

    private func close(_ order: Order, _ given: Pacing) async throws(Failure) {
        var pacing = given
        var candidates = Candidates()
        var progress = ClosingProgress(order.reference, .close, events)
        let clock = LoopClock()
        let pool = order.reference.pool
        closers[pool, default: 0] += 1
        defer { closers[pool] = closers[pool].flatMap { $0 > 1 ? $0 - 1 : nil } }
        while let backend = standing(order), backend.holders > 0 {
            let allowed = pacing.allowed(at: clock.now, connects: connects(besides: order.reference), closers: closers[pool] ?? 1)
            if allowed > 0 {
                if candidates.isStale(at: clock.now) {
                    candidates.refill(try await surveys.connections(slot: backend.slot), at: clock.now)
                    guard standing(order) != nil else { break }
                }
                let (chosen, manner) = candidates.next(allowed, at: clock.now)
                let closed = try await surveys.close(chosen, manner)
                candidates.note(chosen, closed: closed)
                pacing.note(closed: closed.count)
                progress.note(closed: closed.count, reset: manner == .reset ? closed.count : 0, left: backend.holders)
            }
            guard await pause(for: DrainDeadlines.tick) else { return }
        }
        progress.end(left: standing(order)?.holders)
    }
}

/// Who is closed next: those that were idle for longest; busy ones when there is no idle one left.
private struct Candidates {
    /// Nothing moved for so long: idle.
    private static let idleFrom = Duration.seconds(1)
    /// A busy one is ended in a pause of its own, if it makes any: so long at first, then any moment at which nothing
    /// is on its way. One that moves all the time, or whose reader has stopped, is ended at last all the same, by a reset:
    /// its peers must not take what came so far for the whole.
    private static let pause = Duration.milliseconds(100)
    private static let pausesFor = Duration.seconds(4)
    private static let patience = Duration.seconds(8)

    private var waiting: ArraySlice<ConnectionSnapshot> = []
    private var areIdle = false
    private var askedAt: MonotonicTime?
    /// Since when there are only busy ones.
    private var busySince: MonotonicTime?
    /// Looked idle and were not: their peer takes nothing. They count as busy.
    private var refused: Set<ConnectionID> = []

    /// Idle ones stay so, most of them; busy ones are looked for anew ten times a second.
    func isStale(at now: MonotonicTime) -> Bool {
        guard let askedAt else { return true }
        let age = askedAt.duration(to: now)
        return age >= .seconds(1) || waiting.isEmpty && age >= .milliseconds(100)
    }

    mutating func refill(_ holders: [ConnectionSnapshot], at now: MonotonicTime) {
        askedAt = now
        // One that has no backend yet, or passes on a reset, ends or moves on by itself.
        let relaying = holders.filter { $0.phase != .connecting && $0.phase != .resetting }
        let idle = relaying.filter { $0.idle >= Candidates.idleFrom && $0.unwritten == 0 && !refused.contains($0.id) }
        areIdle = !idle.isEmpty
        busySince = areIdle ? nil : busySince ?? now
        let chosen = areIdle ? idle : relaying
        waiting = chosen.first(chosen.count, by: .idle)[...]
    }

    mutating func next(_ count: Int, at now: MonotonicTime) -> (chosen: [ConnectionSnapshot], ClosingManner) {
        let chosen = Array(waiting.prefix(count))
        waiting = waiting.dropFirst(count)
        if areIdle { return (chosen, .endWhenQuiet(for: Candidates.idleFrom)) }
        let busyFor = busySince.map { $0.duration(to: now) } ?? .zero
        if busyFor >= Candidates.patience { return (chosen, .reset) }
        return (chosen, .endWhenQuiet(for: busyFor < Candidates.pausesFor ? Candidates.pause : .zero))
    }

    mutating func note(_ chosen: [ConnectionSnapshot], closed: Set<ConnectionID>) {
        if areIdle { refused.formUnion(chosen.map(\.id).filter { !closed.contains($0) }) }
    }
}

/// Tells how far it is, at most once a second.
@ControlPlane private struct ClosingProgress {
    private let reference: BackendReference
    private let end: DrainEnd
    private let events: EventLog
    private var closed = 0
    private var reset = 0
    private var told: (closed: Int, at: MonotonicTime)?

    init(_ reference: BackendReference, _ end: DrainEnd, _ events: EventLog) {
        (self.reference, self.end, self.events) = (reference, end, events)
    }

    mutating func note(closed count: Int, reset resets: Int, left: Int) {
        closed += count
        reset += resets
        let now = LoopClock().now
        if told == nil { told = (0, now) }
        guard let last = told, closed > last.closed, left > 0, last.at.duration(to: now) >= .seconds(1) else { return }
        told = (closed, now)
        events.record(.drainClosing(reference, end, closed: closed, reset: reset, left: left))
    }

    /// `left` nil: the drain was ended before.
    func end(left: Int?) {
        guard let left else { return }
        events.record(.drainClosing(reference, end, closed: closed, reset: reset, left: left))
    }
}

/// Connects in the busiest second since it began to watch.
@ControlPlane private final class BusiestSecond {
    private let connects: @ControlPlane () -> UInt64
    private(set) var most = 0.0

    init(_ connects: @escaping @ControlPlane () -> UInt64) { self.connects = connects }

    func watch() async {
        let clock = LoopClock()
        var last = (connects: connects(), at: clock.now)
        while await pause(for: .seconds(1)) {
            let now = (connects: connects(), at: clock.now)
            // Fewer than before: a backend was removed meanwhile.
            most = max(most, Double(max(now.connects, last.connects) - last.connects) / max(1, last.at.duration(to: now.at).inSeconds))
            last = now
        }
    }
}
