// When a connection is to be ended by the clock: the timeout of its phase, its lifetime, a reader that has stalled.
import Glibc
import SystemCalls

extension ConnectionHandle {
    /// Monotonic nanoseconds at which the phase's timeout passes, as things stand.
    var deadline: Int64 {
        let header = worker.route(of: record.pool).header
        switch record.phase {
        case .awaitingHeader:
            return record.lastActivity + worker.gate(of: record.listener).headerPatience
        case .awaitingRequest: return lifeDeadline
        case .queued: return min(record.lastActivity + waitTimeout(header), lifeDeadline)
        case .connecting: return record.lastActivity + header.connectTimeout
        case .relaying: return min(quietDeadline(header), lifeDeadline, stallDeadline(header))
        case .resetting: return record.lastActivity + header.halfClosedTimeout
        case .free, .closed: preconditionFailure("an ended connection has no deadline")
        }
    }

    /// Who waits for room in a pool that has nobody left is held from then on.
    private func waitTimeout(_ header: RouteHeader) -> Int64 {
        if record.isHeld { return header.outage.timeout }
        return header.targetCount == 0 ? max(header.outage.timeout, header.queueTimeout) : header.queueTimeout
    }

    private func quietDeadline(_ header: RouteHeader) -> Int64 {
        let isHalf = record.toBackend.isEnded || record.toClient.isEnded || record.client.resetSeen || record.backend.resetSeen
        return record.lastActivity + (isHalf ? min(header.halfClosedTimeout, header.idleTimeout) : header.idleTimeout)
    }

    private var lifeDeadline: Int64 { record.lifeEnds == 0 ? .max : TimerWheel.end(ofTick: record.lifeEnds) }

    private func stallDeadline(_ header: RouteHeader) -> Int64 {
        min(stallDeadline(of: .client, header.stalledTimeout), stallDeadline(of: .backend, header.stalledTimeout))
    }

    /// Of the reader of what comes from `source`.
    private func stallDeadline(of source: Party, _ patience: Int64) -> Int64 {
        let since = self[flowFrom: source].waitsSince
        guard since != 0, self[flowFrom: source].hasPending else { return .max }
        return TimerWheel.end(ofTick: since) + patience
    }

    /// The wheel came by: the sweep if one is due, the timeout if it has passed, else filed anew.
    func lookAtClock() {
        if case .relaying = record.phase { lookAtReaders() }
        if record.needsSweep { sweep() }
        switch record.phase {
        case .free, .closed: return
        case .awaitingHeader, .awaitingRequest, .queued, .connecting, .relaying, .resetting: break
        }
        // A sweep that found something has filed the connection already.
        guard record.wheelBucket < 0 else { return }
        if case .resetting(let toward) = record.phase { return passReset(toward: toward) }
        guard worker.now() >= deadline else {
            if record.isWaitingForResources, record.phase == .connecting { return tryAgain() }
            return worker.fileDeadline(of: self)
        }
        switch record.phase {
        case .awaitingHeader: refuseHeader(.timedOut)
        case .awaitingRequest: close(.lifetime)
        case .queued: close(worker.now() >= lifeDeadline ? .lifetime : record.isHeld ? .holdTimedOut : .queueTimedOut)
        case .connecting where record.isWaitingForResources: giveUpResources()
        case .connecting: connectFailed(ETIMEDOUT)
        case .relaying: close(overdue)
        case .free, .resetting, .closed: return
        }
    }

    /// Which of the deadlines has passed.
    private var overdue: CloseReason {
        let now = worker.now()
        let patience = worker.route(of: record.pool).header.stalledTimeout
        for source in [Party.client, .backend] where now >= stallDeadline(of: source, patience) { return .stalled(reader: source.other) }
        if now >= lifeDeadline { return .lifetime }
        return record.toBackend.isEnded || record.toClient.isEnded ? .halfClosed : .idle
    }

    // MARK: Lifetime

    /// Draws when this connection's life ends, where the pool gives it an end.
    func beginLife() {
        let header = worker.route(of: record.pool).header
        record.lifeEnds = 0
        guard header.lifetime > 0 else { return }
        let shorter = Int64.random(in: 0...header.lifetimeJitter, using: &worker.state.generator)
        record.lifeEnds = TimerWheel.tick(at: worker.now() + header.lifetime - shorter)
    }

    // MARK: Stalled readers

    /// The reader of what comes from `source` has taken some.
    func noteTaken(from source: Party) {
        record.lastActivity = worker.now()
        self[flowFrom: source].waitsSince = 0
    }

    /// Bytes from `source` wait for their reader. The next tick looks how many its kernel has still to acknowledge:
    /// ours tells of room only when a third of its buffer is free, and a slow reader may need long for that.
    func awaitReader(of source: Party) -> Pumped {
        if self[flowFrom: source].sourceEnd != .open { showEnds() }
        guard self[flowFrom: source].waitsSince == 0 else { return .waiting }
        self[flowFrom: source].waitsSince = TimerWheel.tick(at: worker.now())
        self[flowFrom: source].unsent = Flow.unseen
        guard !record.needsSweep else { return .waiting }
        record.needsSweep = true
        worker.fileForSweep(self)
        return .waiting
    }

    /// A reader that has taken bytes from the kernel has not stalled, even if none of ours fitted in behind them.
    private func lookAtReaders() {
        for source in [Party.client, .backend] {
            guard self[flowFrom: source].waitsSince != 0, self[flowFrom: source].hasPending else { continue }
            noteUnsent(Sockets.unsentBytes(record[source.other].descriptor), from: source)
        }
    }

    /// What the kernel of the reader of `source` has still to acknowledge: fewer bytes than last time are activity.
    /// Whether they are fewer, or this is the first look.
    @discardableResult
    func noteUnsent(_ count: Int, from source: Party) -> Bool {
        let unsent = UInt32(clamping: count)
        let seen = self[flowFrom: source].unsent
        self[flowFrom: source].unsent = unsent
        guard unsent < seen else { return false }
        guard seen != Flow.unseen else { return true }
        record.lastActivity = worker.now()
        self[flowFrom: source].waitsSince = TimerWheel.tick(at: worker.now())
        return true
    }
}
