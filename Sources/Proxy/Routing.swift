// What the control plane decides about a pool, and the flat block of memory in which a worker reads it.
//
// A block is immutable once published: no reference counting per connection, no lock. The control plane frees a
// block when every worker has acknowledged a later one; workers look a block up anew for each use and keep none
// beyond the call.
import Decisions
import Model
import SystemCalls

/// The routing of one pool as a value: who takes new connections now, and under which rules.
package struct PoolRouting: Equatable, Sendable {
    package struct Target: Equatable, Sendable {
        /// POOL/BACKEND: what `source-hash` goes by, so that all balancers agree however they number their slots.
        package let name: String
        package let slot: Int
        package let address: Endpoint
        package let weight: Int
        /// Nil: no limit.
        package let connectionsMax: Int?
        /// Held back to so many 1/256 of its fair share, which may be more than all of it; nil: it is not.
        package let share: Int?
        /// Its weight is scaled to so many percent; 0: it takes only what no other can.
        package let percent: Int

        /// Without a name, the address stands for it.
        package init(name: String? = nil, slot: Int, address: Endpoint, weight: Int, connectionsMax: Int? = nil, share: Int? = nil, percent: Int = 100) {
            self.percent = percent
            self.name = name ?? address.description
            self.slot = slot
            self.address = address
            self.weight = weight
            self.connectionsMax = connectionsMax
            self.share = share
        }
    }

    /// What becomes of a connection for which no backend is to be had.
    package enum WhenNone: Equatable, Sendable {
        case refuse
        case hold(lengthMax: Int, timeout: Duration)
        /// To the pool with this index.
        case divert(pool: Int)
    }

    package let balance: Balance
    package let timeouts: PoolTimeouts
    package let connectRetries: Int
    package let sendProxy: SendProxy
    package let transport: PoolTransport
    package let whenFull: WhenFull
    package let whenNone: WhenNone
    /// The eligible backends only; empty: `whenNone` says what happens.
    package let targets: [Target]

    package init(
        balance: Balance, timeouts: PoolTimeouts, connectRetries: Int, sendProxy: SendProxy = .none,
        transport: PoolTransport = PoolTransport(), whenFull: WhenFull = .refuse, whenNone: WhenNone = .refuse, targets: [Target]
    ) {
        self.balance = balance
        self.timeouts = timeouts
        self.connectRetries = connectRetries
        self.sendProxy = sendProxy
        self.transport = transport
        self.whenFull = whenFull
        self.whenNone = whenNone
        self.targets = targets
    }
}

extension PoolRouting.Target {
    var effectiveWeight: Double { Double(weight * percent) / 100 }
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
    let outage: Outage
    let targetCount: Int
    let scheduleCount: Int
    /// Some backend gets a share only: without one nothing is asked about it.
    let holdsBack: Bool

    init(_ routing: PoolRouting, generation: UInt64, scheduleCount: Int, holdsBack: Bool) {
        self.generation = generation
        balance = routing.balance
        connectTimeout = routing.timeouts.connect.wholeNanoseconds
        idleTimeout = routing.timeouts.idle.wholeNanoseconds
        halfClosedTimeout = routing.timeouts.halfClosed.wholeNanoseconds
        stalledTimeout = routing.timeouts.stalled.wholeNanoseconds
        lifetime = routing.timeouts.lifetime?.longest.wholeNanoseconds ?? 0
        lifetimeJitter = lifetime / 100 * Int64(routing.timeouts.lifetime?.jitter ?? 0)
        connectRetries = routing.connectRetries
        sendProxy = routing.sendProxy
        splice = routing.transport.splice
        tcp = KernelTCPOptions(routing.transport.tcp)
        hasSocketOptions = !tcp.isEmpty || routing.transport.source != nil
        hasLimits = routing.targets.contains { $0.connectionsMax != nil }
        queueLengthMax = routing.whenFull.lengthMax
        queueTimeout = routing.whenFull.timeout.wholeNanoseconds
        outage = Outage(routing.whenNone)
        targetCount = routing.targets.count
        self.scheduleCount = scheduleCount
        self.holdsBack = holdsBack
    }

    /// Connections may wait in line for a backend.
    var hasLine: Bool { hasLimits || outage.lengthMax > 0 }
}

/// One backend of a route. Copying copies the reference, which is good as long as the route is.
struct RouteTarget {
    fileprivate struct Block: BitwiseCopyable {
        let slot: Int
        let weight: Int
        let address: SocketAddress
    }

