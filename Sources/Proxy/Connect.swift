// Reaching the chosen backend: with a timeout, and with another one when this one fails before a byte was sent.
//
// The client is read before the connect. Where it has spoken already, its first bytes go out as soon as the kernel
// takes them, on loopback at once: they carry the handshake's last acknowledgement, and one wake-up is saved. Until
// a backend has taken a byte they can be sent to another.
import Glibc
import Model
import SystemCalls

extension ConnectionHandle {
    /// The connection's first step. `peer`: nil for a Unix socket's client.
    func begin(from peer: IPEndpoint?) {
        accountAccepted()
        record.client.readable = true
        guard record.listener != worker.state.ownListener else { return awaitRequest() }
        record.cameByProxy = worker.gate(of: record.listener).headerTimeout != nil
        guard !record.cameByProxy else { return awaitHeader() }
        guard isWithinLimits(peer?.address) else { return }
        noteSource(peer?.address)
        record.announced = worker.route(of: record.pool).header.sendProxy
        switch record.announced {
        case .none: reachBackend(readFirst())
        case .v1: reachBackend(readFirst(behind: announcement(of: peer, as: .v1)))
        case .v2: reachBackend(readFirst(behind: announcement(of: peer, as: .v2)))
        }
    }

    /// All that a backend is told first is known, as far as it has come.
    func reachBackend(_ first: FirstBytes) {
        switch record.toBackend.sourceEnd {
        case .open, .finished: connectToBackend(first)
        case .reset: close(.passedReset(by: .client))
        }
    }

    /// Chooses and connects until something is under way or nothing is left to try.
    /// `handed`: the first one, whose ticket is held already.
    func connectToBackend(_ fresh: FirstBytes, at handed: RouteTarget? = nil) {
        guard var first = announced(fresh) else { return close(.noBackend) }
        var given = handed
        while true {
            guard let target = given.take() ?? chosen(first) else { return }
            switch startConnect(to: target, first) {
            case .connected: return startRelaying()
            case .inProgress:
                record.isWaitingForResources = false
                record.lastActivity = worker.now()
                return worker.fileDeadline(of: self)
            case .failed(let failure):
                first = unwritten(of: first)
                if ConnectFailure.isOurs(failure) { return waitForResources(first) }
                giveUpAttempt(failure)
                guard mayRetry else { return meetOutage(first, otherwise: .connectFailed(errorNumber: failure)) }
            }
        }
    }

    /// Nil: the connection waits for a backend now, or is closed.
    private func chosen(_ first: FirstBytes) -> RouteTarget? {
        switch choose() {
        case .backend(let target): return target
        case .full: awaitBackend(first)
        case .behind: standBehind(first)
        case .nobody: meetOutage(first, otherwise: .noBackend)
        }
        return nil
    }

    private func startConnect(to target: RouteTarget, _ first: FirstBytes) -> ConnectStart {
        record.connectBegan = microsecondsNow
        if let failure = openSocket(for: target) { return .failed(errorNumber: failure) }
        let socket = record.backend.descriptor
        record.delaysAcknowledgements = !first.isEmpty && target.address.family != AF_UNIX
        if record.delaysAcknowledgements { Sockets.delayAcknowledgements(socket, true) }
        var start = Sockets.startConnect(socket, to: target.address)
        if case .failed = start { return start }
        // Before anything is written: what a backend has heard is never sent to another.
        guard record.backend.isWatched || watch(.backend) else { return .failed(errorNumber: ENOMEM) }
        if !first.isEmpty { start = write(first, or: start) }
        if case .failed(let failure) = start {
            guard hasSpoken(before: failure) else { return start }
            start = .connected
        }
        return start
    }

