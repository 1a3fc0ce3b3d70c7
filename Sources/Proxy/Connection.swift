// One proxied connection: its record in the worker's slab, and the handle that hides the pointer from all others.
//
// Invariants: a record belongs to one worker and is touched on its thread only. libevent knows it from
// `watch` to `unwatch`; it goes back to the slab in `reclaim` after the round in which it closed, when neither
// a callback of the same batch nor the ready list can reach it any more. The record stays writable as a value:
// two descriptors, two lots of pending bytes, ends, counters, ages.
import CLibevent
import Decisions
import Glibc
import Model
import Statistics
import SystemCalls

/// The two ends of a connection.
enum Party {
    case client, backend

    var other: Party {
        switch self {
        case .client: .backend
        case .backend: .client
        }
    }
}

/// Where a connection stands.
enum Phase: Equatable {
    /// In the slab, not in use.
    case free
    /// The proxy in front has not said yet who the client is: see Origin.
    case awaitingHeader
    /// A client of lbd's own listener has not asked yet: see OwnClients.
    case awaitingRequest
    /// Every available backend is full; it waits in line for one: see Queue.
    case queued
    /// A connect to the chosen backend is under way.
    case connecting
    case relaying
    /// `toward` must still learn of the other's reset, after all data: see Close.
    case resetting(toward: Party)
    /// Ended; waits for the end of the round.
    case closed
}

/// How a party ended its direction, as far as the data path knows.
enum SourceEnd {
    case open
    /// A FIN: everything it sent has been read.
    case finished
    /// A reset: everything that arrived before it has been read.
    case reset
}

/// What a socket can do when its connection is over: with our defaults and no more it may connect again, see Recycle.
enum SocketUse: UInt8 {
    case once, againIPv4, againIPv6

    init(family: Int32) {
        switch family {
        case AF_INET: self = .againIPv4
        case AF_INET6: self = .againIPv6
        default: self = .once
        }
    }
}

/// One party's socket.
struct Side {
    var descriptor: Int32 = -1
    /// The socket may have something to read: set by an edge, cleared by a short read or 'would block'.
    var readable = false
    /// A call has reported a reset of this socket. It is reported once: whatever end is read later means this.
    var resetSeen = false
    var isWatched = false
    var use = SocketUse.once
}

/// Bytes that flow from one party to the other.
struct Flow {
    var sourceEnd = SourceEnd.open
    /// The destination has been told the end (or is gone): nothing flows here any more.
    var isEnded = false
    /// Where bytes wait for their reader: the tick at which it last took some. 0: nobody waits (see Stall).
    var waitsSince: UInt32 = 0
    var leftover = Leftover()
    /// On loan while the flow is bulk; then nothing is left over.
    var pipe: Pipe?
    /// Bytes that were read and wait for the destination to become writable.
    var hasPending: Bool { leftover.count > 0 || (pipe?.count ?? 0) > 0 }
    /// Bytes in a row that came in large reads, on the way to becoming bulk.
    var bulkBytes: Int32 = 0
    /// With `waitsSince`, and while a reset waits for them: bytes that the reader's kernel has not acknowledged, as
    /// last seen.
    var unsent = Flow.unseen
    static var unseen: UInt32 { .max }
}

/// What a round of events says about a socket.
struct Readiness {
    let readable: Bool
    let writable: Bool
    /// The peer's FIN has arrived: behind what can be read now there is the end, and nothing else.
    let endInSight: Bool

    init(_ bits: Int16) {
        endInSight = bits & Int16(EV_CLOSED) != 0
        readable = bits & Int16(EV_READ | EV_CLOSED) != 0
        writable = bits & Int16(EV_WRITE) != 0
    }
}

