// Taking connections from a listening socket: in batches, paused before anything runs out, never cutting one off.
import CLibevent
import Glibc
import Model
import SystemCalls

/// How many a wake-up accepts. Most find one client, and asking for a second that is not there costs a call; the
/// listener is level-triggered, so what is left is announced in the next round, and then twice as many are taken.
struct AcceptBatch {
    private(set) var size = 1
    private var lastFull: UInt64?

    /// So that a flood of connects does not starve those that are relaying.
    private static let sizeMax = 64

    mutating func wasFull(in round: UInt64) {
        if let lastFull, lastFull + 1 == round { size = min(2 * size, AcceptBatch.sizeMax) }
        lastFull = round
    }

    mutating func endedEarly(after accepted: Int) {
        size = max(1, accepted)
        lastFull = nil
    }
}

/// One worker's listening socket. Level-triggered, so that what a batch leaves is announced again.
///
/// Invariant: the memory lives from `init` to `free`, which unregisters the event first; both on the worker's thread.
struct ListenerHandle {
    private struct Record {
        var event = CLibevent.event()
        let worker: WorkerHandle
        let descriptor: Int32
        let listener: Int
        /// A Unix socket cannot be opened once per worker: its one acceptor hands connections round.
        let handsOn: Bool
        var isAccepting = false
        var batch = AcceptBatch()
        /// The listener's rate is used up: `timer` tells when there are tokens again.
        var isAwaitingTokens = false
        var timer = CLibevent.event()
        /// The ticket that it waits in line for; meanwhile it is paused.
        var waitsFor: ConnectionLimit?
        var notice = LimitNotice()
        var isClosing = false
    }

    private let pointer: UnsafeMutablePointer<Record>

    /// Takes the descriptor over.
    init(worker: WorkerHandle, descriptor: Int32, listener: Int, handsOn: Bool) {
        pointer = .allocate(capacity: 1)
        pointer.initialize(to: Record(
            worker: worker, descriptor: descriptor, listener: listener, handsOn: handsOn))
        event_assign(
            eventMemory, worker.state.base, descriptor, Int16(EV_READ | EV_PERSIST), listenerReady, pointer)
        event_assign(timerMemory, worker.state.base, -1, 0, tokensReady, pointer)
    }

    fileprivate init(context: UnsafeMutableRawPointer?) { pointer = context!.assumingMemoryBound(to: Record.self) }

    private var eventMemory: UnsafeMutablePointer<event> { memory(of: MemoryLayout<Record>.offset(of: \.event)!) }
    private var timerMemory: UnsafeMutablePointer<event> { memory(of: MemoryLayout<Record>.offset(of: \.timer)!) }

    private func memory(of offset: Int) -> UnsafeMutablePointer<event> {
        (UnsafeMutableRawPointer(pointer) + offset).assumingMemoryBound(to: event.self)
    }

    /// Stop and resume are a pair: `pause` keeps the backlog waiting in the kernel. False: epoll has refused (ENOMEM,
    /// ENOSPC) and it stays paused.
    func resume() -> Bool {
        guard !pointer.pointee.isAwaitingTokens, pointer.pointee.waitsFor == nil else { return true }
        if !pointer.pointee.isAccepting { pointer.pointee.isAccepting = event_add(eventMemory, nil) == 0 }
        return pointer.pointee.isAccepting
    }

    func pause() {
        guard pointer.pointee.isAccepting else { return }
        event_del(eventMemory)
        pointer.pointee.isAccepting = false
    }

    /// Accepts what has arrived, to the end, then closes. The listener's rate and its connections-max no longer matter:
    /// who is left in the backlog would be reset. Those whom the process does not carry are refused, and counted so.
    func close() {
        pause()
        event_del(timerMemory)
        pointer.pointee.isClosing = true
        while acceptOne() == .accepted {}
        while refuseOne() {}
        Glibc.close(pointer.pointee.descriptor)
        pointer.deallocate()
    }

    private enum Outcome { case accepted, noneWaiting, pausing }

    fileprivate func acceptBatch() {
        for accepted in 0..<pointer.pointee.batch.size {
            guard acceptOne() == .accepted else { return pointer.pointee.batch.endedEarly(after: accepted) }
        }
        pointer.pointee.batch.wasFull(in: pointer.pointee.worker.state.rounds)
    }

    private func acceptOne() -> Outcome { isAdmitted(holding: nil) ? acceptAdmitted() : .pausing }

    /// Both tickets of a connection to come are taken.
    private func acceptAdmitted() -> Outcome {
        let worker = pointer.pointee.worker
        let listener = pointer.pointee.listener
        guard takeToken(worker) else {
            worker.dismiss(listener: listener)
            return .pausing
        }
        let (accepted, peer, failure) = Sockets.acceptWithPeer(on: pointer.pointee.descriptor)
        guard failure == 0 else {
            worker.dismiss(listener: listener)
            worker.gate(of: listener).arrivals?.giveTokenBack()
            return refused(failure)
        }
        guard worker.welcomes(peer, listener: listener) else {
            turnAway(accepted, from: peer, worker)
            return .accepted
        }
        if pointer.pointee.handsOn, worker.handOn(accepted, listener: listener) { return .accepted }
        // A client that came after an order must not meet what was before it. At the close the mail is being read.
        if !pointer.pointee.isClosing, worker.state.mailbox.hasMail {
            worker.state.unbegun.append((accepted, listener))
        } else {
            worker.begin(client: accepted, from: peer, listener: listener)
        }
        return .accepted
    }

