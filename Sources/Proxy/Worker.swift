// One data-plane thread: its event base, its connections, and the round in which it does its work.
//
// Invariants: the state is made by the control plane before the thread starts and freed after it has been joined;
// in between only the thread touches it. The base has no locks: nothing else calls libevent on it.
import CLibevent
import Decisions
import Glibc
import Model
import Statistics
import SystemCalls

struct WorkerState {
    let base: OpaquePointer
    let index: Int
    let segment: SegmentView
    /// See `DataPlane.ownListener`.
    let ownListener: Int?
    var connectionsMax: Int
    let mailbox: Mailbox
    let peers: [Mailbox]
    let acceptQueue: AcceptQueue
    let connectFailures: ConnectFailures
    let reports: ReportQueue
    let access: AccessQueue
    let readBuffer = ReadBuffer()
    var mailboxEvent = event()
    var timerEvent = event()
    var wheel: TimerWheel
    var pipes: PipePool
    var routes: [Route?] = []
    /// Of connections that wait, by pool.
    var queues: [PoolQueue?] = []
    /// By listener.
    var gates: [Gate?] = []
    /// Of the process; nil as long as no listener has needed it.
    var sourceCounts: SourceCounts?
    /// Of clients without a good PROXY header, by listener.
    var refusals: [ReportPacing<(peer: IPEndpoint?, why: HeaderRefusal)>] = []
    /// One a pool, as `routes`.
    var balancing: [Balancing] = []
    /// Connections of this worker that name the pool, in any phase: see Retire.
    var poolConnections: [Int] = []
    /// Of pools that are on their way out.
    var releases: [Int: PoolRelease] = [:]
    var generator: SplitMix64
    var hop = HopSampling()
    var listeners: [ListenerHandle] = []
    var ownClients = OwnClients()
    /// Accepted while mail waited, by listener: they begin when it has been read.
    var unbegun: [(client: Int32, listener: Int)] = []
    var acceptPause = AcceptPause.none
    var processNotice = LimitNotice()
    /// Some limit was reached, and its end not said yet; or a report was put off.
    var hasNotices = false
    /// Pools whose line leaves some backend alone: see Queue.
    var poolsResting: Set<Int> = []
    var nextPeer = 0
    /// All records, live and free.
    var slabs: [ConnectionSlab] = []
    /// Those whose rows are besides the table of live connections: a slab's rows come together.
    var unlistedSlabs: [ConnectionSlab] = []
    /// Of the connection that came last.
    var serial: UInt64 = 0
    /// What the control plane asks for, one after the other.
    var errands: [RunningErrand] = []
    var freeList: ConnectionHandle?
    var readyList: ConnectionHandle?
    var closedList: ConnectionHandle?
    var spares = SpareSockets()
    var cachedNow: Int64
    var isNowFresh = true
    /// Tick for which the timer is set; nil: not set.
    var timerSetFor: Int64?
    /// How many there have been.
    var rounds: UInt64 = 0
    var isEnding = false
}

struct WorkerHandle: @unchecked Sendable {
    // Handed to the thread at its start, and back by joining it (see the head of this file).
    private let pointer: UnsafeMutablePointer<WorkerState>

    var state: WorkerState {
        @inline(__always) _read { yield pointer.pointee }
        @inline(__always) nonmutating _modify { yield &pointer.pointee }
    }

    init(
        index: Int, segment: SegmentView, budget: ConnectionBudget, mailbox: Mailbox, peers: [Mailbox],
        acceptQueue: AcceptQueue, connectFailures: ConnectFailures, reports: ReportQueue, access: AccessQueue, ownListener: Int? = nil
    ) throws(SystemError) {
        guard let config = event_config_new() else { throw SystemError("event_config_new", ENOMEM) }
        defer { event_config_free(config) }
        event_config_set_flag(config, Int32(EVENT_BASE_FLAG_NOLOCK.rawValue))
        guard let base = event_base_new_with_config(config) else { throw SystemError("event_base_new", errno) }
        let now = Clocks.coarse().nanoseconds
        pointer = .allocate(capacity: 1)
        pointer.initialize(to: WorkerState(
            base: base, index: index, segment: segment, ownListener: ownListener, connectionsMax: budget.connectionsMax,
            mailbox: mailbox, peers: peers, acceptQueue: acceptQueue, connectFailures: connectFailures, reports: reports, access: access,
            wheel: TimerWheel(now: now),
            pipes: PipePool(openMax: budget.pipesMax / peers.count),
            // The kernel's randomness: getrandom(2).
            generator: SplitMix64(seed: .random(in: 0 ... .max)), cachedNow: now))
    }

    fileprivate init(context: UnsafeMutableRawPointer?) { pointer = context!.assumingMemoryBound(to: WorkerState.self) }

    /// Starts the thread. It inherits the caller's signal mask, in which all of lbd's signals are blocked.
    func start() throws(SystemError) -> pthread_t {
        var thread = pthread_t()
        let failure = pthread_create(&thread, nil, workerMain, pointer)
        guard failure == 0 else { throw SystemError("pthread_create", failure) }
        return thread
    }

