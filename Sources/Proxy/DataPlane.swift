// The workers seen from the control plane: start them, give them listeners and routing, read what they did.
import Glibc
import Model
import Statistics
import SystemCalls

/// Confined to the control plane's thread.
package final class DataPlane {
    private let segment: Segment
    private let reports: ReportQueue
    private let mailboxes: [Mailbox]
    private let workers: [WorkerHandle]
    private var threads: [pthread_t] = []
    package private(set) var generation: UInt64 = 0
    /// The block that the workers follow, by pool.
    private var current: [Int: Route] = [:]
    /// Blocks that were replaced in the given generation: freed when all workers follow it.
    private var replaced: [(generation: UInt64, route: Route)] = []

    /// One a pool, for good.
    private var queues: [Int: PoolQueue] = [:]
    private var gates: [Gate] = []
    /// Made with the first listener that limits them.
    private(set) var sourceCounts: SourceCounts?

    package let budget: ConnectionBudget
    package var connectionsMax: Int { budget.connectionsMax }
    package var workerCount: Int { workers.count }

    /// Nothing runs until `start`. `descriptorLimit`: the process's; `descriptorsOpen`: those in use and those of
    /// listeners to come, the workers' own not counted.
    package init(
        layout: SegmentLayout, descriptorLimit: Int, descriptorsOpen: Int, backends: Int, connectionsMax: Int? = nil
    ) throws(SystemError) {
        let segment = try Segment(layout: layout)
        let reports = try ReportQueue()
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
                    peers: mailboxes, acceptQueue: acceptQueue, connectFailures: connectFailures, reports: reports))
            }
        } catch {
            for worker in workers { worker.free() }
            throw error
        }
        (self.segment, self.reports, self.mailboxes, self.workers) = (segment, reports, mailboxes, workers)
        self.budget = budget
    }

    package func start() throws(SystemError) {
        for worker in workers { threads.append(try worker.start()) }
    }

    /// Ends the threads and frees what they had. Connections that are still open are cut.
    package func end() {
        for mailbox in mailboxes.prefix(threads.count) {
            mailbox.post(.closeListeners(generation: generation))
            mailbox.post(.closeConnections)
            mailbox.post(.end)
        }
        for thread in threads { pthread_join(thread, nil) }
        threads = []
        for worker in workers { worker.free() }
        for entry in replaced { entry.route.free() }
        for route in current.values { route.free() }
        for gate in gates { gate.free() }
        sourceCounts?.free()
        (replaced, current, gates, sourceCounts) = ([], [:], [], nil)
    }

    // MARK: Towards the workers

    /// Makes the routing of one pool known to all workers; `isFollowed` tells when they all follow it.
    @discardableResult
    package func publish(_ routing: PoolRouting, pool: Int) -> UInt64 {
        generation += 1
        let route = Route(routing, generation: generation)
        if let old = current.updateValue(route, forKey: pool) { replaced.append((generation, old)) }
        let queue = queues[pool] ?? PoolQueue()
        queues[pool] = queue
        for mailbox in mailboxes { mailbox.post(.route(pool: pool, route, queue)) }
        return generation
    }

    /// Whether no worker can choose by a routing older than `generation` any more.
    package func isFollowed(_ generation: UInt64) -> Bool {
        mailboxes.allSatisfy { $0.acknowledgedGeneration >= generation }
    }

    /// Opens a listener for a pool that has been published; the endpoint with the port that the kernel chose.
    package func open(
        listener: Int, _ endpoint: Endpoint, backlog: Int, pool: Int, connectionsMax: Int? = nil,
        rules: ListenerRules = ListenerRules(), tcp: TCPOptions = TCPOptions()
    ) throws(SystemError) -> Endpoint {
        precondition(current[pool] != nil, "a pool is routed before it is listened for")
        let sockets = try ListenerSockets.open(endpoint, backlog: backlog, tcp: tcp, workers: workers.count)
        let gate = Gate(
            rules, bound: sockets.endpoint, connectionsMax: connectionsMax, arrivals: arrivals(rules.arrivals, listener: listener))
        gates.append(gate)
        for mailbox in mailboxes { mailbox.post(.rules(listener: listener, gate)) }
        let handsOn = sockets.descriptors.count == 1 && workers.count > 1
        for (mailbox, descriptor) in zip(mailboxes, sockets.descriptors) {
            mailbox.post(.listen(descriptor: descriptor, listener: listener, pool: pool, handsOn: handsOn))
        }
        return sockets.endpoint
    }

    private func arrivals(_ limits: ArrivalLimits, listener: Int) -> Arrivals? {
        guard limits != ArrivalLimits() else { return nil }
        if limits.sourceConnectionsMax != nil, sourceCounts == nil { sourceCounts = SourceCounts(connectionsMax: connectionsMax) }
        return Arrivals(limits, listener: listener, counts: sourceCounts)
    }

    /// Accepts to the end what has arrived, then closes all listeners. When the generation is followed, nothing is
    /// accepted any more.
    package func closeListeners() -> UInt64 {
        generation += 1
        for mailbox in mailboxes { mailbox.post(.closeListeners(generation: generation)) }
        return generation
    }

    /// Ends every open connection cleanly (FIN).
    package func closeConnections() {
        for mailbox in mailboxes { mailbox.post(.closeConnections) }
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

    private func send<Asked: Errand>(_ errand: Asked) -> Asked {
        for mailbox in mailboxes { mailbox.post(.errand(errand)) }
        return errand
    }

    // MARK: From the workers

    /// Becomes readable when there is news.
    package var reportsDescriptor: Int32 { reports.descriptor }

    /// `overflowed`: some news was dropped; look at everything.
    package func takeReports() -> (reports: [WorkerReport], overflowed: Bool) {
        let taken = reports.take()
        freeReplaced()
        return taken
    }

    private func freeReplaced() {
        let followed = mailboxes.map(\.acknowledgedGeneration).min() ?? 0
        for entry in replaced where entry.generation <= followed { entry.route.free() }
        replaced.removeAll { $0.generation <= followed }
    }

    package var statistics: SegmentView { segment.view }

    /// Whether a listener's rate holds clients up. Listeners are opened in the order of their numbers.
    package func isHeldByRate(listener: Int) -> Bool { gates[listener].arrivals?.isHolding ?? false }

    /// Of a pool that has been published.
    package func queueReport(pool: Int) -> QueueReport {
        guard let queue = queues[pool] else { preconditionFailure("a pool is published before it is asked about") }
        return queue.report
    }
}