    /// For want of a ticket; false: nobody is left, or there is no descriptor to refuse one by.
    private func refuseOne() -> Bool {
        let (accepted, failure) = Sockets.accept(on: pointer.pointee.descriptor)
        guard failure == 0 else { return false }
        pointer.pointee.worker.noteTurnedAway(accepted, from: nil, listener: listener, .outOfResources)
        Sockets.resetOnClose(accepted)
        Glibc.close(accepted)
        // The listener closes, and the process carries no more.
        pointer.pointee.worker.accountTurnedAway(listener: listener, .outOfResources)
        return true
    }

    /// One of the listener's rate, where it has one. False: there is none, and accepting here pauses until there is
    /// where somebody waits for it.
    private func takeToken(_ worker: WorkerHandle) -> Bool {
        guard !pointer.pointee.isClosing, let arrivals = worker.gate(of: pointer.pointee.listener).arrivals,
            let until = arrivals.takeToken()
        else { return true }
        guard Sockets.isReadable(pointer.pointee.descriptor) else { return false }
        let hold = arrivals.hold(until: until)
        pause()
        pointer.pointee.isAwaitingTokens = true
        // Up to 2 ms more, so that of several workers none is always the first.
        awaitTokens(nanoseconds: hold.nanoseconds + Int64(worker.state.generator.next() % 2_000_000))
        if let perSecond = hold.begins { worker.report(.rateReached(listener: pointer.pointee.listener, perSecond: perSecond)) }
        return false
    }

    private func awaitTokens(nanoseconds: Int64) {
        var limit = timeval(tv_sec: Int(nanoseconds / 1_000_000_000), tv_usec: Int(nanoseconds % 1_000_000_000 / 1000))
        let added = event_add(timerMemory, &limit)
        precondition(added == 0, "libevent has memory for a timer a listener")
    }

    /// Where the whole worker pauses too, that goes on.
    fileprivate func tokensCame() {
        pointer.pointee.isAwaitingTokens = false
        guard !pointer.pointee.worker.state.acceptPause.isPaused else { return }
        // Refused by epoll: nothing else would try again.
        if !resume() { awaitTokens(nanoseconds: 100_000_000) }
    }

    /// Whatever the old rate made it wait for.
    func rulesChanged() {
        guard pointer.pointee.isAwaitingTokens else { return }
        event_del(timerMemory)
        tokensCame()
    }

    /// By a reset, which leaves nothing behind here (no TIME_WAIT), and is no answer that somebody could take for
    /// an empty one.
    private func turnAway(_ client: Int32, from peer: IPEndpoint?, _ worker: WorkerHandle) {
        let gate = worker.gate(of: listener)
        let reason = gate.headerTimeout == nil ? CloseReason.denied : .badHeader
        worker.noteTurnedAway(client, from: peer, listener: listener, reason)
        Sockets.resetOnClose(client)
        Glibc.close(client)
        gate.arrivals?.giveTokenBack()
        worker.accountTurnedAway(listener: listener, reason)
        worker.dismiss(listener: pointer.pointee.listener)
    }

    private func refused(_ failure: Int32) -> Outcome {
        switch failure {
        case EAGAIN:
            return .noneWaiting
        case EMFILE, ENFILE, ENOBUFS, ENOMEM:
            pointer.pointee.worker.pauseAccepting(failure)
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
        let worker = pointer.pointee.worker
        if !worker.state.acceptPause.isPaused, !resume() { worker.pauseAccepting(errno) }
    }

    /// Whether both tickets are there. Else it waits in line for the one that is missing, paused.
    private func isAdmitted(holding handed: ConnectionLimit?) -> Bool {
        let worker = pointer.pointee.worker
        var held = handed
        while let missing = worker.admit(listener: listener, holding: held) {
            guard !pointer.pointee.isClosing else { return worker.admitAtClose(listener: listener) }
            if worker.makeRoom(for: missing) { continue }
            worker.noteReached(missing, self)
            let most = worker.most(missing)
            guard worker.state.acceptQueue.join(worker: worker.state.index, listener: listener, for: missing, below: most) else {
                pointer.pointee.waitsFor = missing
                pause()
                worker.askForRoom(missing)
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

private func tokensReady(_: Int32, _: Int16, _ context: UnsafeMutableRawPointer?) {
    ListenerHandle(context: context).tokensCame()
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

    /// Those that were accepted while mail waited: it has been read.
    /// `only`: of a listener about which something is in the mail that means them.
    func beginAccepted(at only: Int? = nil) {
        guard !state.unbegun.isEmpty else { return }
        let accepted = state.unbegun.filter { only == nil || $0.listener == only }
        state.unbegun.removeAll { only == nil || $0.listener == only }
        for (client, listener) in accepted { begin(client: client, from: Sockets.peerAddress(of: client), listener: listener) }
    }

    /// The tickets are taken; the connection begins its life on this worker.
    func begin(client: Int32, from peer: IPEndpoint?, listener: Int) {
        let pool = gate(of: listener).pool
        let connection = newConnection()
        connection.record.phase = .connecting
        connection.record.client.descriptor = client
        connection.record.listener = listener
        connection.record.pool = pool
        connection.beginRow(peer)
        state.poolConnections[pool] += 1
        connection.record.splice = route(of: pool).header.splice
        connection.beginLife()
        connection.followDiverts()
        connection.begin(from: peer)
    }
}
