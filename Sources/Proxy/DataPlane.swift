// The workers seen from the control plane: start them, give them listeners and routing, read what they did.
import Glibc
import Model
import Statistics
import SystemCalls

/// Confined to the control plane's thread.
package final class DataPlane {
    package let segment: Segment
    private let reports: ReportQueue
    private let mailboxes: [Mailbox]
    /// Of connections that have ended, for the log.
    package let access: AccessQueues
    private let workers: [WorkerHandle]
    private var threads: [pthread_t] = []
    package private(set) var generation: UInt64 = 0
    /// The block that the workers follow, by pool.
    private var current: [Int: Route] = [:]
    /// What was replaced or forgotten in the given generation: freed when all workers follow it.
    private var replaced: [(generation: UInt64, memory: Replaced)] = []
    /// Generations up to this one were followed before the last news was taken: of what ended with them none is to come.
    package private(set) var settledGeneration: UInt64 = 0

    /// In which numbers become free once they are settled.
    private var forgetting: [UInt64] = []

    /// One a pool, as long as it is there.
    private var queues: [Int: PoolQueue] = [:]
    /// Of pools on their way out.
    private var releases: [Int: PoolRelease] = [:]
    private var listening: [Int: Listening] = [:]
    private let connectFailures: ConnectFailures
    /// Made with the first listener that limits them.
    private(set) var sourceCounts: SourceCounts?

    /// The number of the listener that is lbd's own and no client's of a pool: its connections take no ticket of the
    /// process, it stays open while lbd stops, and no survey of all connections finds them. Nil: there is none.
    package let ownListener: Int?
    package let descriptorLimit: Int
    package private(set) var budget: ConnectionBudget
    package var connectionsMax: Int { budget.connectionsMax }
    package var workerCount: Int { workers.count }
    /// Monotonic nanoseconds.
    private var lastBeat: Int64 = 0

    /// Nothing runs until `start`. `descriptorLimit`: the process's; `descriptorsOpen`: those in use and those of
    /// listeners to come, the workers' own not counted.
    package init(
        segment: Segment, descriptorLimit: Int, descriptorsOpen: Int, backends: Int, connectionsMax: Int? = nil, ownListener: Int? = nil
    ) throws(SystemError) {
        let layout = segment.view.layout
        let reports = try ReportQueue()
        let access = try AccessQueues(workers: layout.workers)
        var mailboxes: [Mailbox] = []
        for _ in 0..<layout.workers { mailboxes.append(try Mailbox()) }
        // Each worker adds an epoll descriptor and its mailbox.
        let budget = ConnectionBudget(
            limit: descriptorLimit, open: descriptorsOpen + 2 * layout.workers + 1, backends: backends, connectionsMax: connectionsMax)
        let acceptQueue = AcceptQueue(segment: segment.view, mailboxes: mailboxes)
        let connectFailures = ConnectFailures()
        var workers: [WorkerHandle] = []
        do {
            for (index, mailbox) in mailboxes.enumerated() {
                workers.append(try WorkerHandle(
                    index: index, segment: segment.view, budget: budget, mailbox: mailbox,
                    peers: mailboxes, acceptQueue: acceptQueue, connectFailures: connectFailures, reports: reports,
                    access: access.queues[index], ownListener: ownListener))
            }
        } catch {
            for worker in workers { worker.free() }
            throw error
        }
        (self.segment, self.reports, self.mailboxes, self.workers) = (segment, reports, mailboxes, workers)
        (self.budget, self.descriptorLimit, self.connectFailures, self.access) = (budget, descriptorLimit, connectFailures, access)
        self.ownListener = ownListener
    }

    package func start() throws(SystemError) {
        for worker in workers { threads.append(try worker.start()) }
    }

    /// Ends the threads and frees what they had. Connections that are still open are cut.
    package func end() {
        for queue in queues.values { queue.close() }
        for mailbox in mailboxes.prefix(threads.count) {
            mailbox.post(.closeListeners(generation: generation))
            if let ownListener { mailbox.post(.closeListener(ownListener, generation: generation)) }
            mailbox.post(.closeConnections)
            mailbox.post(.end)
        }
        for thread in threads { pthread_join(thread, nil) }
        threads = []
        for worker in workers { worker.free() }
        for entry in replaced { entry.memory.free() }
        for route in current.values { route.free() }
        for listener in listening.values {
            listener.gate.free()
            listener.arrivals?.free()
        }
        sourceCounts?.free()
        (replaced, current, listening, sourceCounts) = ([], [:], [:], nil)
    }

    // MARK: Towards the workers

    /// Makes the routing of one pool known to all workers; `isFollowed` tells when they all follow it.
    @discardableResult
    package func publish(_ routing: PoolRouting, pool: Int) -> UInt64 {
        generation += 1
        let route = Route(routing, generation: generation, workers: workers.count)
        if let old = current.updateValue(route, forKey: pool) { replaced.append((generation, .route(old))) }
        let queue = queues[pool] ?? PoolQueue()
        queues[pool] = queue
        post(.route(pool: pool, route, queue))
        return generation
    }

    private func post(_ message: WorkerMessage) {
        for mailbox in mailboxes { mailbox.post(message) }
    }

    /// Whether no worker can choose by a routing older than `generation` any more.
    package func isFollowed(_ generation: UInt64) -> Bool {
        mailboxes.allSatisfy { $0.acknowledgedGeneration >= generation }
    }

    /// A generation that changes nothing: when it is settled, all that was under way before has been done and told.
    package func fence() -> UInt64 {
        generation += 1
        forgetting.append(generation)
        post(.fence(generation: generation))
        return generation
    }

    /// Asks every worker how long it takes until it has read this.
    package func beat() {
        lastBeat = Clocks.monotonic().nanoseconds
        post(.beat(lastBeat))
    }

    /// Of a worker that hangs it grows with every beat.
    package func lag(worker: Int) -> Duration { statistics.lag(worker: worker, beat: lastBeat) }


    /// What the process carries from now on; who is connected stays. `descriptorsOpen`: as in `init`.
    package func rebudget(descriptorsOpen: Int, backends: Int, connectionsMax: Int?) {
        budget = ConnectionBudget(
            limit: descriptorLimit, open: descriptorsOpen + 2 * mailboxes.count + 1, backends: backends, connectionsMax: connectionsMax)
        post(.connectionsMax(budget.connectionsMax))
    }

    /// By a reset. Of a backend's slot: once a routing without it was published.
    package func resetConnections(_ group: ConnectionGroup) { post(.errand(GroupReset(group, workers: workers.count))) }

    /// Accepts to the end what has arrived, then closes all listeners but lbd's own. When the generation is followed,
    /// nothing is accepted there any more.
    package func closeListeners() -> UInt64 {
        generation += 1
        post(.closeListeners(generation: generation))
        return generation
    }

    /// Ends every open connection cleanly (FIN).
    package func closeConnections() {
        for queue in queues.values { queue.close() }
        post(.closeConnections)
    }

    // MARK: About connections

    /// Asks every worker for the connections of a pool, of a backend's slot, or for those with certain ids.
    package func survey(pool: Int? = nil, slot: Int? = nil, ids: Set<ConnectionID>? = nil) -> ConnectionSurvey {
        send(ConnectionSurvey(workers: workers.count, pool: pool, slot: slot, ids: ids))
    }

    package func askPeers(of connections: [ConnectionSnapshot]) -> PeerInquiry {
        send(PeerInquiry(connections, workers: workers.count))
    }

    package func close(_ connections: [ConnectionSnapshot], _ manner: ClosingManner) -> ClosingOrder {
        send(ClosingOrder(connections, manner, workers: workers.count))
    }

    func send<Asked: Errand>(_ errand: Asked) -> Asked {
        for mailbox in mailboxes { mailbox.post(.errand(errand)) }
        return errand
    }

    // MARK: From the workers

    /// Becomes readable when there is news.
    package var reportsDescriptor: Int32 { reports.descriptor }

    /// `overflowed`: some news was dropped; look at everything.
    package func takeReports() -> (reports: [WorkerReport], overflowed: Bool) {
        var taken: (reports: [WorkerReport], overflowed: Bool) = ([], false)
        // What a worker tells before it acknowledges has been taken when the acknowledgement had been read before.
        repeat {
            settledGeneration = followedGeneration
            let more = reports.take()
            taken = (taken.reports + more.reports, taken.overflowed || more.overflowed)
        } while followedGeneration != settledGeneration
        freeReplaced()
        return taken
    }

    /// Whether numbers have become free since the last time somebody asked: they may be given out again.
    package func takeForgotten() -> Bool {
        let settled = forgetting.count { $0 <= settledGeneration }
        forgetting.removeFirst(settled)
        return settled > 0
    }

    private var followedGeneration: UInt64 { mailboxes.map(\.acknowledgedGeneration).min() ?? 0 }

    private func freeReplaced() {
        let followed = followedGeneration
        for entry in replaced where entry.generation <= followed { entry.memory.free() }
        replaced.removeAll { $0.generation <= followed }
    }

    package var statistics: SegmentView { segment.view }

    /// Of a pool that has been published.
    package func queueReport(pool: Int) -> QueueReport {
        guard let queue = queues[pool] else { preconditionFailure("a pool is published before it is asked about") }
        return queue.report
    }
}