struct ConnectionRecord {
    var clientEvent = event()
    var backendEvent = event()
    let worker: WorkerHandle
    /// Its place in the table of live connections, or besides: serial, client and counts of bytes are there alone.
    var row: ConnectionRow
    var phase = Phase.free { didSet { row.follow(phase) } }
    /// Where it is counted among its source's connections, else -1: see SourceCounts.
    var sourcePlace: Int32 = -1
    /// As the pool has it when the connection begins.
    var splice = Splicing.auto
    /// In line because no backend was available, not because all were full.
    var isHeld = false
    /// Out of the line, on its way to a backend.
    var isReleased = false
    /// Pools that it has been diverted from.
    var diverts: UInt8 = 0
    /// The tick at which its lifetime is over; 0: never.
    var lifeEnds: UInt32 = 0
    // The numbers of all that a configuration may have fit: see BalancerConfiguration.
    private var listenerIndex: Int16 = 0
    private var poolIndex: Int16 = 0
    private var backendSlot: Int16 = -1
    private var bytesAhead: Int32 = 0
    /// When the last connect began, in microseconds that go round.
    var connectBegan: UInt32 = 0
    /// Monotonic nanoseconds of the accept; a little ahead of the worker's clock where access lines are written.
    var begunAt: Int64 = 0
    var traffic = Traffic()
    var client = Side()
    var backend = Side()
    /// Of an earlier connection, parked for this record's next one.
    var spare = Side()
    var toBackend = Flow()
    var toClient = Flow()
    /// Slots that this connection has tried in vain.
    var tried = nothingTried
    var attempts: Int32 = 0
    /// The tick at which it began to wait for a backend with room; 0: it never has.
    var queuedAt: UInt32 = 0
    /// In the pool's line, while `queued`.
    var place = WaitingPlace.none
    /// Of the client's address, where the pool goes by it and the client has one.
    var sourceHash: UInt64?
    /// The backend has said something.
    var isAnswered = false
    /// Milliseconds from the accept to the backend's, and to its first byte; `never`: it has not come to that.
    var connectedAfter = ConnectionRecord.never
    var answeredAfter = ConnectionRecord.never
    static var never: UInt32 { .max }
    /// Accepted where proxies are in front: its socket's peer is not the client. As the listener was then.
    var cameByProxy = false
    /// The PROXY header of ours that stands before the client's first bytes.
    var announced = SendProxy.none
    /// Monotonic nanoseconds: of the accept while a header is awaited, of the wait's beginning while queued, of the
    /// connect's start (or of the wait for resources) while connecting, then of the last byte either way.
    var lastActivity: Int64 = 0
    /// A short read was taken for the end of what is there: to be checked at the next tick (see Relay).
    var needsSweep = false
    /// Connecting, but descriptors, memory or ports were lacking: no connect is under way.
    var isWaitingForResources = false
    var isOnReadyList = false
    /// The kernel waits for bytes of ours that carry its acknowledgements to the backend.
    var delaysAcknowledgements = false
    var wheelBucket: Int32 = -1
    var wheelNext: ConnectionHandle?
    var wheelPrevious: ConnectionHandle?
    /// Next on the ready list, the closed list or the free list: a record is on one of them at most, but for a
    /// closed one that the ready list still names; that list is emptied before closed records are reclaimed.
    var readyNext: ConnectionHandle?
    var listNext: ConnectionHandle?

    init(worker: WorkerHandle, row: ConnectionRow) { (self.worker, self.row) = (worker, row) }

    static var nothingTried: InlineArray<8, Int16> { InlineArray(repeating: -1) }

    var listener: Int {
        get { Int(listenerIndex) }
        set { listenerIndex = Int16(newValue) }
    }
    var pool: Int {
        get { Int(poolIndex) }
        set {
            poolIndex = Int16(newValue)
            row.set(pool: newValue)
        }
    }
    /// The backend's slot while a ticket is held, else -1.
    var slot: Int {
        get { Int(backendSlot) }
        set {
            backendSlot = Int16(newValue)
            row.set(slot: newValue)
        }
    }
    /// Bytes that were read from the client before a backend was reached: counted when one is.
    var readAhead: Int {
        get { Int(bytesAhead) }
        set { bytesAhead = Int32(newValue) }
    }

    func hasTried(slot: Int) -> Bool { tried.holds(Int16(slot)) }

    subscript(party: Party) -> Side {
        get { party == .client ? client : backend }
        set { if party == .client { client = newValue } else { backend = newValue } }
    }
}

extension InlineArray where Element == Int16 {
    func holds(_ value: Int16) -> Bool {
        for position in indices where self[position] == value { return true }
        return false
    }
}

struct ConnectionHandle: Equatable {
    private let pointer: UnsafeMutablePointer<ConnectionRecord>