    /// A socket that fits the target: the parked one, or a new one. Nil, or why there is none.
    private func openSocket(for target: RouteTarget) -> Int32? {
        let route = worker.route(of: record.pool)
        let family = target.address.family
        let use = route.header.hasSocketOptions ? .once : SocketUse(family: family)
        if takeSpare(use) { return nil }
        record.backend = Side()
        do throws(SystemError) {
            record.backend.descriptor = try Sockets.open(for: target.address).release()
            guard family != AF_UNIX else { return nil }
            Sockets.prepareForRelaying(record.backend.descriptor)
            if route.header.hasSocketOptions { try setOptions(route, family: family) }
        } catch {
            return error.errorNumber
        }
        record.backend.use = use
        return nil
    }

    /// What the pool asks for besides. Each costs a system call or more, so most ask for nothing.
    private func setOptions(_ route: Route, family: Int32) throws(SystemError) {
        let socket = record.backend.descriptor
        if !route.header.tcp.isEmpty { try Sockets.set(route.header.tcp, on: socket) }
        if let source = route.source, source.family == family { try Sockets.bindSource(socket, to: source) }
    }

    /// The backend's socket has something to say about the connect that is under way.
    func finishConnect(_ readiness: Readiness) {
        // libevent reports EPOLLERR and EPOLLHUP as readable and writable: writable alone is a connect that succeeded.
        guard readiness.readable else { return startRelaying() }
        let failure = Sockets.takeError(of: record.backend.descriptor)
        guard failure != 0 else {
            // A recycled socket may still hear of its last life, whose end was reported in the round before.
            return Sockets.isConnected(record.backend.descriptor) ? startRelaying() : ()
        }
        if hasSpoken(before: failure) { startRelaying() } else { connectFailed(failure) }
    }

    /// A reset of a connection that stood already (a refused connect is ECONNREFUSED): what the backend said before
    /// it belongs to the client. Where it said nothing, and was sent nothing, another backend may be tried.
    private func hasSpoken(before failure: Int32) -> Bool {
        guard failure == ECONNRESET || failure == EPIPE, Sockets.hasBytes(record.backend.descriptor) else { return false }
        record.backend.resetSeen = true
        record.backend.readable = true
        return true
    }

    /// This attempt is over: the next one, or the end.
    func connectFailed(_ errorNumber: Int32) {
        giveUpAttempt(errorNumber)
        if mayRetry { connectToBackend(keptFirst) } else { meetOutage(keptFirst, otherwise: .connectFailed(errorNumber: errorNumber)) }
    }

    /// What is missing is ours (descriptors, memory, local ports): no backend is to blame, and the client was accepted.
    /// The next tick tries again, until the connect timeout.
    private func waitForResources(_ first: FirstBytes) {
        keep(first)
        if !record.isWaitingForResources { record.lastActivity = worker.now() }
        record.isWaitingForResources = true
        if record.backend.descriptor >= 0 { drop(.backend) }
        record.backend = Side()
        record.attempts = 0
        record.tried = ConnectionRecord.nothingTried
        giveTicketBack()
        worker.fileForSweep(self)
    }

    /// There was nothing for it in all the connect timeout, nor room in the backlog of a backend's Unix socket: as when no
    /// backend could be connected, for as long as clients are held.
    func giveUpResources() {
        record.isWaitingForResources = false
        let patience = worker.route(of: record.pool).header.outage.timeout
        guard record.queuedAt == 0 || patience == 0 || worker.now() < TimerWheel.end(ofTick: record.queuedAt) + patience else {
            return close(.holdTimedOut)
        }
        meetOutage(keptFirst, otherwise: .outOfResources)
    }

    /// The wheel came by while no connect is under way.
    func tryAgain() { connectToBackend(keptFirst) }

    private var mayRetry: Bool { Int(record.attempts) <= worker.route(of: record.pool).header.connectRetries }

    private func giveUpAttempt(_ errorNumber: Int32) {
        if record.backend.descriptor >= 0 { drop(.backend) }
        record.backend = Side()
        accountConnectFailure(errorNumber, retried: mayRetry || worker.route(of: record.pool).header.outage.helps)
        leaveAlone()
        giveTicketBack()
    }
}
