// The listeners: opened, changed and closed while lbd runs.
import ControlProtocol
import EventLoop
import Model
import Proxy
import Statistics
import SystemCalls

@ControlPlane final class OpenListener {
    fileprivate(set) var configuration: ListenerConfiguration
    let index: Int
    /// With the port that the kernel chose.
    fileprivate(set) var endpoint: Endpoint
    /// Removed: every worker has closed it when this generation is followed. Its connections go on.
    fileprivate(set) var closedIn: UInt64?
    /// Once removed: its connections do not go on.
    fileprivate var isHasty = false
    /// Accepted so far, and when that was read.
    fileprivate var measured: (accepted: UInt64, at: MonotonicTime)?
    /// What the number's counters stood at when this listener got it.
    fileprivate let baseline: ListenerTotals

    fileprivate init(_ configuration: ListenerConfiguration, index: Int, endpoint: Endpoint, baseline: ListenerTotals) {
        (self.configuration, self.index, self.endpoint, self.baseline) = (configuration, index, endpoint, baseline)
    }

    var isClosing: Bool { closedIn != nil }
}

/// What a change needs of the kernel: tried before anything changes.
struct PreparedListeners {
    /// Sockets of listeners that are new, or bound anew.
    fileprivate var opened: [ListenerName: ListenerSockets] = [:]
    /// Those whose sockets have other options already.
    fileprivate var retuned: [OpenListener] = []
}

@ControlPlane final class Listeners {
    private let plane: DataPlane
    private let events: EventLog
    private let directory: SegmentDirectory
    private(set) var open: [OpenListener] = []
    /// Removed, with connections that go on.
    private(set) var closing: [OpenListener] = []
    private var numbers: Numbers
    /// Those that were open when lbd stopped.
    private var stopped: [OpenListener] = []
    private var counters = CounterLedger<ListenerName>(counters: ListenerCounter.endings.rawValue + Ending.all.count, idleMax: 4096)
    /// Of listeners that are gone, until the generation is settled.
    private var leaving: [(listener: OpenListener, generation: UInt64)] = []
    /// Workers that have found a listener full, by its index.
    private var full: [Int: Set<Int>] = [:]
    /// Workers that have found the process full.
    private var fullProcess: Set<Int> = []
    /// Workers that do not accept, as descriptors or memory have run out.
    private var paused: Set<Int> = []

    init(plane: DataPlane, events: EventLog, listenersMax: Int) {
        self.plane = plane
        self.events = events
        directory = SegmentDirectory(plane: plane, events: events)
        numbers = Numbers(from: AdminPort.listener + 1, max: listenersMax)
    }

    var numbersAvailable: Int { numbers.available }

    private func find(_ name: ListenerName) -> OpenListener? { open.first { $0.configuration.name == name } }

    /// By its number; nil where it is gone.
    func listener(index: Int) -> OpenListener? {
        open.first { $0.index == index } ?? closing.first { $0.index == index } ?? leaving.first { $0.listener.index == index }?.listener
            ?? stopped.first { $0.index == index }
    }

    /// Since it was opened.
    func totals(_ listener: OpenListener) -> ListenerTotals { plane.statistics.totals(listener: listener.index) - listener.baseline }

    // MARK: Changes

    /// Addresses that are left when the configurations hold.
    func leaving(_ configurations: [ListenerConfiguration]) -> [Endpoint] {
        let binds = Dictionary(uniqueKeysWithValues: configurations.map { ($0.name, $0.bind) })
        return open.filter { binds[$0.configuration.name] != $0.configuration.bind }.map(\.endpoint)
    }

    /// All or nothing: opens the sockets that the configurations need. `leaving`: the admin address, where that is left.
    func prepare(_ configurations: [ListenerConfiguration], leaving admin: Endpoint?) throws(Failure) -> PreparedListeners {
        var prepared = PreparedListeners()
        guard configurations.count(where: { find($0.name) == nil }) <= numbers.available else {
            throw Failure(.failed, "room is left for \(counted(numbers.available, "more listener")); those that are closed count until their last connection has ended")
        }
        do throws(SystemError) { try plane.segment.reserve(listeners: numbers.next(configurations.count { find($0.name) == nil })) } catch {
            throw Failure(.failed, "the statistics segment has no memory for one more listener: \(error); make room there")
        }
        let leaving = leaving(configurations) + [admin].compactMap { $0 }
        for configuration in configurations {
            do throws(SystemError) { try prepare(configuration, leaving: leaving, &prepared) } catch {
                abandon(prepared)
                throw Failure(.failed, "listener '\(configuration.name)': \(error.description)")
            }
        }
        return prepared
    }

    private func prepare(
        _ configuration: ListenerConfiguration, leaving: [Endpoint], _ prepared: inout PreparedListeners
    ) throws(SystemError) {
        let listener = find(configuration.name)
        guard let listener, listener.configuration.bind == configuration.bind else {
            prepared.opened[configuration.name] = try plane.openSockets(
                configuration.bind, backlog: configuration.backlog, tcp: configuration.tcp,
                replacing: leaving.contains { $0.overlaps(configuration.bind) })
            return
        }
        guard listener.configuration.backlog != configuration.backlog || listener.configuration.tcp != configuration.tcp else { return }
        prepared.retuned.append(listener)
        try plane.retune(listener: listener.index, backlog: configuration.backlog, tcp: configuration.tcp)
    }

