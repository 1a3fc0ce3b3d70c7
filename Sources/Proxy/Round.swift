// What a worker does between two waits: messages, connections that are still ready, ended ones, deadlines.
import Glibc
import Model
import SystemCalls

extension WorkerHandle {
    func handle(_ message: WorkerMessage) {
        switch message {
        case .route(let pool, let route, let queue):
            follow(route, of: pool, queue)
        case .serve(let waiter, let place, let slot, let pool):
            waiter.connection.served(slot: slot, pool: pool, place: place)
        case .rules(let listener, let orders, _): follow(orders, of: listener)
        case .listen(let descriptor, let listener, let handsOn):
            let handle = ListenerHandle(worker: self, descriptor: descriptor, listener: listener, handsOn: handsOn)
            state.listeners.append(handle)
            if !state.acceptPause.isPaused, !handle.resume() { pauseAccepting(errno) }
        case .makeRoom: makeRoomForOthers()
        case .adopt(let client, let listener): begin(client: client, from: nil, listener: listener)
        case .admit(let listener, let ticket):
            // The socket that waited may have been closed meanwhile, and the listener have another one.
            guard let handle = state.listeners.first(where: { $0.listener == listener && $0.waitsFor == ticket }) else { return giveBack(ticket) }
            handle.proceed(holding: ticket)
        case .closeListeners:
            // Out of the list first: the last accepts may run out and pause whatever still stands in it.
            let closing = state.listeners.filter { $0.listener != state.ownListener }
            state.listeners.removeAll { $0.listener != state.ownListener }
            for listener in closing {
                state.acceptQueue.leave(worker: state.index, listener: listener.listener)
                listener.close()
            }
            // Else what has paused still stands.
            if state.listeners.isEmpty { (state.acceptPause, state.hasNotices) = (.none, false) }
            state.processNotice = LimitNotice()
            settleReports(atOnce: true)
        case .closeConnections:
            beginAccepted()
            while let connection = state.wheel.first { connection.close(.stopping) }
        case .errand(let errand):
            state.errands.append(RunningErrand(errand))
            errand.arrived(at: self)
        case .closeListener(let listener, _): closeListener(listener)
        case .forgetListener(let listener, _): forgetListener(listener)
        case .retirePool(let pool, let release): retirePool(pool, release)
        case .forgetPool(let pool, _): forgetPool(pool)
        case .connectionsMax(let most):
            state.connectionsMax = most
            serveAwaiting(.process)
        case .beat(let sentAt):
            state.segment.storeBeat(sent: sentAt, now: Clocks.monotonic().nanoseconds, worker: state.index)
            listSlabs()
        case .fence: return
        case .end:
            state.isEnding = true
        }
    }

    private func follow(_ route: Route, of pool: Int, _ queue: PoolQueue) {
        while state.routes.count <= pool {
            state.routes.append(nil)
            state.queues.append(nil)
            state.balancing.append(Balancing(cursor: UInt32(state.index)))
            state.poolConnections.append(0)
        }
        let old = state.routes[pool]
        state.routes[pool] = route
        state.queues[pool] = queue
        prepareBalancing(pool: pool, route, insteadOf: old)
        followRouting(pool: pool, route)
    }

    private func follow(_ orders: ListenerOrders, of listener: Int) {
        while state.gates.count <= listener {
            state.gates.append(nil)
            state.refusals.append(ReportPacing())
        }
        state.gates[listener] = orders.gate
        state.sourceCounts = orders.sourceCounts
        for handle in state.listeners where handle.listener == listener { handle.rulesChanged() }
        // Its limit may be a higher one.
        serveAwaiting(.listener(listener))
    }

    /// The routing of a pool. Listeners name only pools that were published before them.
    func route(of pool: Int) -> Route {
        guard let route = state.routes[pool] else { preconditionFailure("a pool is routed before it is listened for") }
        return route
    }

    /// The rules of a listener. Connections name only listeners that were opened.
    func gate(of listener: Int) -> Gate {
        guard let gate = state.gates[listener] else { preconditionFailure("a listener's rules come before it") }
        return gate
    }

    func report(_ report: WorkerReport) { state.reports.post(report) }

    /// Gives an accepted Unix connection to the workers in turn; false: it is this one's turn.
    func handOn(_ client: Int32, listener: Int) -> Bool {
        state.nextPeer = (state.nextPeer + 1) % state.peers.count
        guard state.nextPeer != state.index else { return false }
        state.peers[state.nextPeer].post(.adopt(client: client, listener: listener))
        return true
    }

    // MARK: Accepting

