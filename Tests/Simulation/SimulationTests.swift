// Thousands of rollouts with faults, by seed, against the promises. `SEED=123 swift test --filter Simulation` replays one.
import Decisions
import Model
import Rollout
import SystemCalls
import Testing

/// One run: everything in it follows from the seed.
func simulated(seed: UInt64, faults: Bool, writesText: Bool = false, killAt: Int? = nil) throws -> Process {
    var random = SeededRandom(state: seed)
    let count = 2 + random.below(5)
    let drawn = Faults(&random)
    let order = try randomOrder(count, balancers: 1 + random.below(3), &random)
    let world = World(random, faults: faults ? drawn : .none, backends: count, balancers: order.balancers.count)
    var process = Process(world, order, writesText: writesText, killAt: killAt)
    try process.run()
    return process
}

private func randomOrder(_ count: Int, balancers: Int, _ random: inout SeededRandom) throws -> RolloutOrder {
    let world = World(random, faults: .none, backends: count, balancers: balancers)
    var plan = try Plan(pool: world.snapshot(), restart: .command(["restart", "{backend}"]))
    plan = plan.with(rollback: random.below(2) == 0 ? .command(["back"]) : nil, version: random.below(2) == 0 ? ["version"] : nil)
    var policy = Policy()
    policy.unavailableMax = 1 + random.below(count - 1)
    policy.batch = 1 + random.below(3)
    policy.canary = random.below(2)
    policy.bake = .seconds(random.below(20))
    if random.below(10) == 0 {
        policy.strategy = .hotStandby(Policy.Standby(
            pool: World.standby, backends: [], listeners: [], switchesBack: random.below(2) == 0, bake: .seconds(random.below(2) * 9)))
    }
    return RolloutOrder(
        id: "7", owner: Process.owner, balancers: (0..<balancers).map { "/run/\($0)" }, plan: plan,
        limits: RolloutLimits(drain: .seconds(60), restart: .seconds(20), ready: .seconds(30)), policy: policy)
}

@Suite struct SimulationTests {
    private static let given = Environment.value("SEED").flatMap { UInt64($0) }
    private static let isFull = Environment.value("SLUICE_FULL") == "1"

    private func seeds(_ count: UInt64) -> ClosedRange<UInt64> {
        SimulationTests.given.map { $0...$0 } ?? 1...(SimulationTests.isFull ? 10_000 : count)
    }

    /// What breaks names the seed that replays it.
    private func run(_ seed: UInt64, faults: Bool, killAt: Int? = nil) throws -> Process {
        do { return try simulated(seed: seed, faults: faults, killAt: killAt) } catch {
            throw Broken("SEED=\(seed)\(killAt.map { " killed at line \($0)" } ?? ""): \(error)")
        }
    }

    private func expectDone(_ process: Process, _ seed: UInt64, killAt: Int? = nil) throws {
        guard let cause = process.verdict?.cause else { return }
        throw Broken("SEED=\(seed)\(killAt.map { " killed at line \($0)" } ?? ""): \(cause)")
    }

    /// Every fault at once, kills among them.
    @Test func everyRolloutKeepsItsPromises() throws {
        var done = 0, kills = 0
        let seeds = seeds(5000)
        for seed in seeds {
            let process = try run(seed, faults: true)
            if process.verdict?.cause == nil { done += 1 }
            kills += process.kills
        }
        // A simulation in which nothing ever succeeds, or never fails, would prove nothing.
        #expect(seeds.count == 1 || (done > seeds.count / 10 && done < seeds.count && kills > seeds.count / 10))
    }

    @Test func withoutFaultsItAlwaysFinishes() throws {
        for seed in seeds(500) { try expectDone(try run(seed, faults: false), seed) }
    }

    /// Killed at each line of its journal in turn and resumed: done in the end, each node restarted once.
    @Test func killedAtEveryLineItIsDoneAllTheSame() throws {
        for seed in SimulationTests.given.map({ $0...$0 }) ?? 1...20 {
            var line = 1, last = 1
            repeat {
                let process = try run(seed, faults: false, killAt: line)
                try expectDone(process, seed, killAt: line)
                last = process.journal.count
                line += 1
            } while line < last
        }
    }
}
