// A small world in which rollouts go on: balancers, backends, clients, a clock, and all that may go wrong.
import Decisions
import Model
import Rollout

/// Who holds a backend drained at one balancer.
struct Hold: Equatable {
    let owner: String
    /// nil: for ever.
    var until: Int64?
}

/// A backend's server.
struct Server: Equatable {
    var isRunning = true
    var generation = 0
    /// Nobody can make it leave its connections.
    var diesAt: Int64?
}

struct Client: Equatable {
    let balancer: Int
    var backend: Int?
    var ends: Int64
}

/// What is likely to go wrong in this run, each in percent.
struct Faults {
    var command = 0, hang = 0, neverBack = 0, dies = 0, refused = 0, unreachable = 0, immortal = 0, operatorUndrains = 0
    var late = 0, notBegun = 0, killed = 0, runnerKilled = 0, load = 0, badRelease = 0, signal = 0

    static let none = Faults()

    /// Each run has its own few.
    init() {}
    init(_ random: inout SeededRandom) {
        let chance = { (random: inout SeededRandom) -> Int in random.below(3) == 0 ? [2, 10, 30][random.below(3)] : 0 }
        (command, hang, neverBack, dies) = (chance(&random), chance(&random), chance(&random), chance(&random))
        (refused, unreachable, immortal) = (chance(&random), chance(&random) / 3, chance(&random) / 4)
        (operatorUndrains, late, runnerKilled) = (chance(&random), chance(&random), chance(&random))
        (load, badRelease, signal) = (chance(&random), chance(&random), chance(&random) / 4)
        notBegun = chance(&random)
        killed = random.below(2) == 0 ? 0 : [1, 3, 10][random.below(3)]
    }
}

struct Broken: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every machine.
struct SeededRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func percent(_ chance: Int) -> Bool { chance > 0 && below(100) < chance }
}

/// Milliseconds of the world's own clock everywhere.
struct World {
    static let pool = PoolName(unchecked: "web")
    static let standby = PoolName(unchecked: "idle")

    var random: SeededRandom
    var faults: Faults
    var now: Int64 = 0
    let names: [BackendReference]
    let addresses: [Endpoint]
    var servers: [Server]
    /// By balancer and backend.
    var holds: [[Hold?]]
    var clients: [Client]
    /// Balancers that do not answer until then.
    var deafUntil: [Int64]
    var loadUntil: Int64 = 0
    var trafficOn = World.pool

    init(_ random: SeededRandom, faults: Faults, backends: Int, balancers: Int) {
        self.random = random
        self.faults = faults
        names = (0..<backends).map { BackendReference(pool: World.pool, backend: BackendName(unchecked: "web-\($0 + 1)")) }
        addresses = (0..<backends).map { .ipv4(0x7F00_0001, port: UInt16(9001 + $0)) }
        servers = Array(repeating: Server(), count: backends)
        holds = Array(repeating: Array(repeating: nil, count: backends), count: balancers)
        deafUntil = Array(repeating: 0, count: balancers)
        clients = []
        for number in 0..<(3 + self.random.below(8)) {
            var client = Client(balancer: number % balancers, backend: nil, ends: 0)
            connect(&client)
            clients.append(client)
        }
    }

    var balancers: Range<Int> { holds.indices }

    func index(_ backend: BackendReference) -> Int {
        guard let index = names.firstIndex(of: backend) else { preconditionFailure("\(backend) is none of this world") }
        return index
    }

    func connections(of backend: Int, at balancer: Int? = nil) -> Int {
        clients.count { $0.backend == backend && (balancer == nil || $0.balancer == balancer) }
    }

    func isEmpty(_ backend: Int) -> Bool { !clients.contains { $0.backend == backend } && balancers.allSatisfy { holds[$0][backend] != nil } }

    /// Takes new connections somewhere.
    func isInRotation(_ backend: Int) -> Bool { balancers.contains { holds[$0][backend] == nil } }

    mutating func connect(_ client: inout Client) {
        let open = servers.indices.filter { holds[client.balancer][$0] == nil && servers[$0].isRunning && trafficOn == World.pool }
        client.backend = open.isEmpty ? nil : open[random.below(open.count)]
        let mean = [200, 2000, 10_000][random.below(3)]
        client.ends = now + 1 + Int64(random.percent(faults.immortal) ? 100_000_000 : random.below(2 * mean))
    }

    /// Clients leave and come back, leases end, servers die: up to this moment.
    mutating func pass(to time: Int64) {
        while let next = clients.indices.min(by: { clients[$0].ends < clients[$1].ends }), clients[next].ends <= time {
            now = max(now, clients[next].ends)
            endLeases()
            var client = clients[next]
            connect(&client)
            clients[next] = client
        }
        now = time
        endLeases()
        for index in servers.indices {
            if let dies = servers[index].diesAt, dies <= now {
                servers[index].isRunning = false
                servers[index].diesAt = nil
            }
        }
    }

    private mutating func endLeases() {
        for balancer in balancers {
            for backend in servers.indices {
                if let until = holds[balancer][backend]?.until, until <= now { holds[balancer][backend] = nil }
            }
        }
    }

    func snapshot() -> PoolSnapshot {
        PoolSnapshot(name: World.pool, backends: servers.indices.map { index in
            let hold = balancers.lazy.compactMap { holds[$0][index] }.first
            let availability: Availability =
                hold != nil ? (isEmpty(index) ? .drained : .draining) : servers[index].isRunning ? .available : .down
            return BackendSnapshot(
                name: names[index].backend, address: addresses[index], wish: hold == nil ? .ready : .drain, availability: availability,
                drainOwner: hold?.owner, connections: connections(of: index))
        })
    }
}