    /// The change does not take place.
    func abandon(_ prepared: PreparedListeners) {
        for listener in prepared.retuned {
            tellFailure(of: listener.configuration.name) { () throws(SystemError) in
                try plane.retune(listener: listener.index, backlog: listener.configuration.backlog, tcp: listener.configuration.tcp)
            }
        }
        for (name, sockets) in prepared.opened { tellFailure(of: name) { () throws(SystemError) in try sockets.close() } }
    }

    /// Nothing of it fails: the pools are routed, and what the kernel had to say it has said to `prepare`.
    /// `now`: the connections of what is removed do not go on. `admin`: the admin address from now on.
    func change(
        to configurations: [ListenerConfiguration], _ prepared: PreparedListeners, now: Bool, admin: Endpoint?, pool: (PoolName) -> Pool?
    ) {
        let names = Set(configurations.map(\.name))
        let paths = Set(configurations.map(\.bind) + [admin].compactMap { $0 })
        for (name, sockets) in prepared.opened { tellFailure(of: name) { () throws(SystemError) in try sockets.takePlace() } }
        for configuration in configurations {
            guard let pool = pool(configuration.pool) else {
                preconditionFailure("the configuration was checked: listener \(configuration.name) has a pool")
            }
            let sockets = prepared.opened[configuration.name]
            if let listener = find(configuration.name) {
                change(listener, to: configuration, sockets, pool, keepingPath: paths.contains(listener.endpoint))
            } else if let sockets {
                add(configuration, sockets, pool)
            }
        }
        // Last: a Unix path is the new one's already.
        for listener in open where !names.contains(listener.configuration.name) {
            close(listener, now: now, keepingPath: paths.contains(listener.endpoint))
        }
        open.removeAll(where: \.isClosing)
        let order = Dictionary(uniqueKeysWithValues: configurations.enumerated().map { ($1.name, $0) })
        open.sort { order[$0.configuration.name] ?? .max < order[$1.configuration.name] ?? .max }
    }

    private func add(_ configuration: ListenerConfiguration, _ sockets: ListenerSockets, _ pool: Pool) {
        guard let index = numbers.take() else { preconditionFailure("the room for listeners was checked") }
        plane.statistics.clearEndings(listener: index)
        let listener = OpenListener(
            configuration, index: index, endpoint: sockets.endpoint, baseline: plane.statistics.totals(listener: index))
        open.append(listener)
        directory.publish(listener, before: listener.baseline)
        counters.open(index, for: configuration.name, at: counts(index))
        plane.statistics.tickets(listener: index).watch(false)
        plane.listen(index, on: sockets, pool: pool.index, connectionsMax: configuration.connectionsMax, rules: configuration.rules)
        events.record(.listenerOpened(configuration.name, sockets.endpoint))
    }

    private func change(
        _ listener: OpenListener, to new: ListenerConfiguration, _ sockets: ListenerSockets?, _ pool: Pool, keepingPath: Bool
    ) {
        let (old, endpoint) = (listener.configuration, listener.endpoint)
        guard new != old else { return }
        listener.configuration = new
        plane.change(listener: listener.index, to: sockets, pool: pool.index, connectionsMax: new.connectionsMax, rules: new.rules)
        if let sockets {
            listener.endpoint = sockets.endpoint
            removePath(of: endpoint, new.name, unless: keepingPath)
            // The sockets that had told so are gone.
            if full.removeValue(forKey: listener.index)?.isEmpty == false { events.record(.listenerHasRoom(new.name)) }
            events.record(.listenerMoved(new.name, from: endpoint, to: sockets.endpoint))
        }
        directory.publish(listener, before: listener.baseline)
        if new.pool != old.pool { events.record(.listenerRedirected(new.name, to: new.pool)) }
    }

    private func close(_ listener: OpenListener, now: Bool, keepingPath: Bool) {
        listener.closedIn = plane.close(listener: listener.index)
        listener.isHasty = now
        plane.statistics.tickets(listener: listener.index).watch(true)
        removePath(of: listener.endpoint, listener.configuration.name, unless: keepingPath)
        closing.append(listener)
        events.record(.listenerClosed(listener.configuration.name))
    }

    /// The connections of a listener that is closing do not go on.
    func hurry(_ name: ListenerName) {
        for listener in closing where listener.configuration.name == name { listener.isHasty = true }
        settle()
    }

    /// A Unix path is removed: nobody answers there any more.
    private func removePath(of endpoint: Endpoint, _ name: ListenerName, unless isKept: Bool) {
        guard case .unix(let path) = endpoint, !isKept else { return }
        tellFailure(of: name) { () throws(SystemError) in try Files.remove(path) }
    }

    private func tellFailure(of name: ListenerName, _ action: () throws(SystemError) -> Void) {
        do throws(SystemError) { try action() } catch { events.reportFailure("listener '\(name)': \(error)") }
    }

