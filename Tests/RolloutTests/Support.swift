// Pools and plans to test with.
import Model
import Rollout

func reference(_ name: String) -> BackendReference {
    BackendReference(pool: PoolName(unchecked: "web"), backend: BackendName(unchecked: name))
}

func backend(
    _ number: Int, _ availability: Availability = .available, wish: Wish = .ready, owner: String? = nil, port: UInt16? = nil
) -> BackendSnapshot {
    BackendSnapshot(
        name: BackendName(unchecked: "web-\(number)"), address: .ipv4(0x7F00_0001, port: port ?? UInt16(9000 + number)),
        wish: wish, availability: availability, drainOwner: owner)
}

func pool(_ backends: [BackendSnapshot]) -> PoolSnapshot {
    PoolSnapshot(name: PoolName(unchecked: "web"), backends: backends)
}

func healthyPool(_ count: Int) -> PoolSnapshot { pool((1...count).map { backend($0) }) }

func plan(_ pool: PoolSnapshot, restart: RestartTemplate = .command(["restart", "{backend}"])) throws -> Plan {
    try Plan(pool: pool, restart: restart)
}

func order(
    _ pool: PoolSnapshot, _ policy: Policy = Policy(), restart: RestartTemplate = .command(["restart", "{backend}"]), rollback: RestartWay? = nil,
    version: [String]? = nil
) throws -> RolloutOrder {
    let plan = try plan(pool, restart: restart).with(rollback: rollback, version: version)
    return RolloutOrder(id: "7", owner: "rollout-7", balancers: ["/run/lbd.sock"], plan: plan, limits: limits, policy: policy)
}

let longWording = Wording(
    program: "lbctl", commandLine: ["lbctl", "rollout", "run", "web", "--drain-deadline", "1m", "--restart", "a b"],
    owner: "rollout-7", lease: .seconds(30))

let limits = RolloutLimits(drain: .seconds(60), restart: .seconds(20), ready: .seconds(30))

let wording = Wording(program: "lbctl", commandLine: ["lbctl", "rollout", "run", "web"], owner: "rollout-7", lease: .seconds(30))

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every machine.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