/// Memory that workers have read, and do not any more once they follow the generation that replaced it.
private enum Replaced {
    case route(Route)
    case gate(Gate)
    case arrivals(Arrivals)

    func free() {
        switch self {
        case .route(let route): route.free()
        case .gate(let gate): gate.free()
        case .arrivals(let arrivals): arrivals.free()
        }
    }
}

/// A listener as the workers have it.
private struct Listening {
    var gate: Gate
    var limits: ArrivalLimits
    var arrivals: Arrivals?
    /// The descriptors are the workers': to be touched as long as they have not been told to close them.
    var sockets: ListenerSockets
}

// Listeners.
extension DataPlane {
    /// Sockets that listen already, for `listen` and `move`. `replacing`: another listener is about to leave that address.
    package func openSockets(
        _ endpoint: Endpoint, backlog: Int, tcp: TCPOptions, replacing: Bool = false
    ) throws(SystemError) -> ListenerSockets {
        try ListenerSockets.open(endpoint, backlog: backlog, tcp: tcp, workers: workers.count, replacing: replacing)
    }

    /// Opens a listener for a pool that has been published; the endpoint with the port that the kernel chose.
    package func open(
        listener: Int, _ endpoint: Endpoint, backlog: Int, pool: Int, connectionsMax: Int? = nil,
        rules: ListenerRules = ListenerRules(), tcp: TCPOptions = TCPOptions()
    ) throws(SystemError) -> Endpoint {
        let sockets = try openSockets(endpoint, backlog: backlog, tcp: tcp)
        listen(listener, on: sockets, pool: pool, connectionsMax: connectionsMax, rules: rules)
        return sockets.endpoint
    }

