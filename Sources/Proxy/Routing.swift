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
        package let slot: Int
        package let address: Endpoint
        package let weight: Int

        package init(slot: Int, address: Endpoint, weight: Int) {
            self.slot = slot
            self.address = address
            self.weight = weight
        }
    }

    package let balance: Balance
    package let timeouts: PoolTimeouts
    package let connectRetries: Int
    package let sendProxy: SendProxy
    /// The eligible backends only; empty: the pool refuses.
    package let targets: [Target]

    package init(
        balance: Balance, timeouts: PoolTimeouts, connectRetries: Int, sendProxy: SendProxy = .none, targets: [Target]
    ) {
        self.balance = balance
        self.timeouts = timeouts
        self.connectRetries = connectRetries
        self.sendProxy = sendProxy
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
    let targetCount: Int
    let scheduleCount: Int
}

struct RouteTarget {
    let slot: Int
    let weight: Int
    let address: SocketAddress
}

/// A published block. Copying copies the reference; `free` is the control plane's alone.
struct Route: @unchecked Sendable {
    // Three allocations that live and die together; nothing writes to them after `init`.
    private let headerMemory: UnsafeMutablePointer<RouteHeader>
    private let targets: UnsafeMutablePointer<RouteTarget>
    private let schedule: UnsafeMutablePointer<UInt16>

    init(_ routing: PoolRouting, generation: UInt64) {
        let order = switch routing.balance {
        case .roundRobin: BackendChoice.roundRobinSchedule(weights: routing.targets.map(\.weight))
        case .leastConnections: [Int]()
        }
        headerMemory = .allocate(capacity: 1)
        targets = .allocate(capacity: max(1, routing.targets.count))
        schedule = .allocate(capacity: max(1, order.count))
        headerMemory.initialize(to: RouteHeader(
            generation: generation, balance: routing.balance,
            connectTimeout: routing.timeouts.connect.wholeNanoseconds,
            idleTimeout: routing.timeouts.idle.wholeNanoseconds,
            halfClosedTimeout: routing.timeouts.halfClosed.wholeNanoseconds,
            connectRetries: routing.connectRetries, sendProxy: routing.sendProxy,
            targetCount: routing.targets.count, scheduleCount: order.count))
        for (index, target) in routing.targets.enumerated() {
            (targets + index).initialize(
                to: RouteTarget(slot: target.slot, weight: target.weight, address: SocketAddress(target.address)))
        }
        for (position, index) in order.enumerated() { (schedule + position).initialize(to: UInt16(index)) }
    }

    var header: RouteHeader { headerMemory.pointee }
    func target(_ index: Int) -> RouteTarget { targets[index] }
    func slot(_ index: Int) -> Int { targets[index].slot }
    func weight(_ index: Int) -> Int { targets[index].weight }
    func scheduled(_ position: Int) -> Int { Int(schedule[position]) }

    /// After this no worker may hold the block: all have acknowledged a later generation, or have ended.
    func free() {
        headerMemory.deallocate()
        targets.deallocate()
        schedule.deallocate()
    }
}
