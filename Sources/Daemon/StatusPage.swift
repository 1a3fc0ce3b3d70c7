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
    /// Of one pool's page.
    private static let backendsMax = 120
    /// Read between two turns of everybody else.
    private static let backendsInTurn = 256

    init(_ handler: CommandHandler, _ readiness: Readiness, _ history: History) {
        (self.handler, self.readiness, self.history) = (handler, readiness, history)
        forecasts = DrainForecasts(handler.explanations)
    }

    private var table: PoolTable { handler.table }

    /// Nil: there is no such pool. `from`: the first of its backends.
    func page(of pool: PoolName?, from: Int) async -> [UInt8]? {
        let key = pool.map { "\($0) \(from)" } ?? ""
        if let (page, at) = made[key], at.duration(to: clock.now) < StatusPage.fresh { return page }
        if let under = making[key] { return await under.value }
        let work = start { await self.make(pool, from: from) }
        making[key] = work
        let page = await work.value
        making[key] = nil
        if made.count >= StatusPage.madeMax { made = [:] }
        if let page { made[key] = (page, clock.now) }
        return page
    }

    private func make(_ pool: PoolName?, from: Int) async -> [UInt8]? {
        var document = PageDocument(status: head, readiness: readiness.report, now: Clocks.calendar(), pool: pool?.text, events: events)
        let listeners = handler.status.listeners.open + handler.status.listeners.closing
        document.moreListeners = max(0, listeners.count - StatusPage.listenersMax)
        document.status.listeners = listeners.prefix(StatusPage.listenersMax).map { handler.status.report($0) }
        if let pool {
            guard let pool = table.pool(pool), let whole = await whole(pool, window: from..<from + StatusPage.backendsMax) else { return nil }
            document.pools = whole
        } else {
            document.pools = await overview()
        }
        return Array(document.html.text.utf8)
    }

    /// The status without its lists.
    private var head: StatusReport {
        var report = handler.status.report(.pool(PoolName(unchecked: "")), stopping: handler.isStopping)
        (report.reloadFailure, report.unsavedChanges) = (handler.running.reloadFailure, handler.running.unsavedChanges)
        return report
    }

    /// Not those that tell of renewals and the like.
    private var events: [EventRecord] {
        handler.events.kept.suffix(200).reversed().lazy.filter { $0.change.logLevel > .debug }.prefix(StatusPage.eventsMax)
            .map { EventRecord($0, level: $0.change.logLevel.rawValue) }
    }

    // MARK: Pools

    private func overview() async -> HTML {
        var lines: [(pool: Pool, trouble: Int, line: PagePoolLine)] = []
        var read = 0
        for pool in table.pools {
            lines.append((pool, trouble(of: pool), line(of: pool)))
            read += pool.backends.count
            guard read >= StatusPage.backendsInTurn else { continue }
            read = 0
            guard await turns.next(for: taker) else { return "" }
        }
        // By kinds of trouble and not by numbers: what is looked at must not move about.
        lines = lines.enumerated().sorted { ($1.element.trouble, $0.offset) < ($0.element.trouble, $1.offset) }.map(\.element)
        var (pools, rest) = ("" as HTML, [PagePoolLine]())
        for (pool, _, line) in lines {
            guard rest.isEmpty, pools.size < StatusPage.wholeMax, let whole = await whole(pool, window: nil),
                pools.size + whole.size <= StatusPage.wholeMax
            else {
                rest.append(line)
                continue
            }
            pools += whole
        }
        pools += PagePoolLine.table(Array(rest.prefix(StatusPage.linesMax)), more: max(0, rest.count - StatusPage.linesMax))
        return pools
    }

    /// Nil: it has gone meanwhile.
    private func whole(_ pool: Pool, window: Range<Int>?) async -> HTML? {
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
        return PagePool(report: report, figures: figures, now: Clocks.calendar(), window: window).html
    }

    private func trouble(of pool: Pool) -> Int {
        if pool.published?.isEmpty != false, !pool.isRemoving { return 5 }
        if let rollout = handler.status.rollouts.standing(of: pool), !rollout.state.hasEnded { return 4 }
        var worst = pool.isLosing ? 1 : 0
        for backend in pool.backends {
            switch backend.availability {
            case .draining, .drained: worst = max(worst, 3)
            case .down: worst = max(worst, 2)
            case .maintenance, .warming: worst = max(worst, 1)
            case .available, .unknown: continue
            }
        }
        return worst
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