    /// Hands the sockets over.
    package func listen(_ listener: Int, on sockets: ListenerSockets, pool: Int, connectionsMax: Int?, rules: ListenerRules) {
        precondition(current[pool] != nil, "a pool is routed before it is listened for")
        let arrivals = arrivals(rules.arrivals, listener: listener)
        let gate = Gate(rules, bound: sockets.endpoint, pool: pool, connectionsMax: connectionsMax, arrivals: arrivals)
        listening[listener] = Listening(
            gate: gate, limits: rules.arrivals, arrivals: arrivals, sockets: sockets)
        postRules(of: listener, gate)
        hand(sockets, to: listener)
    }

    /// New rules, a new pool for clients to come, and other sockets where `sockets` are given: the old ones are accepted to
    /// the end by the old rules, then closed. The arrivals are counted on where their limits stay.
    package func change(
        listener: Int, to sockets: ListenerSockets? = nil, pool: Int, connectionsMax: Int?, rules: ListenerRules
    ) {
        precondition(current[pool] != nil, "a pool is routed before it is listened for")
        guard let old = listening[listener] else { preconditionFailure("a listener is opened before it is changed") }
        var new = old
        if rules.arrivals != old.limits { (new.limits, new.arrivals) = (rules.arrivals, arrivals(rules.arrivals, listener: listener)) }
        new.sockets = sockets ?? old.sockets
        new.gate = Gate(
            rules, bound: new.sockets.endpoint, pool: pool, connectionsMax: connectionsMax, arrivals: new.arrivals, before: old.gate)
        listening[listener] = new
        if sockets != nil { _ = close(listener: listener) }
        postRules(of: listener, new.gate)
        replaced.append((generation, .gate(old.gate)))
        if rules.arrivals != old.limits, let arrivals = old.arrivals {
            tellRest(of: arrivals)
            replaced.append((generation, .arrivals(arrivals)))
        }
        if let sockets { hand(sockets, to: listener) }
    }