    /// By its address: through a coroutine the whole record would be copied, and where nothing is optimised an
    /// InlineArray of it was read after the copy had been freed (found by the address sanitizer, Swift 6.3.1).
    var record: ConnectionRecord {
        @inline(__always) unsafeAddress { UnsafePointer(pointer) }
        @inline(__always) nonmutating unsafeMutableAddress { pointer }
    }

    /// The flow that begins at `source`, by its address too.
    subscript(flowFrom source: Party) -> Flow {
        @inline(__always) unsafeAddress { UnsafePointer(flow(from: source)) }
        @inline(__always) nonmutating unsafeMutableAddress { flow(from: source) }
    }

    @inline(__always) private func flow(from source: Party) -> UnsafeMutablePointer<Flow> {
        switch source {
        case .client: pointer.pointer(to: \.toBackend)!
        case .backend: pointer.pointer(to: \.toClient)!
        }
    }

    var worker: WorkerHandle { pointer.pointee.worker }

    /// Fresh records for the slab, one allocation for all of them, never given back: freed memory would have to
    /// wait for its last neighbour anyway.
    static func allocate(_ count: Int, for worker: WorkerHandle) -> ConnectionSlab {
        let memory = UnsafeMutablePointer<ConnectionRecord>.allocate(capacity: count)
        var rows = ConnectionRows.grow(worker)
        for index in 0..<count { (memory + index).initialize(to: ConnectionRecord(worker: worker, row: rows.next())) }
        return ConnectionSlab(first: ConnectionHandle(pointer: memory), count: count)
    }

    /// Of the same slab.
    fileprivate func advanced(by count: Int) -> ConnectionHandle { ConnectionHandle(pointer: pointer + count) }

    /// Begins a new life of a record from the slab. A parked socket stays, and libevent's memory of it.
    func reset() {
        var fresh = ConnectionRecord(worker: pointer.pointee.worker, row: pointer.pointee.row)
        if pointer.pointee.spare.descriptor >= 0 {
            fresh.spare = pointer.pointee.spare
            fresh.backendEvent = pointer.pointee.backendEvent
        }
        pointer.pointee = fresh
    }

    /// Registers the party's socket once for both directions, edge-triggered. False: the kernel refused (ENOMEM,
    /// ENOSPC of epoll watches).
    func watch(_ party: Party) -> Bool {
        let bits = Int16(EV_READ | EV_WRITE | EV_CLOSED | EV_PERSIST) | Int16(bitPattern: UInt16(EV_ET))
        let field = eventMemory(party)
        let descriptor = pointer.pointee[party].descriptor
        switch party {
        case .client: event_assign(field, worker.state.base, descriptor, bits, clientReady, pointer)
        case .backend: event_assign(field, worker.state.base, descriptor, bits, backendReady, pointer)
        }
        guard event_add(field, nil) == 0 else { return false }
        pointer.pointee[party].isWatched = true
        return true
    }

    func unwatch(_ party: Party) {
        guard pointer.pointee[party].isWatched else { return }
        event_del(eventMemory(party))
        pointer.pointee[party].isWatched = false
    }

    private func eventMemory(_ party: Party) -> UnsafeMutablePointer<event> {
        let offset = party == .client
            ? MemoryLayout<ConnectionRecord>.offset(of: \.clientEvent)!
            : MemoryLayout<ConnectionRecord>.offset(of: \.backendEvent)!
        return (UnsafeMutableRawPointer(pointer) + offset).assumingMemoryBound(to: event.self)
    }

    fileprivate init(context: UnsafeMutableRawPointer?) {
        pointer = context!.assumingMemoryBound(to: ConnectionRecord.self)
    }

    private init(pointer: UnsafeMutablePointer<ConnectionRecord>) { self.pointer = pointer }
}

/// Records that were allocated together: live ones and free ones. Owned by their worker.
struct ConnectionSlab {
    fileprivate let first: ConnectionHandle
    let count: Int

    subscript(index: Int) -> ConnectionHandle { first.advanced(by: index) }
}

private func clientReady(_: Int32, _ bits: Int16, _ context: UnsafeMutableRawPointer?) {
    ConnectionHandle(context: context).ready(.client, Readiness(bits))
}

private func backendReady(_: Int32, _ bits: Int16, _ context: UnsafeMutableRawPointer?) {
    ConnectionHandle(context: context).ready(.backend, Readiness(bits))
}
