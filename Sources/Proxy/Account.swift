// What is counted, and when: the only place where the data path writes statistics.
import Model
import Statistics
import SystemCalls

extension ConnectionHandle {
    func account(bytes: Int, from source: Party) {
        let now = worker.now()
        let silence = now - record.lastActivity
        record.lastActivity = now
        let row = record.row
        record.traffic.turn(now: now, total: row.bytesToBackend &+ row.bytesToClient)
        switch source {
        case .client: row.countBytesToBackend(bytes, now: now)
        case .backend: row.countBytesToClient(bytes, now: now)
        }
        guard record.slot >= 0 else { return }
        let counters = worker.state.segment.backend(worker: worker.state.index, slot: record.slot)
        switch source {
        case .client: counters.countBytesToBackend(bytes)
        case .backend:
            if !record.isAnswered {
                record.isAnswered = true
                record.answeredAfter = millisecondsSinceAccept
                accountFirstByte(after: silence)
                if record.listener == worker.state.ownListener { beginLife() }
            }
            counters.countBytesToClient(bytes)
        }
    }

    /// `silence`: since the client's last byte, or since the connect: whatever it answers to.
    private func accountFirstByte(after silence: Int64) {
        worker.state.segment.outcomes(worker: worker.state.index, slot: record.slot).countFirstByte(after: silence)
        // The worker's clock goes by ticks of some milliseconds: where the connect was as lately, that is known better.
        let sinceConnect = Int64(microsecondsNow &- record.connectBegan) * 1000
        let isAnswerToFirst = abs(sinceConnect - silence) < ConnectionHandle.clockError
        worker.state.segment.times(.firstBytes, worker: worker.state.index, pool: record.pool)
            .count(nanoseconds: isAnswerToFirst ? sinceConnect : silence)
    }

    /// Nanoseconds: two ticks of the kernel's slowest clock.
    private static var clockError: Int64 { 20_000_000 }

    func accountAccepted() {
        worker.state.segment.listener(worker: worker.state.index, listener: record.listener).countAccepted()
    }

    func accountConnected() {
        record.connectedAfter = millisecondsSinceAccept
        let counters = worker.state.segment.backend(worker: worker.state.index, slot: record.slot)
        counters.countConnection()
        let taken = microsecondsNow &- record.connectBegan
        counters.countConnect(microseconds: taken)
        worker.state.segment.times(.connects, worker: worker.state.index, pool: record.pool).count(nanoseconds: Int64(taken) * 1000)
    }

    /// Finer than the worker's own clock; no connect takes until it goes round, after 71 minutes.
    var microsecondsNow: UInt32 { UInt32(truncatingIfNeeded: Clocks.monotonic().nanoseconds / 1000) }

    /// `retried`: another attempt follows.
    func accountConnectFailure(_ errorNumber: Int32, retried: Bool) {
        guard record.slot >= 0 else { return }
        worker.reportConnectFailed(slot: record.slot, errorNumber: errorNumber, retried: retried)
        worker.state.segment.backend(worker: worker.state.index, slot: record.slot).countConnectFailure()
        worker.state.segment.countConnectFailure(
            ConnectFailureReason(errorNumber: errorNumber), worker: worker.state.index, slot: record.slot)
    }

    func accountReset(by party: Party) {
        guard record.slot >= 0 else { return }
        let counters = worker.state.segment.backend(worker: worker.state.index, slot: record.slot)
        switch party {
        case .client: counters.countClientReset()
        case .backend:
            counters.countBackendReset()
            if !record.isAnswered { worker.reportEarlyReset(slot: record.slot) }
        }
    }

    /// Of a connection that had a backend. One that an operator ended says nothing about how long they live.
    func accountLifetime(_ reason: CloseReason) {
        let age = max(0, worker.now() - record.begunAt)
        worker.state.segment.times(.durations, worker: worker.state.index, pool: record.pool).count(nanoseconds: age)
        switch reason {
        case .ordered, .orderedReset, .removed, .stopping: return
        case .finished, .passedReset, .idle, .halfClosed, .stalled, .lifetime, .noBackend, .connectFailed, .poolFull, .queueTimedOut, .holdFull,
            .holdTimedOut, .clientLeft, .denied, .sourceLimit, .badHeader, .outOfResources: break
        }
        worker.state.segment.lifetimes(worker: worker.state.index, pool: record.pool).count(age)
        guard record.slot >= 0 else { return }
        worker.state.segment.outcomes(worker: worker.state.index, slot: record.slot).countEnd(age: age, bytesToClient: record.row.bytesToClient)
    }

    func accountClose(_ reason: CloseReason) {
        let counters = worker.state.segment.listener(worker: worker.state.index, listener: record.listener)
        worker.state.segment.countEnding(reason.ending, worker: worker.state.index, listener: record.listener)
        counters.countClosed()
        switch reason {
        case .noBackend, .denied, .sourceLimit, .badHeader: counters.countRefused()
        case .connectFailed:
            counters.countRefused()
            worker.reportUnreachable(record.pool)
        case .poolFull:
            counters.countRefused()
            worker.reportFull(record.pool, timedOut: false)
        case .queueTimedOut:
            counters.countRefused()
            worker.reportFull(record.pool, timedOut: true)
        case .holdFull:
            counters.countRefused()
            worker.reportHoldLost(record.pool, timedOut: false)
        case .holdTimedOut:
            counters.countRefused()
            worker.reportHoldLost(record.pool, timedOut: true)
        case .finished, .passedReset, .idle, .halfClosed, .stalled, .lifetime, .clientLeft, .stopping, .removed, .ordered, .orderedReset, .outOfResources: break
        }
    }
}

extension WorkerHandle {
    /// A client that was cut off before it became a connection.
    func accountTurnedAway(listener: Int, _ reason: CloseReason) {
        let counters = state.segment.listener(worker: state.index, listener: listener)
        counters.countAccepted()
        counters.countRefused()
        state.segment.countEnding(reason.ending, worker: state.index, listener: listener)
        counters.countClosed()
    }
}
