// The one way out: how a connection ends, and that a reset goes through as a reset, after all data.
import Glibc
import Model
import SystemCalls

/// Why a connection ended. Each says how the parties learn of it.
enum CloseReason {
    /// Both directions ended by themselves. `last` ended last, and closing tells the other. A client that ended before a
    /// backend was chosen for it is both.
    case finished(first: Party, last: Party)
    /// A party reset the connection; the other learns so.
    case passedReset(by: Party)
    /// No byte either way for the idle timeout, or none in the direction that is left.
    case idle
    case halfClosed
    /// A reader took none of the bytes that wait for it, for the stalled timeout.
    case stalled(reader: Party)
    /// It has gone on for as long as the pool lets any connection.
    case lifetime
    /// No backend is eligible, or none could be reached: by what the last attempt failed.
    case noBackend
    case connectFailed(errorNumber: Int32)
    /// Every available backend is at its limit, and the pool has no queue, or a full one.
    case poolFull
    /// It has waited for a backend for too long.
    case queueTimedOut
    /// No backend is available, and the pool holds as many as it may.
    case holdFull
    /// It was held for too long.
    case holdTimedOut
    /// While it waited for a backend the client ended, without having said anything.
    case clientLeft
    /// The listener's rules do not admit the client.
    case denied
    /// The client's source has as much as the listener's limits give it: see Arrivals.
    case sourceLimit
    /// No PROXY header came where one has to, or a bad one: see HeaderRefusal.
    case badHeader
    /// lbd ends: its stop-deadline has passed.
    case stopping
    /// An operator's word, or a drain's deadline.
    case ordered
    case orderedReset
    /// Its backend or its listener was removed, or its backend found down, and its end not waited for.
    case removed
    case outOfResources

    /// An end of ours that loses bytes, or comes after a reset, is never told as a clean one.
    fileprivate func isReset(_ record: ConnectionRecord) -> Bool {
        switch self {
        case .finished: false
        case .idle, .halfClosed, .lifetime, .stopping, .ordered:
            record.toBackend.hasPending || record.toClient.hasPending || record.client.resetSeen || record.backend.resetSeen
        case .passedReset, .stalled, .noBackend, .connectFailed, .poolFull, .queueTimedOut, .holdFull, .holdTimedOut, .clientLeft, .denied, .sourceLimit,
            .badHeader, .removed, .orderedReset, .outOfResources: true
        }
    }
}

/// Of a reader that owes the acknowledgement of what was sent before a reset.
private enum Reader {
    /// Nanoseconds from one look at one that has stopped to the next.
    static let pause: Int64 = 250_000_000
}

extension ConnectionHandle {
    /// `party` has reset the connection and everything it sent has been written to the other, which must see
    /// the reset and not a clean end. A close with SO_LINGER 0 at once would throw away what the kernel has not
    /// delivered yet, so the other's unsent queue is emptied first.
    func beginReset(from party: Party) {
        accountReset(by: party)
        record.phase = .resetting(toward: party.other)
        record.lastActivity = worker.now()
        self[flowFrom: party].unsent = Flow.unseen
        passReset(toward: party.other)
    }

    func passReset(toward party: Party) {
        // One that has reset too is owed nothing more, and its unsent queue would never empty.
        if Sockets.takeError(of: record[party].descriptor) != 0 { record[party].resetSeen = true }
        let unsent = record[party].resetSeen ? 0 : Sockets.unsentBytes(record[party].descriptor)
        guard unsent > 0 else { return close(.passedReset(by: party.other)) }
        // A slow reader is waited for as long as it reads; one that has stopped is not looked at with every tick.
        if noteUnsent(unsent, from: party.other) { return worker.fileForSweep(self) }
        guard worker.now() < deadline else { return close(.passedReset(by: party.other)) }
        worker.state.wheel.file(self, deadline: min(deadline, worker.now() + Reader.pause))
    }

    /// Ends the connection in whatever phase it is. Its record lives on to the end of the round.
    func close(_ reason: CloseReason) {
        switch record.phase {
        case .free, .closed: return
        case .queued: leaveQueue()
        case .awaitingHeader, .awaitingRequest, .connecting: break
        case .relaying, .resetting: accountLifetime(reason)
        }
        record.phase = .closed
        worker.state.wheel.remove(self)
        // First: who sees the end finds it counted.
        accountClose(reason)
        noteAccess(reason)
        let isReset = reason.isReset(record)
        end(.client, reset: isReset)
        endBackend(reason, reset: isReset)
        record.toBackend.leftover.discard()
        record.toClient.leftover.discard()
        givePipeBack(from: .client)
        givePipeBack(from: .backend)
        giveTicketBack()
        giveSourcePlaceBack()
        worker.retire(self)
    }

    /// After a clean end the socket may serve again.
    private func endBackend(_ reason: CloseReason, reset: Bool) {
        if case .finished(_, let last) = reason, parkBackend(isTold: last == .backend) { return }
        end(.backend, reset: reset)
    }

    private func end(_ party: Party, reset: Bool) {
        guard record[party].descriptor >= 0 else { return }
        if reset { Sockets.resetOnClose(record[party].descriptor) }
        drop(party)
    }

    /// Closes the party's socket, then makes libevent forget it. In this order, because the kernel unregisters a
    /// closed socket by itself: libevent's own attempt then fails at once (EBADF, or ENOENT where another thread has
    /// the number again; this base never does before the next accept or connect) and it does not mind.
    func drop(_ party: Party) {
        Glibc.close(record[party].descriptor)
        unwatch(party)
        record[party].descriptor = -1
    }
}