    /// After any news of the workers: what is closed goes when its last connection has ended.
    func settle() {
        for listener in closing {
            guard let closedIn = listener.closedIn, plane.isFollowed(closedIn) else { continue }
            // Once all have closed it, no further connection is on its way from one worker to another.
            if listener.isHasty { plane.resetConnections(.listener(listener.index)) }
            listener.isHasty = false
            guard plane.statistics.tickets(listener: listener.index).held == 0 else { continue }
            plane.statistics.tickets(listener: listener.index).watch(false)
            leaving.append((listener, plane.forget(listener: listener.index)))
            full[listener.index] = nil
            directory.forget(listener: listener.index)
            closing.removeAll { $0 === listener }
            events.record(.listenerRemoved(listener.configuration.name))
        }
        leaving.removeAll { entry in
            guard entry.generation <= plane.settledGeneration else { return false }
            let (index, name) = (entry.listener.index, entry.listener.configuration.name)
            counters.close(index, for: name, at: counts(index))
            numbers.give(index)
            return true
        }
    }

    /// Once a second: how many come.
    func measure(at now: MonotonicTime) {
        for listener in open + closing {
            let accepted = totals(listener).accepted
            if let (before, at) = listener.measured, at < now {
                let seconds = at.duration(to: now).inSeconds
                plane.statistics.write(rate: Double(accepted &- before) / seconds, listener: listener.index)
            }
            listener.measured = (accepted, now)
        }
    }

    // MARK: News

    /// Told once for all workers: the first that finds it full, the last that does no longer.
    func fill(_ listener: Int, worker: Int) {
        let isNews = full[listener, default: []].isEmpty
        full[listener, default: []].insert(worker)
        guard isNews, let configuration = configuration(of: listener), let most = configuration.connectionsMax else { return }
        events.record(.listenerFull(configuration.name, connectionsMax: most))
    }

    func makeRoom(_ listener: Int, worker: Int) {
        full[listener]?.remove(worker)
        guard full[listener] == [], let configuration = configuration(of: listener) else { return }
        events.record(.listenerHasRoom(configuration.name))
    }

    /// The same for the process's own limit.
    func fillProcess(worker: Int) {
        guard fullProcess.isEmpty else {
            fullProcess.insert(worker)
            return
        }
        fullProcess.insert(worker)
        events.record(.processFull(connectionsMax: plane.connectionsMax, descriptorLimit: plane.budget.descriptorLimit))
    }

    func makeRoomInProcess(worker: Int) {
        guard fullProcess.remove(worker) != nil, fullProcess.isEmpty else { return }
        events.record(.processHasRoom)
    }

    /// Nil: closed meanwhile.
    private func configuration(of listener: Int) -> ListenerConfiguration? { open.first { $0.index == listener }?.configuration }

    func noteAccepting(worker: Int, isPaused: Bool) {
        if isPaused { paused.insert(worker) } else { paused.remove(worker) }
    }

    // MARK: For the metrics

    /// Of all listeners that have had the name.
    func counts(of name: ListenerName) -> [UInt64] { counters.total(of: name, counts) }

    private func counts(_ index: Int) -> [UInt64] {
        // Before the others: nobody has ended who has not come.
        let endings = plane.statistics.endings(listener: index)
        let totals = plane.statistics.totals(listener: index)
        return [totals.accepted, totals.refused] + Ending.all.map { endings[$0] ?? 0 }
    }

    func overloads(of listener: OpenListener, _ table: PoolTable) -> Set<OverloadCause> {
        var causes: Set<OverloadCause> = []
        if full[listener.index]?.isEmpty == false { causes.insert(.listenerFull) }
        if !fullProcess.isEmpty { causes.insert(.processFull) }
        if plane.isHeldByRate(listener: listener.index) { causes.insert(.rate) }
        if !paused.isEmpty { causes.insert(.acceptPaused) }
        if table.pool(listener.configuration.pool)?.isFull == true { causes.insert(.poolFull) }
        return causes
    }

    // MARK: The end

    /// What has arrived is accepted first. Unix paths are removed: nobody answers there any more.
    /// When the generation is followed, nothing is accepted any more.
    func closeAll() throws(SystemError) -> UInt64 {
        let generation = plane.closeListeners()
        let closing = open
        (open, stopped) = ([], open)
        for listener in closing {
            if case .unix(let path) = listener.endpoint { try Files.remove(path) }
            events.record(.listenerClosed(listener.configuration.name))
        }
        return generation
    }
}

extension Endpoint {
    /// Whether the kernel would not let somebody else listen at both.
    func overlaps(_ other: Endpoint) -> Bool {
        switch (self, other) {
        case (.unix(let path), .unix(let otherPath)): path == otherPath
        case (.ipv4(let address, let port), .ipv4(let otherAddress, let otherPort)):
            port == otherPort && (address == otherAddress || address == 0 || otherAddress == 0)
        case (.ipv6, .ipv6):
            port == other.port && (host == other.host || host == "::" || other.host == "::")
        case (.unix, _), (.ipv4, _), (.ipv6, _): false
        }
    }
}
