// The status page: what it shows is read in turns of a few backends, made once for all who ask at about the same time,
// and kept under its size: what is in trouble first and whole, the rest a line each.
import ControlProtocol
import Decisions
import EventLoop
import Model
import SystemCalls

@ControlPlane final class StatusPage {
    private let handler: CommandHandler
    private let readiness: Readiness
    private let history: History
    private let turns = Turns()
    /// All pages together.
    private let taker = TurnTaker()
    private let clock = LoopClock()
    private let forecasts: DrainForecasts
    /// Made last, by what was asked for. Few: the overview, and pools that somebody looks at.
    private var made: [String: (page: [UInt8], at: MonotonicTime)] = [:]
    private var making: [String: Task<[UInt8]?, Never>] = [:]

    /// So long one page is good for all.
    private static let fresh = Duration.milliseconds(500)
    private static let madeMax = 16
    /// Bytes of pools that are shown whole; with their lines, the listeners and the events a page stays below 100 kB.
    private static let wholeMax = 56 * 1024
    private static let linesMax = 100
    private static let listenersMax = 24
    private static let eventsMax = 20
    private static let eventsRead = 200
    /// Milliseconds.
    private static let follows: Int64 = 100
    /// With more pools than these only those that need somebody are shown whole, and of them only some backends.
    private static let poolsWholeMax = 8
    private static let backendsOfMany = 8
    /// Of one pool's page.
    nonisolated static let backendsMax = 120
    /// Read between two turns of everybody else.
    private static let backendsInTurn = 256

    init(_ handler: CommandHandler, _ readiness: Readiness, _ history: History) {
        (self.handler, self.readiness, self.history) = (handler, readiness, history)
        forecasts = DrainForecasts(handler.explanations)
    }

    private var table: PoolTable { handler.table }

    enum Subject {
        case all
        /// `from`: the first of its backends that are shown.
        case pool(Pool, from: Int)
        /// A pool was asked for that is not there, by whatever name: one page for all of them.
        case missing

        /// A start beyond the last backend becomes that of the last page.
        @ControlPlane init(_ pool: Pool, from asked: Int) {
            let all = pool.backends.count
            self = .pool(pool, from: asked < all ? asked : max(0, all - 1) / StatusPage.backendsMax * StatusPage.backendsMax)
        }

        @ControlPlane fileprivate var key: String {
            switch self {
            case .all: "/"
            case .pool(let pool, let from): "\(pool.configuration.name) \(from)"
            case .missing: "?"
            }
        }
    }

    /// Nil: lbd is ending.
    func page(of subject: Subject) async -> [UInt8]? {
        let key = subject.key
        if let (page, at) = made[key], at.duration(to: clock.now) < StatusPage.fresh { return page }
        if let under = making[key] { return await under.value }
        let work = start { await self.make(subject) }
        making[key] = work
        let page = await work.value
        making[key] = nil
        if made.count >= StatusPage.madeMax { made = [:] }
        if let page { made[key] = (page, clock.now) }
        return page
    }

    private func make(_ subject: Subject) async -> [UInt8]? {
        guard let survey = await survey() else { return nil }
        let pools: HTML
        switch subject {
        case .all: pools = await overview(survey.pools)
        case .pool(let pool, let from): pools = await whole(pool, window: from..<from + StatusPage.backendsMax) ?? StatusPage.missing
        case .missing: pools = StatusPage.missing
        }
        var document = PageDocument(status: head, readiness: readiness.report, now: Clocks.calendar(), pools: pools, attention: survey.attention, events: events)
        if case .pool(let pool, _) = subject { document.pool = pool.configuration.name.text }
        let listeners = handler.status.listeners.open + handler.status.listeners.closing
        document.moreListeners = max(0, listeners.count - StatusPage.listenersMax)
        document.status.listeners = listeners.prefix(StatusPage.listenersMax).map { handler.status.report($0) }
        return Array(document.html.text.utf8)
    }

    private static let missing: HTML = """
        <section aria-labelledby="h-none"><h2 id="h-none">There is no such pool</h2><p>It has been removed, or never was: <a href="/">all pools</a></p></section>
        """

    /// The status without its lists.
    private var head: StatusReport {
        var report = handler.status.report(.pool(PoolName(unchecked: "")), stopping: handler.isStopping)
        (report.reloadFailure, report.unsavedChanges) = (handler.running.reloadFailure, handler.running.unsavedChanges)
        return report
    }

    /// Not those that tell of renewals and the like, nor availabilities that only follow from what has just been told.
    private var events: [EventRecord] {
        var causes: [String: Timestamp] = [:]
        let told = handler.events.kept.suffix(StatusPage.eventsRead).filter { event in
            let subject = event.change.subject
            if event.change.isCause { causes[subject] = event.time }
            guard event.change.logLevel > .debug else { return false }
            guard event.change.isAvailability, let cause = causes[subject] else { return true }
            return event.time.milliseconds - cause.milliseconds > StatusPage.follows
        }
        return told.suffix(StatusPage.eventsMax).reversed().map { EventRecord($0, level: $0.change.logLevel.rawValue) }
    }

    // MARK: Pools

    private struct PoolInBrief {
        let pool: Pool
        /// The gravest first.
        let rank: Int
        let line: PagePoolLine

        /// Of pools that need nobody.
        static let calm = 3 + Availability.warming.rank
    }

