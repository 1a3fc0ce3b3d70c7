// Listeners that wait for a connection's ticket: of the process, or of the listener itself. Over all workers, first
// come first served.
//
// A ticket that comes back while a listener waits is handed to it and never free in between, and its worker is woken
// by mailbox: it accepts one connection, then stands behind the others again. So no worker starves beside one that is
// always first to see a ticket come back. The lock is taken by those who wait and those who hand on; where nobody
// waits, a look at the tickets' own line of memory is all.
import Statistics
import Synchronization

/// What a connection needs a ticket of before it is accepted.
enum ConnectionLimit: Hashable, Sendable {
    case process
    case listener(Int)
}

final class AcceptQueue: Sendable {
    /// One worker's socket of a listener.
    private struct Waiter {
        let worker: Int
        let listener: Int
    }

    private let waiting = Mutex<[ConnectionLimit: [Waiter]]>([:])
    private let segment: SegmentView
    private let mailboxes: [Mailbox]

    init(segment: SegmentView, mailboxes: [Mailbox]) {
        self.segment = segment
        self.mailboxes = mailboxes
    }

    /// True: a ticket was to be had after all, and is taken. Else the listener waits in line.
    func join(worker: Int, listener: Int, for limit: ConnectionLimit, below max: Int) -> Bool {
        let tickets = segment.tickets(of: limit)
        return waiting.withLock { waiting in
            tickets.setAwaited(true)
            if waiting[limit, default: []].isEmpty, tickets.take(below: max) {
                tickets.setAwaited(false)
                return true
            }
            waiting[limit, default: []].append(Waiter(worker: worker, listener: listener))
            return false
        }
    }

    /// Hands a taken ticket to the first in line; false: nobody waits.
    func hand(_ limit: ConnectionLimit) -> Bool {
        let served = waiting.withLock { waiting -> Waiter? in
            guard var line = waiting[limit], !line.isEmpty else { return nil }
            let first = line.removeFirst()
            waiting[limit] = line
            segment.tickets(of: limit).setAwaited(!line.isEmpty)
            return first
        }
        guard let served else { return false }
        mailboxes[served.worker].post(.admit(listener: served.listener, holding: limit))
        return true
    }

    /// The worker's listeners wait no longer.
    func leave(worker: Int) {
        waiting.withLock { waiting in
            for (limit, line) in waiting {
                let others = line.filter { $0.worker != worker }
                waiting[limit] = others
                segment.tickets(of: limit).setAwaited(!others.isEmpty)
            }
        }
    }
}

extension SegmentView {
    func tickets(of limit: ConnectionLimit) -> Tickets {
        switch limit {
        case .process: process
        case .listener(let listener): tickets(listener: listener)
        }
    }
}
