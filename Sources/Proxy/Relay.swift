// A connection between two connected parties: what an event means, and when a direction has ended.
import SystemCalls

extension ConnectionHandle {
    /// An edge on one party's socket.
    func ready(_ party: Party, _ readiness: Readiness) {
        worker.state.hop.noteReady()
        if readiness.readable { record[party].readable = true }
        switch record.phase {
        case .free, .closed:
            // libevent forgets an event when it is unwatched; a late one has nothing to say.
            return
        case .awaitingHeader:
            if readiness.readable { readHeader(endInSight: readiness.endInSight) }
        case .awaitingRequest:
            if readiness.readable { readRequest(endInSight: readiness.endInSight) }
        case .queued:
            if readiness.readable { lookForClient() }
        case .connecting:
            if party == .backend { finishConnect(readiness) }
        case .relaying:
            if readiness.readable {
                borrowPipeIfForced(from: party)
                relay(from: party, endInSight: readiness.endInSight)
            }
            if readiness.writable, case .relaying = record.phase, self[flowFrom: party.other].hasPending {
                relay(from: party.other)
            }
        case .resetting(let toward):
            if party == toward { passReset(toward: toward) }
        }
    }

    /// Begins when the backend has taken the connection. What the client had sent before is written already, or is
    /// a leftover, or is still unread.
    func startRelaying() {
        record.phase = .relaying
        record.lastActivity = worker.now()
        accountConnected()
        endRelease(connected: true)
        if record.readAhead > 0 { account(bytes: record.readAhead, from: .client) }
        guard watch(.client) else { return close(.outOfResources) }
        worker.fileDeadline(of: self)
        borrowPipeIfForced(from: .client)
        relay(from: .client)
        guard case .relaying = record.phase, record.backend.readable else { return }
        borrowPipeIfForced(from: .backend)
        relay(from: .backend)
    }

    /// Moves what can be moved from `source` and draws the conclusions.
    func relay(from source: Party, endInSight: Bool = false) {
        guard !self[flowFrom: source].isEnded else { return lookForReset(behindEndOf: source) }
        switch pump(from: source, endInSight: endInSight) {
        case .waiting:
            if endInSight || self[flowFrom: source].hasPending { lookForDeath(of: source) }
        case .boundReached:
            worker.continueNextRound(self)
        case .sourceEnded:
            sourceEnded(source)
        case .destinationFailed:
            destinationFailed(source.other)
        }
    }

    /// The source has ended its direction, yet its socket reports something: a reset may follow a FIN.
    private func lookForReset(behindEndOf source: Party) {
        record[source].readable = false
        // A read says 'end' for ever; only the socket's error tells.
        guard !record[source].resetSeen, Sockets.takeError(of: record[source].descriptor) != 0 else { return }
        record[source].resetSeen = true
        beginReset(from: source)
    }

    /// The source reports something while its flow waits for the destination and cannot be read: should it have died,
    /// the connection is kept no longer than a half-closed one.
    private func lookForDeath(of source: Party) {
        guard !record[source].resetSeen, Sockets.takeError(of: record[source].descriptor) != 0 else { return }
        record[source].resetSeen = true
        worker.fileDeadline(of: self)
    }

    /// Everything that `source` sent has been written; now its end is passed on.
    private func sourceEnded(_ source: Party) {
        switch self[flowFrom: source].sourceEnd {
        case .open:
            preconditionFailure("a source that is open has not ended")
        case .finished:
            self[flowFrom: source].isEnded = true
            givePipeBack(from: source)
            // The second end is told by closing: everything of both has been read, so close sends a FIN.
            guard !self[flowFrom: source.other].isEnded else { return close(.finished(first: source.other, last: source)) }
            showEnds()
            Sockets.shutdownWrite(record[source.other].descriptor)
            if source == .backend { acknowledgeBackendsEnd() }
            worker.fileDeadline(of: self)
        case .reset:
            beginReset(from: source)
        }
    }

    /// Nothing of ours may follow for long, and a backend whose FIN goes unacknowledged sends it again after 8 ms.
    private func acknowledgeBackendsEnd() {
        guard record.delaysAcknowledgements else { return }
        record.delaysAcknowledgements = false
        Sockets.delayAcknowledgements(record.backend.descriptor, false)
    }

    /// A write to `party` failed: it has reset the connection. What it sent before that may still be unread.
    private func destinationFailed(_ party: Party) {
        record[party].resetSeen = true
        record[party].readable = true
        self[flowFrom: party.other].leftover.discard()
        givePipeBack(from: party.other)
        self[flowFrom: party.other].isEnded = true
        showEnds()
        if self[flowFrom: party].isEnded { beginReset(from: party) } else { relay(from: party) }
    }

    /// At a tick: looks once more at what short reads took for empty (see Direction).
    func sweep() {
        record.needsSweep = false
        switch record.phase {
        case .awaitingHeader: return readHeader(endInSight: false)
        case .awaitingRequest: return readRequest(endInSight: false)
        case .free, .queued, .connecting, .resetting, .closed: return
        case .relaying: break
        }
        for source in [Party.client, .backend] { givePipeBackIfEmpty(from: source) }
        record.client.readable = true
        relay(from: .client)
        guard case .relaying = record.phase else { return }
        record.backend.readable = true
        relay(from: .backend)
    }
}