    /// Nil: lbd is ending.
    private func survey() async -> (attention: PageAttention, pools: [PoolInBrief])? {
        var (attention, pools) = (PageAttention(), [PoolInBrief]())
        var read = 0
        for pool in table.pools {
            let standing = handler.status.rollouts.standing(of: pool)
            attention.note(pool: pool.configuration.name, standing)
            for backend in pool.backends { attention.note(backend.reference, backend.availability) }
            pools.append(PoolInBrief(pool: pool, rank: rank(of: pool, standing), line: line(of: pool)))
            read += pool.backends.count
            guard read >= StatusPage.backendsInTurn else { continue }
            read = 0
            guard await turns.next(for: taker) else { return nil }
        }
        return (attention, pools)
    }

    private func overview(_ all: [PoolInBrief]) async -> HTML {
        guard !all.isEmpty else { return "<section aria-labelledby=\"h-none\"><h2 id=\"h-none\">There is no pool</h2><p>To begin: lbctl pool add NAME</p></section>" }
        // By kinds of trouble and not by numbers: what is looked at must not move about.
        let ordered = all.enumerated().sorted { ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset) }.map(\.element)
        var (pools, rest) = ("" as HTML, [PagePoolLine]())
        for brief in ordered {
            guard rest.isEmpty, all.count <= StatusPage.poolsWholeMax || brief.rank < PoolInBrief.calm, pools.size < StatusPage.wholeMax,
                let whole = await whole(brief.pool, rowsMax: all.count <= StatusPage.poolsWholeMax ? nil : StatusPage.backendsOfMany),
                pools.size + whole.size <= StatusPage.wholeMax
            else {
                rest.append(brief.line)
                continue
            }
            pools += whole
        }
        pools += PagePoolLine.table(Array(rest.prefix(StatusPage.linesMax)), more: max(0, rest.count - StatusPage.linesMax))
        return pools
    }

    /// Nil: it has gone meanwhile.
    private func whole(_ pool: Pool, window: Range<Int>? = nil, rowsMax: Int? = nil) async -> HTML? {
        guard await turns.next(for: taker) else { return nil }
        let draining = pool.backends.filter { $0.availability == .draining }
        let times = draining.isEmpty ? [:] : await forecasts.latest(draining, of: pool.configuration.name)
        guard await turns.next(for: taker) else { return nil }
        defer { turns.end(of: taker) }
        guard let report = handler.status.report(pool, .everything) else { return nil }
        var figures = PoolFigures(load: pool.meter.now, samples: history.samples(of: pool))
        for backend in pool.backends {
            figures.backends[backend.reference.backend.text] = PoolFigures.Figures(
                load: backend.meter.now, failuresPerSecond: history.failuresPerSecond(slot: backend.slot), timeToEmpty: times[backend.reference])
        }
        guard await turns.next(for: taker) else { return nil }
        return PagePool(report: report, figures: figures, now: Clocks.calendar(), window: window, rowsMax: rowsMax).html
    }

    /// Nobody served first, then by the gravest of its backends, a rollout under way right after those that are down.
    private func rank(of pool: Pool, _ rollout: RolloutStanding?) -> Int {
        if pool.published?.isEmpty != false, !pool.isRemoving { return 0 }
        let calm: Availability = pool.isLosing ? .warming : .available
        let worst = pool.backends.map(\.availability).filter { $0 != .unknown }.map(\.rank).min() ?? calm.rank
        if worst == Availability.down.rank { return 1 }
        if let rollout, rollout.state != .done { return 2 }
        return 3 + min(worst, calm.rank)
    }

    private func line(of pool: Pool) -> PagePoolLine {
        PagePoolLine(
            name: pool.configuration.name.text, eligible: pool.published?.count ?? 0, usable: pool.backends.count { $0.availability.isUsable },
            backends: pool.backends.count, whenNone: pool.configuration.whenNone.word, connections: pool.backends.reduce(0) { $0 + $1.holders },
            connects: pool.meter.now.connectsPerSecond, failures: history.samples(of: pool).last.map { Double($0.failures) } ?? 0)
    }
}

/// When draining backends will be empty: asked of the workers now and then, as it is a question about every connection of
/// their pool; who asks takes what was said last.
@ControlPlane private final class DrainForecasts {
    private static let age = Duration.seconds(2)
    /// How long the first who asks waits for it.
    private static let patience = Duration.milliseconds(300)

    private let explanations: Explanations
    private let clock = LoopClock()
    private var known: [PoolName: (at: MonotonicTime, times: [BackendReference: TimeToEmptyReport])] = [:]
    private var asking: Set<PoolName> = []
    private let news = Broadcast()

    init(_ explanations: Explanations) { self.explanations = explanations }

    func latest(_ backends: [Backend], of pool: PoolName) async -> [BackendReference: TimeToEmptyReport] {
        let isOld = known[pool].map { $0.at.duration(to: clock.now) > DrainForecasts.age } ?? true
        if isOld, asking.insert(pool).inserted { start { await self.ask(backends, of: pool) } }
        let isLacking = backends.contains { known[pool]?.times[$0.reference] == nil }
        if isLacking, asking.contains(pool) { _ = await news.next(after: news.version, timeout: DrainForecasts.patience) }
        return known[pool]?.times ?? [:]
    }

    private func ask(_ backends: [Backend], of pool: PoolName) async {
        known = known.filter { $0.value.at.duration(to: clock.now) < .seconds(60) }
        do throws(Failure) { known[pool] = (clock.now, try await explanations.forecasts(backends, of: pool)) } catch {
            // The pool has gone, or the workers have too much to do: the page says that it is not known.
            known[pool] = nil
        }
        asking.remove(pool)
        news.announce()
    }
}

extension Event.Change {
    fileprivate var isAvailability: Bool { if case .availability = self { true } else { false } }

    /// What an availability follows from.
    fileprivate var isCause: Bool {
        if case .wish = self { return true }
        return if case .probe = self { true } else { false }
    }
}