    /// For connections to come.
    package func retune(listener: Int, backlog: Int, tcp: TCPOptions) throws(SystemError) {
        try listening[listener]?.sockets.retune(backlog: backlog, tcp: tcp)
    }

    /// Accepts to the end what has arrived, then closes. Its connections go on.
    package func close(listener: Int) -> UInt64 {
        generation += 1
        post(.closeListener(listener, generation: generation))
        return generation
    }

    /// It is closed everywhere, and its tickets are back. When the generation is settled the number is free.
    package func forget(listener: Int) -> UInt64 {
        generation += 1
        forgetting.append(generation)
        post(.forgetListener(listener, generation: generation))
        if let entry = listening.removeValue(forKey: listener) {
            tellRest(of: entry.arrivals)
            replaced.append((generation, .gate(entry.gate)))
            if let arrivals = entry.arrivals { replaced.append((generation, .arrivals(arrivals))) }
        }
        return generation
    }

    /// Whether a listener's rate holds clients up.
    package func isHeldByRate(listener: Int) -> Bool { listening[listener]?.arrivals?.isHolding ?? false }

    private func hand(_ sockets: ListenerSockets, to listener: Int) {
        let handsOn = sockets.descriptors.count == 1 && workers.count > 1
        for (mailbox, descriptor) in zip(mailboxes, sockets.descriptors) {
            mailbox.post(.listen(descriptor: descriptor, listener: listener, handsOn: handsOn))
        }
    }

    private func postRules(of listener: Int, _ gate: Gate) {
        generation += 1
        post(.rules(listener: listener, ListenerOrders(gate: gate, sourceCounts: sourceCounts), generation: generation))
    }

    private func tellRest(of arrivals: Arrivals?) {
        if let news = arrivals?.settle(now: Clocks.coarse().nanoseconds, atOnce: true) { reports.post(news) }
    }

    private func arrivals(_ limits: ArrivalLimits, listener: Int) -> Arrivals? {
        guard limits != ArrivalLimits() else { return nil }
        if limits.sourceConnectionsMax != nil, sourceCounts == nil {
            sourceCounts = SourceCounts(connectionsMax: connectionsMax, ceiling: descriptorLimit / 2)
        }
        return Arrivals(limits, listener: listener, counts: sourceCounts)
    }
}

// Leaving (see Retire).
extension DataPlane {
    /// No listener names the pool, its routing is empty, its backends hold no ticket: all of it followed.
    package func retire(pool: Int) {
        let release = PoolRelease(workers: mailboxes.count)
        releases[pool] = release
        post(.retirePool(pool, release))
    }

    /// No connection names the pool any more.
    package func isReleased(pool: Int) -> Bool { releases[pool]?.isComplete ?? false }

    /// It is released. When the generation is settled the number is free.
    package func forget(pool: Int) -> UInt64 {
        generation += 1
        forgetting.append(generation)
        if let news = connectFailures.forget(pool: pool, now: Clocks.coarse().nanoseconds) { reports.post(news) }
        post(.forgetPool(pool, generation: generation))
        if let route = current.removeValue(forKey: pool) { replaced.append((generation, .route(route))) }
        (queues[pool], releases[pool]) = (nil, nil)
        return generation
    }

    /// The backend is out of the routing of its pool, as all workers know, and its tickets are back.
    package func forget(slot: Int, pool: Int) {
        if let news = connectFailures.forget(slot: slot, now: Clocks.coarse().nanoseconds) { reports.post(news) }
        queues[pool]?.forget(slot: slot)
    }
}