    /// The kernel refused: EMFILE, ENFILE, ENOBUFS or ENOMEM; ENOSPC where epoll has no watches left.
    func pauseAccepting(_ errorNumber: Int32) {
        for listener in state.listeners { listener.pause() }
        closeSpares()
        // One line as long as it keeps running out, however often that is.
        switch state.acceptPause {
        case .none: report(.acceptPaused(worker: state.index, errorNumber: errorNumber))
        case .paused, .resumed: break
        }
        state.acceptPause = .paused(at: now())
    }

    /// After any close, and at every tick: descriptors may be free again.
    private func resumeAccepting() {
        guard case .paused(let at) = state.acceptPause else { return }
        state.acceptPause = .resumed(pausedAt: at)
        guard state.listeners.allSatisfy({ $0.resume() }) else { return pauseAccepting(errno) }
    }

    /// A second without a new pause: it is over.
    private func settleAccepting() {
        switch state.acceptPause {
        case .none: return
        case .paused: resumeAccepting()
        case .resumed(let pausedAt):
            guard now() - pausedAt > 1_000_000_000 else { return }
            state.acceptPause = .none
            report(.acceptResumed(worker: state.index))
        }
    }

    // MARK: Connections

    /// A fresh record. Every live connection lies in the wheel from its first wait on.
    func newConnection() -> ConnectionHandle {
        if let connection = state.spares.takeFirst() {
            begin(connection)
            return connection
        }
        if state.freeList == nil { growSlabs() }
        guard let connection = state.freeList else { preconditionFailure("the slab has just been filled") }
        state.freeList = connection.record.listNext
        begin(connection)
        return connection
    }

    private func growSlabs() {
        let slab = ConnectionHandle.allocate(64, for: self)
        state.slabs.append(slab)
        if !slab[0].record.row.isListed { state.unlistedSlabs.append(slab) }
        for index in 0..<slab.count {
            slab[index].record.listNext = state.freeList
            state.freeList = slab[index]
        }
    }

    private func begin(_ connection: ConnectionHandle) {
        connection.reset()
        state.serial += 1
        connection.record.begunAt = accessNow
    }

    /// The connection has ended; its record is used again after this round.
    func retire(_ connection: ConnectionHandle) {
        connection.record.listNext = state.closedList
        state.closedList = connection
        connection.endRow()
        leavePool(connection.record.pool)
        dismiss(listener: connection.record.listener)
    }

    func reclaimClosed() {
        guard state.closedList != nil else { return }
        while let connection = state.closedList {
            state.closedList = connection.record.listNext
            connection.record.phase = .free
            guard !keepSpare(of: connection) else { continue }
            connection.record.listNext = state.freeList
            state.freeList = connection
        }
        resumeAccepting()
    }

    /// The connection reached its bound per wake-up: edges will not say again that it is ready.
    func continueNextRound(_ connection: ConnectionHandle) {
        guard !connection.record.isOnReadyList else { return }
        connection.record.isOnReadyList = true
        connection.record.readyNext = state.readyList
        state.readyList = connection
    }

    /// One more share for each connection that was still ready.
    func continueReady() {
        var next = state.readyList
        state.readyList = nil
        while let connection = next {
            next = connection.record.readyNext
            connection.record.readyNext = nil
            connection.record.isOnReadyList = false
            for source in [Party.client, .backend] {
                guard case .relaying = connection.record.phase else { break }
                if connection.record[source].readable { connection.relay(from: source) }
            }
        }
    }

    // MARK: Deadlines

    /// Files the connection under the deadline of its phase; one that waits for its sweep is looked at before.
    func fileDeadline(of connection: ConnectionHandle) {
        guard !connection.record.needsSweep else { return fileForSweep(connection) }
        state.wheel.file(connection, deadline: connection.deadline)
    }

    /// Files the connection to be looked at with the next tick. Once until it has been: a busy connection that is
    /// filed anew with each message would be put off for as long as it is busy.
    func fileForSweep(_ connection: ConnectionHandle) {
        state.wheel.fileForNextTick(connection, now: now())
    }

    func turnWheel() {
        if now() >> TimerWheel.tickShift > state.wheel.swept {
            settleAccepting()
            closeOldSpares()
            settleNotices()
            endRests()
        }
        while let connection = state.wheel.nextDue(now: now()) { connection.lookAtClock() }
    }
}

enum ConnectFailure {
    /// Failures that say nothing about the backend: this process or this machine has run out of something. EAGAIN is a
    /// Unix socket's full backlog; it too is worth another try in a moment.
    static func isOurs(_ errorNumber: Int32) -> Bool {
        errorNumber == EAGAIN || SystemError.isShortage(errorNumber)
    }
}
