// Listeners that wait for a connection's ticket: of the process, or of the listener itself. Over all workers.
//
// A ticket that comes back while a listener's socket waits is handed to it and never free in between, and its worker is
// woken by mailbox: it accepts one connection, then waits again. Served is whoever has the fewest connections, then
// whoever came first: among sockets that all have clients waiting each gets the same share, and where only one has, it
// gets everything. In turns alone, the clients of one that hold on would in time have all there is. The lock is taken by those who wait and those who hand on; where nobody
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

    /// Hands a taken ticket to who is next; false: nobody waits.
    func hand(_ limit: ConnectionLimit) -> Bool {
        let served = waiting.withLock { waiting -> Waiter? in
            guard var line = waiting[limit], let next = line.indices.min(by: { connections(line[$0]) < connections(line[$1]) })
            else { return nil }
            let served = line.remove(at: next)
            waiting[limit] = line
            segment.tickets(of: limit).setAwaited(!line.isEmpty)
            return served
        }
        guard let served else { return false }
        mailboxes[served.worker].post(.admit(listener: served.listener, holding: limit))
        return true
    }

    private func connections(_ waiter: Waiter) -> Int { segment.open(worker: waiter.worker, listener: waiter.listener) }

    /// One of the worker's listeners waits no longer.
    func leave(worker: Int, listener: Int) {
        waiting.withLock { waiting in
            for limit in Array(waiting.keys) { remove(from: limit, &waiting) { $0.worker == worker && $0.listener == listener } }
        }
    }

    private func remove(from limit: ConnectionLimit, _ waiting: inout [ConnectionLimit: [Waiter]], where leaves: (Waiter) -> Bool) {
        guard let line = waiting[limit] else { return }
        let others = line.filter { !leaves($0) }
        waiting[limit] = others.isEmpty ? nil : others
        segment.tickets(of: limit).setAwaited(!others.isEmpty)
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
