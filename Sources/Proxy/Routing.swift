// What the control plane decides about a pool, and the flat block of memory in which a worker reads it.
//
// A block is immutable once published: no reference counting per connection, no lock. The control plane frees a
// block when every worker has acknowledged a later one; workers look a block up anew for each use and keep none
// beyond the call.
import Decisions
import Model
import SystemCalls

/// The routing of one pool as a value: who takes new connections now, and under which rules.
package struct PoolRouting: Sendable {
    package struct Target: Sendable {
        /// POOL/BACKEND: what `source-hash` goes by, so that all balancers agree however they number their slots.
        package let name: String
        package let slot: Int
        package let address: Endpoint
        package let weight: Int

        /// Without a name, the address stands for it.
        package init(name: String? = nil, slot: Int, address: Endpoint, weight: Int) {
            self.name = name ?? address.description
            self.slot = slot
            self.address = address
            self.weight = weight
        }
    }

    package let balance: Balance
    package let timeouts: PoolTimeouts
    package let connectRetries: Int
    package let sendProxy: SendProxy
    package let transport: PoolTransport
    /// The eligible backends only; empty: the pool refuses.
    package let targets: [Target]

    package init(
        balance: Balance, timeouts: PoolTimeouts, connectRetries: Int, sendProxy: SendProxy = .none,
        transport: PoolTransport = PoolTransport(), targets: [Target]
    ) {
        self.balance = balance
        self.timeouts = timeouts
        self.connectRetries = connectRetries
        self.sendProxy = sendProxy
        self.transport = transport
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
    let connectRetries: Int
    let sendProxy: SendProxy
    let splice: Splicing
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
    // Invariant: allocations that live and die together; nothing writes to them after `init`.
    private let headerMemory: UnsafeMutablePointer<RouteHeader>
    private let targets: Row<RouteTarget>
    /// The targets' slots once more, close together: choices read a few of them each, of 150 bytes of a target
    /// only this.
    private let slots: Row<Int32>
    /// From a slot, less `slotsFrom`, back to the target's index.
    private let indices: Row<UInt16>
    private let slotsFrom: Int
    private let schedule: Row<UInt16>
    private let columns: Row<AliasTable.Column>
    private let hashed: Row<UInt16>

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
        headerMemory = .allocate(capacity: 1)
        headerMemory.initialize(to: RouteHeader(
            generation: generation, balance: routing.balance,
            connectTimeout: routing.timeouts.connect.wholeNanoseconds,
            idleTimeout: routing.timeouts.idle.wholeNanoseconds,
            halfClosedTimeout: routing.timeouts.halfClosed.wholeNanoseconds,
            connectRetries: routing.connectRetries, sendProxy: routing.sendProxy,
            splice: routing.transport.splice, targetCount: targets.count, scheduleCount: schedule.count))
    }

    private static var noIndex: UInt16 { .max }

    var header: RouteHeader { headerMemory.pointee }
    func target(_ index: Int) -> RouteTarget { targets[index] }
    func slot(_ index: Int) -> Int { Int(slots[index]) }
    func weight(_ index: Int) -> Int { targets[index].weight }
    func scheduled(_ position: Int) -> Int { Int(schedule[position]) }
    func column(_ index: Int) -> AliasTable.Column { columns[index] }
    func hashed(_ position: Int) -> Int { Int(hashed[position]) }

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
        schedule.free()
        columns.free()
        hashed.free()
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
