// A backend's socket is used again: parked when its connection is over, taken by a later one.
//
// connect(2): 'Some protocol sockets (e.g., TCP sockets …) may dissolve the association by connecting to an address
// with the sa_family member set to AF_UNSPEC; thereafter, the socket can be connected to another address.' A socket
// that has said and heard its FIN, and knows that its own has arrived, is in the state CLOSE: the kernel keeps what
// is left of the connection (TIME_WAIT) elsewhere. To make such a one anew takes socket, two setsockopt, epoll_ctl
// and close: about a tenth of what a short connection costs.
//
// A parked socket stays in its record and registered with epoll; the records wait in a queue, oldest first, so that
// over a network an acknowledgement has had its time to come. What nobody took within a second is closed.
import CLibevent
import Glibc
import SystemCalls

/// Free records with a parked socket, oldest first.
struct SpareSockets {
    private(set) var first: ConnectionHandle?
    private var last: ConnectionHandle?
    private(set) var count = 0

    /// More would hold descriptors for no use: this many come and go within a round trip at 10,000 connections a second.
    static let countMax = 64
    /// Nanoseconds that a socket stays parked.
    static let lifetime: Int64 = 1_000_000_000

    mutating func append(_ connection: ConnectionHandle) {
        connection.record.listNext = nil
        if let last { last.record.listNext = connection } else { first = connection }
        last = connection
        count += 1
    }

    mutating func takeFirst() -> ConnectionHandle? {
        guard let connection = first else { return nil }
        first = connection.record.listNext
        if first == nil { last = nil }
        count -= 1
        return connection
    }
}

extension ConnectionHandle {
    /// At an end by FIN on both sides. `isTold`: the backend has been sent ours already. False: it is to be closed.
    func parkBackend(isTold: Bool) -> Bool {
        guard record.backend.use != .once else { return false }
        guard isTold || Sockets.shutdownWrite(record.backend.descriptor) else { return false }
        record.spare = record.backend
        record.backend = Side()
        record.lastActivity = worker.now()
        return true
    }

    /// Makes the parked socket the backend's, as one that was never connected. False: there is none, or none that fits.
    func takeSpare(_ use: SocketUse) -> Bool {
        guard use != .once, record.spare.use == use, isOver(record.spare), Sockets.disconnect(record.spare.descriptor) else {
            closeSpare()
            return false
        }
        record.backend = record.spare
        record.backend.readable = false
        record.spare = Side()
        return true
    }

    /// In the state CLOSE. Before it (LAST_ACK, CLOSING) our FIN may still have to be sent again.
    private func isOver(_ side: Side) -> Bool { !Sockets.isConnected(side.descriptor) }

    func closeSpare() {
        guard record.spare.descriptor >= 0 else { return }
        record.backend = record.spare
        record.spare = Side()
        drop(.backend)
        record.backend = Side()
    }
}

extension WorkerHandle {
    /// Queues a free record for its parked socket. False: it has none, or there are enough.
    func keepSpare(of connection: ConnectionHandle) -> Bool {
        guard connection.record.spare.descriptor >= 0 else { return false }
        guard state.spares.count < SpareSockets.countMax else {
            connection.closeSpare()
            return false
        }
        state.spares.append(connection)
        return true
    }

    /// Nobody took them for a second.
    func closeOldSpares() {
        while let oldest = state.spares.first, now() - oldest.record.lastActivity > SpareSockets.lifetime { closeFirstSpare() }
    }

    /// Descriptors are short, or the worker ends.
    func closeSpares() {
        while state.spares.first != nil { closeFirstSpare() }
    }

    private func closeFirstSpare() {
        guard let connection = state.spares.takeFirst() else { return }
        connection.closeSpare()
        connection.record.listNext = state.freeList
        state.freeList = connection
    }
}
