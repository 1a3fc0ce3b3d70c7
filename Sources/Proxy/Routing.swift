// What the control plane decides about a pool, and the flat block of memory in which a worker reads it.
//
// A block is immutable once published: no reference counting per connection, no lock. The control plane frees a
// block when every worker has acknowledged a later one; workers look a block up anew for each use and keep none
// beyond the call.
import Decisions
import Model
import Statistics
import Synchronization
import SystemCalls

/// The routing of one pool as a value: who takes new connections now, and under which rules.
package struct PoolRouting: Sendable {
    package struct Target: Sendable {
        /// POOL/BACKEND: what `source-hash` goes by, so that all balancers agree however they number their slots.
        package let name: String
        package let slot: Int
        package let address: Endpoint
        package let weight: Int
        /// Nil: no limit.
        package let connectionsMax: Int?

        /// Without a name, the address stands for it.
        package init(name: String? = nil, slot: Int, address: Endpoint, weight: Int, connectionsMax: Int? = nil) {
            self.name = name ?? address.description
            self.slot = slot
            self.address = address
            self.weight = weight
            self.connectionsMax = connectionsMax
        }
    }

    package let balance: Balance
    package let timeouts: PoolTimeouts
    package let connectRetries: Int
    package let sendProxy: SendProxy
    package let transport: PoolTransport
    package let whenFull: WhenFull
    /// The eligible backends only; empty: the pool refuses.
    package let targets: [Target]

    package init(
        balance: Balance, timeouts: PoolTimeouts, connectRetries: Int, sendProxy: SendProxy = .none,
        transport: PoolTransport = PoolTransport(), whenFull: WhenFull = .refuse, targets: [Target]
    ) {
        self.balance = balance
        self.timeouts = timeouts
        self.connectRetries = connectRetries
        self.sendProxy = sendProxy
        self.transport = transport
        self.whenFull = whenFull
        self.targets = targets
    }
}

/// Header of a block. Durations in nanoseconds.
struct RouteHeader {
    let generation: UInt64
    let balance: Balance
    let connectTimeout: Int64
    let idleTimeout: Int64
    let halfClosedTimeout: Int64
    let stalledTimeout: Int64
    /// 0: none.
    let lifetime: Int64
    /// Most by which a connection's lifetime is shorter.
    let lifetimeJitter: Int64
    let connectRetries: Int
    let sendProxy: SendProxy
    let splice: Splicing
    let tcp: KernelTCPOptions
    /// Sockets to the backends have more than our defaults.
    let hasSocketOptions: Bool
    /// Some backend has a limit: without one nothing is asked about it.
    let hasLimits: Bool
    /// How many may wait for a backend with room; 0: full means refused.
    let queueLengthMax: Int
    let queueTimeout: Int64
    let targetCount: Int
    let scheduleCount: Int

    /// Somebody goes by who the client is: the choice or the backend.
    var asksForClient: Bool { balance == .sourceHash || sendProxy != .none }
}

struct RouteTarget {
    let slot: Int
    let weight: Int
    let address: SocketAddress
}

/// A published block. Copying copies the references; `free` is the control plane's alone.
struct Route: @unchecked Sendable {
    // Invariant: allocations that live and die together; nothing writes to them after `init`, but for `room`, whose
    // words are atomic.
    private let headerMemory: UnsafeMutablePointer<RouteHeader>
    private let targets: Row<RouteTarget>
    /// The targets' slots once more, close together: choices read a few of them each, of 150 bytes of a target
    /// only this.
    private let slots: Row<Int32>
    /// From a slot, less `slotsFrom`, back to the target's index.
    private let indices: Row<UInt16>
    private let slotsFrom: Int
    /// Most connections, by index; empty where nobody has a limit.
    private let limits: Row<Int32>
    private let room: RoomBits
    private let schedule: Row<UInt16>
    private let columns: Row<AliasTable.Column>
    private let hashed: Row<UInt16>
    /// One or none.
    private let sources: Row<SocketAddress>