    /// After the thread has been joined, or was never started.
    func free() {
        state.readBuffer.free()
        state.pipes.closeAll()
        event_base_free(state.base)
        pointer.deinitialize(count: 1)
        pointer.deallocate()
    }

    fileprivate func run() {
        let mailboxMemory = memory(of: MemoryLayout<WorkerState>.offset(of: \.mailboxEvent)!)
        event_assign(mailboxMemory, state.base, state.mailbox.descriptor, Int16(EV_READ | EV_PERSIST), mailboxReady, pointer)
        // The kernel may be short of memory or watches (ENOMEM, ENOSPC) for a moment; without this one nothing works.
        var tries = 20
        while event_add(mailboxMemory, nil) != 0 {
            tries -= 1
            precondition(tries > 0, "epoll takes a worker's first descriptor")
            Glibc.poll(nil, 0, 50)
        }
        event_assign(timerMemory, state.base, -1, 0, timerReady, pointer)
        while !state.isEnding { round() }
        closeSpares()
        event_del(mailboxMemory)
        event_del(timerMemory)
    }

    private func memory(of offset: Int) -> UnsafeMutablePointer<event> {
        (UnsafeMutableRawPointer(pointer) + offset).assumingMemoryBound(to: event.self)
    }

    private var timerMemory: UnsafeMutablePointer<event> { memory(of: MemoryLayout<WorkerState>.offset(of: \.timerEvent)!) }

    /// Events, then what had reached its bound, then the ended, then the clock: a connection that is still ready
    /// is continued in the next round, after others have had their turn, and never forgotten. What an errand or the
    /// clock ends is reclaimed a round later, when the ready list can no longer name it.
    private func round() {
        state.rounds &+= 1
        state.hop.beginWait(round: state.rounds)
        poll(EVLOOP_ONCE | (state.readyList == nil && state.errands.isEmpty ? 0 : EVLOOP_NONBLOCK))
        state.hop.endEvents()
        catchUp()
        continueReady()
        reclaimClosed()
        continueErrand()
        turnWheel()
        setTimer()
        state.isNowFresh = false
    }

    private func poll(_ flags: Int32) {
        let result = event_base_loop(state.base, flags)
        precondition(result >= 0, "a worker's epoll descriptor has failed: errno \(errno)")
    }

    /// After a standstill (SIGSTOP, a suspended machine) everything seems overdue, while what has happened meanwhile
    /// still lies in epoll, of which libevent takes 32 events at first and twice as many each time: news before deadlines.
    /// The wheel is turned to the time that is read here and no later one: a standstill may also come behind this.
    private func catchUp() {
        state.isNowFresh = false
        guard (now() >> TimerWheel.tickShift) - state.wheel.swept > 15 else { return }
        for _ in 0..<9 { poll(EVLOOP_NONBLOCK | EVLOOP_ONCE) }
    }

    /// Monotonic nanoseconds, read once a round at most.
    func now() -> Int64 {
        if !state.isNowFresh {
            state.cachedNow = Clocks.coarse().nanoseconds
            state.isNowFresh = true
        }
        return state.cachedNow
    }

    private func setTimer() {
        let wanted = switch state.acceptPause {
        case .none where state.spares.count == 0 && !state.hasNotices && state.poolsResting.isEmpty: state.wheel.nextTick()
        case .none, .paused, .resumed: (state.wheel.swept + 1) << TimerWheel.tickShift as Int64?
        }
        guard wanted != state.timerSetFor else { return }
        state.timerSetFor = wanted
        guard let wanted else {
            event_del(timerMemory)
            return
        }
        // The coarse clock lags by up to a scheduler tick (4 ms): without the allowance the timer would fire
        // before the wheel's tick has come, again and again.
        let wait = (max(0, wanted - now()) + 5_000_000) / 1000
        var limit = timeval(tv_sec: Int(wait / 1_000_000), tv_usec: Int(wait % 1_000_000))
        let added = event_add(timerMemory, &limit)
        precondition(added == 0, "libevent has memory for one timer")
    }

    fileprivate func takeMessages() {
        var generation: UInt64?
        for message in state.mailbox.take() {
            generation = message.generation ?? generation
            handle(message)
        }
        beginAccepted()
        guard let generation else { return }
        state.mailbox.acknowledge(generation)
        report(.acknowledged)
    }
}

/// A thread's entry is a nonisolated global function: a closure from a `@main` type or a top level would trap.
private func workerMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    WorkerHandle(context: context).run()
    return nil
}

private func mailboxReady(_: Int32, _: Int16, _ context: UnsafeMutableRawPointer?) {
    WorkerHandle(context: context).takeMessages()
}

/// Ends the wait: the round that follows turns the wheel and sets the timer anew.
private func timerReady(_: Int32, _: Int16, _ context: UnsafeMutableRawPointer?) {
    WorkerHandle(context: context).state.timerSetFor = nil
}
