// lbd as a whole: everything opened in order, run until a signal, ended in order.
import ControlProtocol
import EventLoop
import Glibc
import Logging
import Model
import Proxy
import Statistics
import SystemCalls

/// Why lbd did not start, or ended other than by a signal; one line for the log.
package struct DaemonError: Error, CustomStringConvertible {
    package let description: String
}

@ControlPlane package final class Daemon {
    /// As lbd was started with; what runs now is `reconfiguration`'s.
    private let configuration: BalancerConfiguration
    private let logger: Logger
    let events: EventLog
    let plane: DataPlane
    let table: PoolTable
    let listeners: Listeners
    let reconfiguration: Reconfiguration
    private let running: RunningConfiguration
    let handler: CommandHandler
    let metrics: MetricsText
    private let surveys: Surveys
    let admin: AdminPort
    private let log: Log
    private let access: AccessLog
    /// Of all who have long work to do on the loop.
    private let turns = Turns()
    private let history: History
    private var control: ControlServer?
    /// Held as long as this lbd runs: a second one on the same state directory says so instead of starting.
    private let lock: StateLock
    private let stopped = Broadcast()
    private let published: PublishedSegment
    private let signOfLife: SignOfLife

    package init(
        _ file: ConfigurationFile, _ content: ConfigurationFile.Content, log: Log, logger: Logger
    ) throws {
        configuration = content.loaded.configuration
        (self.log, self.logger) = (log, logger)
        lock = try StateLock(folder: configuration.stateDirectory)
        events = EventLog(logger: logger)
        let descriptors = try Limits.openDescriptors()
        let descriptorLimit = try Limits.raiseDescriptors()
        let layout = Daemon.layout(for: configuration, descriptorLimit: descriptorLimit)
        published = try PublishedSegment(layout, for: configuration, logger)
        plane = try Daemon.plane(published.segment, for: configuration, descriptorLimit: descriptorLimit, descriptorsBefore: descriptors)
        let startedAt = Clocks.calendar()
        signOfLife = try SignOfLife(plane: plane, startedAt: startedAt, descriptorsMax: descriptorLimit)
        table = PoolTable(plane: plane, events: events, poolsMax: layout.pools)
        listeners = Listeners(plane: plane, events: events, listenersMax: layout.listeners)
        admin = AdminPort(plane: plane, stateDirectory: configuration.stateDirectory, logger: logger)
        let saved = SavedWishes(stateDirectory: configuration.stateDirectory)
        surveys = Surveys(plane: plane)
        let explanations = Explanations(table: table, listeners: listeners, plane: plane, surveys: surveys)
        let drains = Drains(table: table, saved: saved, explanations: explanations, events: events)
        reconfiguration = Reconfiguration(
            configuration, plane: plane, table: table, listeners: listeners, admin: admin, drains: drains, saved: saved, events: events, log: log,
            logger: logger, descriptorsBefore: descriptors)
        let status = StatusReports(table: table, listeners: listeners, plane: plane, events: events, startedAt: startedAt, rollouts: Rollouts(events))
        access = AccessLog(plane.access, table: table, listeners: listeners, log: log, turns: turns)
        running = RunningConfiguration(file, content, reconfiguration, logger)
        handler = CommandHandler(
            table: table, drains: drains, events: events, status: status, explanations: explanations, running: running,
            reconfiguration: reconfiguration)
        handler.logLinesDropped = { log.droppedTotal }
        metrics = MetricsText(handler)
        history = History(table: table)
        admin.pages = AdminPages(handler, listeners, history, metrics)
        // The listeners come last, when lbd is known to run alone.
        var pools = configuration
        (pools.listeners, pools.admin) = ([], nil)
        try reconfiguration.start(pools)
    }

    /// Room for all that a configuration may have. Connections beyond a million of one worker are counted, not listed.
    private static func layout(for configuration: BalancerConfiguration, descriptorLimit: Int) -> SegmentLayout {
        let workers = switch configuration.workers {
        case .auto: Limits.processors()
        case .exactly(let count): count
        }
        // A connection has two descriptors; records come in slabs, and some are spare.
        return SegmentLayout(
            workers: workers, slots: BalancerConfiguration.backendsMax + AdminPort.slot + 1,
            listeners: BalancerConfiguration.listenersMax + AdminPort.listener + 1,
            pools: BalancerConfiguration.poolsMax + AdminPort.pool + 1, rows: min(1 << 20, descriptorLimit / 2 + 256))
    }

    private static func plane(
        _ segment: Segment, for configuration: BalancerConfiguration, descriptorLimit: Int, descriptorsBefore: Int
    ) throws -> DataPlane {
        let backends = configuration.pools.reduce(0) { $0 + $1.backends.count }
        let workers = segment.view.layout.workers
        return try DataPlane(
            segment: segment, descriptorLimit: descriptorLimit,
            descriptorsOpen: descriptorsBefore + workers * configuration.listeners.count
                + (configuration.admin == nil ? 0 : AdminPort.descriptors(workers: workers, descriptorLimit: descriptorLimit)),
            backends: backends, connectionsMax: configuration.connectionsMax, ownListener: AdminPort.listener)
    }

    /// Serves until a signal; the exit status. `signals` delivers TERM, INT, QUIT, HUP, USR1 and USR2.
    package func run(_ signals: SignalSource) async throws -> Int32 {
        // Last, when nobody writes there any more.
        defer { published.remove() }
        try plane.start()
        defer {
            plane.end()
            access.finish()
        }
        signOfLife.beat(isStopping: false)
        // After the workers have started, who would inherit it: they are the busy ones, and orders and probes come between.
        Limits.takeShortTurns()
        let news = start { await self.hearWorkers() }
        defer { news.cancel() }
        let telling = start { await self.access.run() }
        defer { telling.cancel() }
        handler.measurements.turn = { [signOfLife, listeners, handler] in
            signOfLife.beat(isStopping: handler.isStopping)
            listeners.measure(at: LoopClock().now)
        }
        let measuring = start { await self.handler.measurements.run() }
        let sampling = start { await self.history.run() }
        defer {
            measuring.cancel()
            sampling.cancel()
        }
        // The control socket first: should another lbd have it, nobody's connection has been accepted yet.
        try Files.makeFolder(Files.folder(of: configuration.control))
        let control = try ControlServer(
            path: configuration.control, conversationsMax: plane.budget.conversationsMax, handler: handler, turns: turns,
            logger: logger.about(.control))
        self.control = control
        published.publish(besideControl: configuration.control, logger)
        do { try reconfiguration.start(configuration) } catch {
            try control.close()
            throw error
        }
        log.noteStarted()
        events.record(.started(version: sluiceVersion, process: Processes.own))
        if Signals.ignoresHangUp { logger.info("SIGHUP is ignored, as whoever started lbd asked (nohup): use lbctl config reload") }
        reconfiguration.tellUnclaimed()
        if let shortfall = plane.budget.shortfall { logger.warning("\(shortfall.words(carried: plane.connectionsMax))") }
        logger.info("up to \(plane.connectionsMax) connections with \(plane.workerCount) workers; control socket \(configuration.control)")
        try await serve(signals)
        // What the workers had put off, they told when their listeners closed.
        for report in plane.takeReports().reports { hear(report) }
        table.stop()
        events.record(.stopped(connectionsClosed: plane.statistics.process.held))
        admin.close()
        try control.close()
        return 0
    }

    // MARK: Signals

    private func serve(_ signals: SignalSource) async throws {
        while let signal = try await signals.next() {
            switch signal {
            case SIGTERM:
                logger.info("\(Signals.name(signal)) received")
                return try await stop(signals)
            case SIGINT, SIGQUIT:
                logger.info("\(Signals.name(signal)) received: ending at once")
                _ = try listeners.closeAll()
                return
            case SIGUSR1: reopenLog()
            case SIGHUP:
                logger.info("\(Signals.name(signal)) received: config reload")
                reload()
            default:
                logger.warning("\(Signals.name(signal)) received: this version does nothing on it; go on")
            }
        }
    }

    /// What logrotate and others have renamed is let go of.
    private func reopenLog() {
        do throws(SystemError) {
            guard let path = try log.reopen() else {
                return logger.info("SIGUSR1 received: lbd logs to standard error, there is no file to open anew (log.file)")
            }
            logger.info("SIGUSR1 received: log file \(path) opened anew")
        } catch {
            logger.error("SIGUSR1 received, but the log file cannot be opened: \(error); the log goes on in the old one")
        }
    }

    /// `config reload` without anybody to answer to.
    private func reload() {
        do throws(RunningConfiguration.ReloadFailure) {
            let changes = try running.reload(by: "SIGHUP")
            logger.info("config reload: \(changes.isEmpty ? "no change" : counted(changes.count, "change"))")
        } catch {
            // What is wrong is in the log already.
            return
        }
    }

    /// Listeners close; connections finish, at most until the deadline or the next TERM, INT or QUIT.
    private func stop(_ signals: SignalSource) async throws {
        let stopDeadline = reconfiguration.current.stopDeadline
        (handler.isStopping, reconfiguration.isStopping) = (true, true)
        events.record(.stopping(deadline: stopDeadline))
        let closed = try listeners.closeAll()
        let impatience = start { await self.nextEndingSignal(signals) }
        defer { impatience.cancel() }
        let deadline = LoopClock().now.advanced(by: stopDeadline)
        plane.statistics.process.watch(true)
        while true {
            let seen = stopped.version
            // Until the workers have closed their listeners, the backlog may still become connections.
            if plane.isFollowed(closed), plane.statistics.process.held == 0 { return }
            let rest = LoopClock().now.duration(to: deadline)
            guard rest > .zero, !isImpatient else { return }
            _ = await stopped.next(after: seen, timeout: rest)
        }
    }

    private var isImpatient = false

    private func nextEndingSignal(_ signals: SignalSource) async {
        do throws(SystemError) {
            while let signal = try await signals.next() {
                switch signal {
                case SIGTERM, SIGINT, SIGQUIT:
                    logger.info("\(Signals.name(signal)) received: ending at once")
                    isImpatient = true
                    return stopped.announce()
                case SIGUSR1: reopenLog()
                default:
                    continue
                }
            }
        } catch {
            logger.error("signals cannot be read any more: \(error); kill -9 ends at once, else the deadline")
        }
    }

    // MARK: News from the workers

    private func hearWorkers() async {
        while await wait(for: .readable, on: plane.reportsDescriptor) == .ready {
            let (reports, overflowed) = plane.takeReports()
            // Before a number is somebody else's, whoever it stands for in the log gets its name.
            if plane.takeForgotten() { access.nameAll() }
            for report in reports { hear(report) }
            if overflowed {
                table.lookAgain()
                stopped.announce()
                surveys.news.announce()
            }
            // Behind all that was told: what goes now is not heard of any more.
            table.settle()
            listeners.settle()
        }
    }

    private func hear(_ report: WorkerReport) {
        switch report {
        case .acknowledged:
            table.lookAgain()
            stopped.announce()
        case .lastConnectionGone(let slot): table.lookAgain(slot: slot)
        case .allConnectionsGone: stopped.announce()
        case .acceptPaused(let worker, let errorNumber):
            listeners.noteAccepting(worker: worker, isPaused: true)
            events.record(.acceptPaused(worker: worker, reason: "accept: \(SystemError.words(for: errorNumber))"))
        case .processFull(let worker): listeners.fillProcess(worker: worker)
        case .processHasRoom(let worker): listeners.makeRoomInProcess(worker: worker)
        case .poolFull(let pool, let refused, let timedOut):
            guard let pool = table.pool(index: pool) else { return }
            events.record(.poolFull(pool.configuration.name, refused: refused, timedOut: timedOut))
        case .holdLost(let pool, let reset, let timedOut):
            guard let pool = table.pool(index: pool) else { return }
            events.record(.holdLost(pool.configuration.name, reset: reset, timedOut: timedOut))
        case .connectsFailing(let slot, let count, let errorNumber, let retried):
            guard let (pool, backend) = table.entry(slot: slot) else { return }
            events.record(.connectsFailing(
                backend.reference, count: count, ConnectFailureReason(errorNumber: errorNumber), reason: SystemError.words(for: errorNumber), retried: retried,
                isAlone: pool.published.map { $0.count <= 1 } ?? true))
            table.noteFailures(count, slot: slot)
        case .earlyResets(let slot, let count): table.noteFailures(count, slot: slot)
        case .poolUnreachable(let pool, let reset):
            guard let pool = table.pool(index: pool) else { return }
            events.record(.poolUnreachable(pool.configuration.name, reset: reset))
        // A listener that closes may be gone now; whoever waits for it looks when `settle` has.
        case .lastClientGone: table.changes.announce()
        case .listenerFull(let listener, let worker): listeners.fill(listener, worker: worker)
        case .listenerHasRoom(let listener, let worker): listeners.makeRoom(listener, worker: worker)
        case .headerRefused(let listener, let peer, let refusal, let besides):
            guard let listener = listeners.listener(index: listener) else { return }
            events.record(.headerRefused(
                listener.configuration.name, peer: peer, reason: refusal.description, besides: besides))
        case .sourceRefused(let listener, let source, let refusal, let besides):
            guard let listener = listeners.listener(index: listener) else { return }
            events.record(.sourceRefused(
                listener.configuration.name, source: source, reason: refusal.description, besides: besides))
        case .rateReached(let listener, let perSecond):
            guard let listener = listeners.listener(index: listener) else { return }
            events.record(.rateReached(listener.configuration.name, perSecond: perSecond))
        case .acceptResumed(let worker):
            listeners.noteAccepting(worker: worker, isPaused: false)
            events.record(.acceptResumed(worker: worker))
        case .errandDone: surveys.news.announce()
        }
    }
}

extension ConnectionBudget.Shortfall {
    func words(carried: Int) -> String {
        "connections-max is \(wanted), but the descriptor limit of \(limit) carries \(counted(carried, "connection")): "
            + "raise it (LimitNOFILE=, ulimit -n) to \(limitWanted)"
    }
}