    init(_ routing: PoolRouting, generation: UInt64) {
        let balancing = BalancingTables(routing)
        schedule = Row(balancing.schedule.map { UInt16($0) })
        columns = Row(balancing.columns)
        hashed = Row(balancing.hashed)
        targets = Row(routing.targets.map {
            RouteTarget(slot: $0.slot, weight: $0.weight, address: SocketAddress($0.address))
        })
        let slots = routing.targets.map(\.slot)
        self.slots = Row(slots.map { Int32($0) })
        slotsFrom = slots.min() ?? 0
        var indices = [UInt16](repeating: Route.noIndex, count: slots.max().map { [slotsFrom] in $0 - slotsFrom + 1 } ?? 0)
        for (index, slot) in slots.enumerated() { indices[slot - slotsFrom] = UInt16(index) }
        self.indices = Row(indices)
        sources = Row(routing.transport.source.map { [SocketAddress($0.endpoint(port: 0))] } ?? [])
        let lifetime = routing.timeouts.lifetime?.longest.wholeNanoseconds ?? 0
        let tcp = KernelTCPOptions(routing.transport.tcp)
        let hasLimits = routing.targets.contains { $0.connectionsMax != nil }
        limits = Row(hasLimits ? routing.targets.map { Int32(clamping: $0.connectionsMax ?? Int(Int32.max)) } : [])
        room = RoomBits(count: hasLimits ? routing.targets.count : 0)
        headerMemory = .allocate(capacity: 1)
        headerMemory.initialize(to: RouteHeader(
            generation: generation, balance: routing.balance,
            connectTimeout: routing.timeouts.connect.wholeNanoseconds,
            idleTimeout: routing.timeouts.idle.wholeNanoseconds,
            halfClosedTimeout: routing.timeouts.halfClosed.wholeNanoseconds,
            stalledTimeout: routing.timeouts.stalled.wholeNanoseconds,
            lifetime: lifetime, lifetimeJitter: lifetime / 100 * Int64(routing.timeouts.lifetime?.jitter ?? 0),
            connectRetries: routing.connectRetries, sendProxy: routing.sendProxy,
            splice: routing.transport.splice, tcp: tcp, hasSocketOptions: !tcp.isEmpty || sources.count > 0,
            hasLimits: hasLimits,
            queueLengthMax: routing.whenFull.lengthMax, queueTimeout: routing.whenFull.timeout.wholeNanoseconds,
            targetCount: targets.count, scheduleCount: schedule.count))
    }

    private static var noIndex: UInt16 { .max }

    var header: RouteHeader { headerMemory.pointee }
    func target(_ index: Int) -> RouteTarget { targets[index] }
    func slot(_ index: Int) -> Int { Int(slots[index]) }
    func weight(_ index: Int) -> Int { targets[index].weight }
    /// Only where the header says that there are limits.
    func limit(_ index: Int) -> Int { Int(limits[index]) }
    func scheduled(_ position: Int) -> Int { Int(schedule[position]) }
    func column(_ index: Int) -> AliasTable.Column { columns[index] }
    func hashed(_ position: Int) -> Int { Int(hashed[position]) }
    /// Our address towards the pool's backends.
    var source: SocketAddress? { sources.count > 0 ? sources[0] : nil }

    /// The index of the backend with this slot; nil where it takes no new connections now.
    func index(ofSlot slot: Int) -> Int? {
        guard slot >= slotsFrom, slot - slotsFrom < indices.count else { return nil }
        let index = indices[slot - slotsFrom]
        return index == Route.noIndex ? nil : Int(index)
    }

    /// After this no worker may hold the block: all have acknowledged a later generation, or have ended.
    func free() {
        headerMemory.deallocate()
        targets.free()
        slots.free()
        indices.free()
        limits.free()
        room.free()
        schedule.free()
        columns.free()
        hashed.free()
        sources.free()
    }
}

// Who has room. A bit too many costs one look at the tickets; one too few would hide a backend, so whoever clears one
// looks at the tickets once more.
extension Route {
    /// Whether the backend has room, as far as is known at once.
    func hasRoom(_ index: Int) -> Bool { !header.hasLimits || room.isSet(index) }

    /// The first with room at or after `index`, going round.
    func withRoom(from index: Int) -> Int? { header.hasLimits ? room.firstSet(from: index) : index }

    /// A ticket has come back of a backend of which `before` were out.
    func noteReturned(_ index: Int, before: Int) {
        if before >= limit(index) { room.set(index) }
    }

