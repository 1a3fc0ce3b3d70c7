// Taking connections from a listening socket: in batches, paused before anything runs out, never cutting one off.
import CLibevent
import Glibc
import Model
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
        /// The ticket that it waits in line for; meanwhile it is paused.
        var waitsFor: ConnectionLimit?
        var notice = LimitNotice()
        var isClosing = false
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
        guard !pointer.pointee.isAccepting, pointer.pointee.waitsFor == nil else { return }
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
        pointer.pointee.isClosing = true
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

    private func acceptOne() -> Outcome { isAdmitted(holding: nil) ? acceptAdmitted() : .pausing }

    /// Both tickets of a connection to come are taken.
    private func acceptAdmitted() -> Outcome {
        let worker = pointer.pointee.worker
        let listener = pointer.pointee.listener
        let (accepted, peer, failure) = acceptSocket(worker)
        guard failure == 0 else {
            worker.dismiss(listener: listener)
            return refused(failure)
        }
        guard worker.welcomes(peer, listener: listener) else {
            turnAway(accepted, worker)
            return .accepted
        }
        if pointer.pointee.handsOn, worker.handOn(accepted, listener: listener, pool: pointer.pointee.pool) {
            return .accepted
        }
        worker.begin(client: accepted, from: peer, listener: listener, pool: pointer.pointee.pool)
        return .accepted
    }

    /// Who it is the kernel is asked only where somebody wants to know.
    private func acceptSocket(_ worker: WorkerHandle) -> (accepted: Int32, peer: IPEndpoint?, errorNumber: Int32) {
        let isAsked = !worker.gate(of: pointer.pointee.listener).isOpen
        guard isAsked || worker.route(of: pointer.pointee.pool).header.asksForClient else {
            let (accepted, failure) = Sockets.accept(on: pointer.pointee.descriptor)
            return (accepted, nil, failure)
        }
        return Sockets.acceptWithPeer(on: pointer.pointee.descriptor)
    }

    /// By a reset, which leaves nothing behind here (no TIME_WAIT), and is no answer that somebody could take for
    /// an empty one.
    private func turnAway(_ client: Int32, _ worker: WorkerHandle) {
        Sockets.resetOnClose(client)
        Glibc.close(client)
        worker.accountTurnedAway(listener: pointer.pointee.listener)
        worker.dismiss(listener: pointer.pointee.listener)
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

// Tickets: what may be accepted at all.
extension ListenerHandle {
    var listener: Int { pointer.pointee.listener }
    var waitsFor: ConnectionLimit? { pointer.pointee.waitsFor }
    var hasNotice: Bool { pointer.pointee.notice.isOpen }

    /// A ticket that it has waited for is its own now.
    func proceed(holding ticket: ConnectionLimit) {
        pointer.pointee.waitsFor = nil
        guard isAdmitted(holding: ticket) else { return }
        if acceptAdmitted() == .accepted { acceptBatch() }
        if !pointer.pointee.worker.state.acceptPause.isPaused { resume() }
    }

    /// Whether both tickets are there. Else it waits in line for the one that is missing, paused.
    private func isAdmitted(holding handed: ConnectionLimit?) -> Bool {
        let worker = pointer.pointee.worker
        var held = handed
        while let missing = worker.admit(listener: listener, holding: held) {
            guard !pointer.pointee.isClosing else { return false }
            worker.noteReached(missing, self)
            let most = worker.most(missing)
            guard worker.state.acceptQueue.join(worker: worker.state.index, listener: listener, for: missing, below: most) else {
                pointer.pointee.waitsFor = missing
                pause()
                return false
            }
            held = missing
        }
        return true
    }

    func noteReached() {
        let worker = pointer.pointee.worker
        guard pointer.pointee.notice.reached(now: worker.now()) else { return }
        worker.report(.listenerFull(listener: listener, worker: worker.state.index))
    }

    func settleNotice() {
        let worker = pointer.pointee.worker
        let isWaiting = waitsFor == .listener(listener)
        guard pointer.pointee.notice.settle(now: worker.now(), isWaiting: isWaiting) else { return }
        worker.report(.listenerHasRoom(listener: listener, worker: worker.state.index))
    }
}

private func listenerReady(_: Int32, _: Int16, _ context: UnsafeMutableRawPointer?) {
    ListenerHandle(context: context).acceptBatch()
}

extension WorkerHandle {
    /// Whether the client may become a connection: its own address where nobody is in front, else the proxy's.
    func welcomes(_ peer: IPEndpoint?, listener: Int) -> Bool {
        let gate = gate(of: listener)
        guard !gate.isOpen else { return true }
        guard let peer else { return false }
        guard gate.headerTimeout != nil else { return gate.admits(peer.address) }
        if gate.trusts(peer.address) { return true }
        reportRefused(.untrusted, listener: listener, peer: peer)
        return false
    }

    /// The tickets are taken; the connection begins its life on this worker.
    func begin(client: Int32, from peer: IPEndpoint?, listener: Int, pool: Int) {
        let connection = newConnection()
        connection.record.phase = .connecting
        connection.record.client.descriptor = client
        connection.record.listener = listener
        connection.record.pool = pool
        connection.begin(from: peer)
    }
}