    fileprivate let block: UnsafePointer<Block>

    var slot: Int { block.pointee.slot }
    var weight: Int { block.pointee.weight }
    var address: SocketAddress { @inline(__always) unsafeAddress { block.pointer(to: \.address)! } }
}

/// A published block. Copying copies the reference; `free` is the control plane's alone.
struct Route: Sendable {
    // Invariant: allocations that live and die together; nothing writes to them after `init`, but for `room`, whose words
    // are atomic, and `heldBack`, of which each worker writes its own part.
    private struct Block {
        let header: RouteHeader
        let targets: Row<RouteTarget.Block>
        /// The targets' slots once more, close together: choices read a few of them each, of 150 bytes of a target
        /// only this.
        let slots: Row<Int32>
        /// From a slot, less `slotsFrom`, back to the target's index.
        let indices: Row<UInt16>
        let slotsFrom: Int
        /// Most connections, by index; empty where nobody has a limit.
        let limits: Row<Int32>
        let room: RoomBits
        let heldBack: HeldBack
        let schedule: Row<UInt16>
        let columns: Row<AliasTable.Column>
        let hashed: Row<UInt16>
        /// One or none.
        let sources: Row<SocketAddress>
    }

    private let block: Cell<Block>

    /// `workers`: how many will choose by it.
    init(_ routing: PoolRouting, generation: UInt64, workers: Int = 1) {
        let balancing = BalancingTables(routing)
        let slots = routing.targets.map(\.slot)
        let slotsFrom = slots.min() ?? 0
        var indices = [UInt16](repeating: Route.noIndex, count: slots.max().map { $0 - slotsFrom + 1 } ?? 0)
        for (index, slot) in slots.enumerated() { indices[slot - slotsFrom] = UInt16(index) }
        let heldBack = HeldBack(routing.targets, workers: workers)
        let header = RouteHeader(
            routing, generation: generation, scheduleCount: balancing.schedule.count, holdsBack: !heldBack.isEmpty)
        let limited = header.hasLimits ? routing.targets : []
        block = Cell(Block(
            header: header,
            targets: Row(routing.targets.map { RouteTarget.Block(slot: $0.slot, weight: $0.weight, address: SocketAddress($0.address)) }),
            slots: Row(slots.map { Int32($0) }), indices: Row(indices), slotsFrom: slotsFrom,
            limits: Row(limited.map { Int32(clamping: $0.connectionsMax ?? Int(Int32.max)) }), room: RoomBits(count: limited.count),
            heldBack: heldBack,
            schedule: Row(balancing.schedule.map { UInt16($0) }), columns: Row(balancing.columns), hashed: Row(balancing.hashed),
            sources: Row(routing.transport.source.map { [SocketAddress($0.endpoint(port: 0))] } ?? [])))
    }

    private static var noIndex: UInt16 { .max }

    var room: RoomBits { block.value.room }
    var heldBack: HeldBack { block.value.heldBack }
    var header: RouteHeader { @inline(__always) _read { yield block.value.header } }
    func target(_ index: Int) -> RouteTarget { RouteTarget(block: block.value.targets.pointer(to: index)) }
    func slot(_ index: Int) -> Int { Int(block.value.slots[index]) }
    func weight(_ index: Int) -> Int { target(index).weight }
    /// Only where the header says that there are limits.
    func limit(_ index: Int) -> Int { Int(block.value.limits[index]) }
    func scheduled(_ position: Int) -> Int { Int(block.value.schedule[position]) }
    func column(_ index: Int) -> AliasTable.Column { block.value.columns[index] }
    func hashed(_ position: Int) -> Int { Int(block.value.hashed[position]) }
    /// Our address towards the pool's backends.
    var source: SocketAddress? { block.value.sources.count > 0 ? block.value.sources[0] : nil }

    /// The index of the backend with this slot; nil where it takes no new connections now.
    func index(ofSlot slot: Int) -> Int? {
        let place = slot - block.value.slotsFrom
        guard place >= 0, place < block.value.indices.count else { return nil }
        let index = block.value.indices[place]
        return index == Route.noIndex ? nil : Int(index)
    }

    /// After this no worker may hold the block: all have acknowledged a later generation, or have ended.
    func free() {
        let block = block.value
        block.targets.free()
        block.slots.free()
        block.indices.free()
        block.limits.free()
        block.room.free()
        block.heldBack.free()
        block.schedule.free()
        block.columns.free()
        block.hashed.free()
        block.sources.free()
        self.block.free()
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