    /// Takes a ticket, if there is one below the limit. Whoever waits is to be served afterwards: a bit that is cleared
    /// for a moment may have been looked for.
    func takeTicket(_ index: Int, _ segment: SegmentView) -> Bool {
        let tickets = segment.tickets(slot: slot(index))
        guard header.hasLimits else {
            tickets.take()
            return true
        }
        let isTaken = tickets.take(below: limit(index))
        if tickets.held >= limit(index) { clearRoom(index, tickets) }
        return isTaken
    }

    /// Sets every bit anew from the tickets: what others gave back by an older routing is not in these.
    func lookForRoom(_ segment: SegmentView) {
        guard header.hasLimits else { return }
        for index in 0..<header.targetCount where segment.tickets(slot: slot(index)).held < limit(index) { room.set(index) }
    }

    private func clearRoom(_ index: Int, _ tickets: Tickets) {
        room.clear(index)
        if tickets.held < limit(index) { room.set(index) }
    }
}

extension WhenFull {
    fileprivate var lengthMax: Int {
        switch self {
        case .refuse: 0
        case .queue(let lengthMax, _): lengthMax
        }
    }

    fileprivate var timeout: Duration {
        switch self {
        case .refuse: .zero
        case .queue(_, let timeout): timeout
        }
    }
}

/// A bit for each backend, set where it may have room, shared by all workers. 64 in a word: of 1,000 full backends 16
/// words tell.
private struct RoomBits: @unchecked Sendable {
    // Invariant: owned by the route; only atomics are read and written through it.
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let count: Int
    private var wordCount: Int { (count + 63) / 64 }

    /// All set.
    init(count: Int) {
        self.count = count
        words = .allocate(capacity: max(1, (count + 63) / 64))
        for word in 0..<wordCount {
            let bits = min(64, count - 64 * word)
            (words + word).initialize(to: Atomic(bits == 64 ? .max : (1 << UInt64(bits)) - 1))
        }
    }

    private func mask(_ index: Int) -> UInt64 { 1 << UInt64(index & 63) }

    func isSet(_ index: Int) -> Bool {
        words[index >> 6].load(ordering: .sequentiallyConsistent) & mask(index) != 0
    }

    func set(_ index: Int) { words[index >> 6].bitwiseOr(mask(index), ordering: .sequentiallyConsistent) }
    func clear(_ index: Int) { words[index >> 6].bitwiseAnd(~mask(index), ordering: .sequentiallyConsistent) }

    func firstSet(from index: Int) -> Int? {
        // The first word is looked at twice: above the start, and in the end below it.
        var above = ~(mask(index) - 1)
        for step in 0...wordCount {
            let word = ((index >> 6) + step) % wordCount
            let bits = words[word].load(ordering: .sequentiallyConsistent) & above
            if bits != 0 { return word << 6 + bits.trailingZeroBitCount }
            above = .max
        }
        return nil
    }

    func free() {
        words.deinitialize(count: wordCount)
        words.deallocate()
    }
}

/// What the pool's method of balancing needs beforehand; the others' stay empty.
private struct BalancingTables {
    var schedule: [Int] = []
    var columns: [AliasTable.Column] = []
    var hashed: [UInt16] = []

    init(_ routing: PoolRouting) {
        let weights = routing.targets.map(\.weight)
        switch routing.balance {
        case .roundRobin: schedule = RoundRobinSchedule.entries(weights: weights)
        case .leastConnections: break
        case .twoChoices, .random: columns = AliasTable.columns(weights: weights)
        case .sourceHash:
            hashed = MaglevTable.positions(names: routing.targets.map(\.name), weights: weights)
            // For clients without an address: those of a Unix listener.
            schedule = RoundRobinSchedule.entries(weights: weights)
        }
    }
}

/// Plain values in a row of memory, without reference counting. Its owner frees it.
struct Row<Element: BitwiseCopyable>: @unchecked Sendable {
    private let start: UnsafeMutablePointer<Element>
    let count: Int

    init(_ elements: [Element]) {
        count = elements.count
        start = .allocate(capacity: max(1, count))
        for (index, element) in elements.enumerated() { (start + index).initialize(to: element) }
    }

    subscript(index: Int) -> Element {
        assert((0..<count).contains(index), "within the row")
        return start[index]
    }

    func withSpan<Result>(_ body: (Span<Element>) -> Result) -> Result {
        body(UnsafeBufferPointer(start: start, count: count).span)
    }

    func free() { start.deallocate() }
}
