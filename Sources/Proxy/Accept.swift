// Taking connections from a listening socket: in batches, paused before anything runs out, never cutting one off.
import CLibevent
import Decisions
import Glibc
import SystemCalls

/// One worker's listening socket. Level-triggered, so that what a batch leaves is announced again.
///
/// Invariant: the memory lives from `init` to `free`, which unregisters the event first; both on the worker's thread.
struct ListenerHandle {
    private struct Record {
        var event = CLibevent.event()
        let worker: WorkerHandle
        let descriptor: Int32
        let listener: Int
        let pool: Int
        /// A Unix socket cannot be opened once per worker: its one acceptor hands connections round.
        let handsOn: Bool
        var isAccepting = false
    }

    private let pointer: UnsafeMutablePointer<Record>

    /// Takes the descriptor over.
    init(worker: WorkerHandle, descriptor: Int32, listener: Int, pool: Int, handsOn: Bool) {
        pointer = .allocate(capacity: 1)
        pointer.initialize(to: Record(
            worker: worker, descriptor: descriptor, listener: listener, pool: pool, handsOn: handsOn))
        event_assign(
            eventMemory, worker.state.base, descriptor, Int16(EV_READ | EV_PERSIST), listenerReady, pointer)
    }

    fileprivate init(context: UnsafeMutableRawPointer?) { pointer = context!.assumingMemoryBound(to: Record.self) }

    private var eventMemory: UnsafeMutablePointer<event> {
        (UnsafeMutableRawPointer(pointer) + MemoryLayout<Record>.offset(of: \.event)!).assumingMemoryBound(to: event.self)
    }

    /// Stop and resume are a pair: `pause` keeps the backlog waiting in the kernel.
    func resume() {
        guard !pointer.pointee.isAccepting else { return }
        // A refusal by epoll (ENOMEM) leaves it paused; the next tick tries again.
        pointer.pointee.isAccepting = event_add(eventMemory, nil) == 0
    }

    func pause() {
        guard pointer.pointee.isAccepting else { return }
        event_del(eventMemory)
        pointer.pointee.isAccepting = false
    }

    /// Accepts what has arrived, to the end or for lack of descriptors, then closes.
    func close() {
        pause()
        while acceptOne() == .accepted {}
        Glibc.close(pointer.pointee.descriptor)
        pointer.deallocate()
    }

    private enum Outcome { case accepted, noneWaiting, pausing }

    /// Most accepts per wake-up, so that a flood of connects does not starve those that are relaying.
    private static var batchMax: Int { 64 }

    fileprivate func acceptBatch() {
        for _ in 0..<ListenerHandle.batchMax {
            guard acceptOne() == .accepted else { return }
        }
    }

    private func acceptOne() -> Outcome {
        let worker = pointer.pointee.worker
        guard worker.admit() else {
            worker.pauseAccepting(.connectionsMax(worker.state.connectionsMax))
            return .pausing
        }
        var address: SocketAddress?
        let (accepted, failure) = accept(&address)
        guard failure == 0 else {
            worker.dismiss()
            return refused(failure)
        }
        if pointer.pointee.handsOn, worker.handOn(accepted, listener: pointer.pointee.listener, pool: pointer.pointee.pool) {
            return .accepted
        }
        worker.begin(
            client: accepted, listener: pointer.pointee.listener, pool: pointer.pointee.pool,
            sourceHash: address?.clientHash)
        return .accepted
    }

    /// With the client's address where the pool goes by it. That costs no further call, but for the others' sake
    /// its 128 bytes are not even cleared.
    private func accept(_ address: inout SocketAddress?) -> (accepted: Int32, errorNumber: Int32) {
        guard case .sourceHash = pointer.pointee.worker.route(of: pointer.pointee.pool).header.balance else {
            return Sockets.accept(on: pointer.pointee.descriptor)
        }
        var client = SocketAddress()
        let result = Sockets.accept(on: pointer.pointee.descriptor, from: &client)
        address = client
        return result
    }

    private func refused(_ failure: Int32) -> Outcome {
        switch failure {
        case EAGAIN:
            return .noneWaiting
        case EMFILE, ENFILE, ENOBUFS, ENOMEM:
            pointer.pointee.worker.pauseAccepting(.kernel(errorNumber: failure))
            return .pausing
        default:
            // The peer is gone again (ECONNABORTED), or its network failed before it was accepted (accept(2)
            // lists ENETDOWN, EPROTO, … as such): the next one may be well.
            return .accepted
        }
    }
}

private func listenerReady(_: Int32, _: Int16, _ context: UnsafeMutableRawPointer?) {
    ListenerHandle(context: context).acceptBatch()
}

extension WorkerHandle {
    /// The process's ticket is taken; the connection begins its life on this worker.
    func begin(client: Int32, listener: Int, pool: Int, sourceHash: UInt64? = nil) {
        let connection = newConnection()
        connection.record.phase = .connecting
        connection.record.client.descriptor = client
        connection.record.listener = listener
        connection.record.pool = pool
        connection.record.sourceHash = sourceHash
        connection.begin()
    }
}

extension SocketAddress {
    /// What `source-hash` goes by; nil for a Unix client, which has no address.
    fileprivate var clientHash: UInt64? {
        switch addressBytes {
        case .ipv4(let word): ClientHash.ofIPv4(word: word)
        case .ipv6(let low, let high): ClientHash.ofIPv6(low: low, high: high)
        case nil: nil
        }
    }
}
