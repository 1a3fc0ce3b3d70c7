// What a running rollout has still ahead. Faults: a time left that counts what is done, forgets what is in hand, or goes on
// being told when the rollout is on its way to stop.
import Model
import Rollout
import Testing

private func at(_ seconds: Int64) -> MonotonicTime { MonotonicTime(nanoseconds: seconds * 1_000_000_000) }

private func items(_ machine: RolloutMachine, _ seconds: Int64) -> [[String]]? {
    machine.remainder(now: at(seconds))?.batches.map { $0.map { "\($0.backend.backend) \($0.phase)" } }
}

struct RemainderTests {
    private let pool = healthyPool(3)
    private let one = reference("web-1")

    private func machine(_ policy: Policy = Policy(), of count: Int = 3) throws -> RolloutMachine {
        RolloutMachine(try order(healthyPool(count), policy))
    }

    @Test("one after the other: what is in hand is first, with the time that its phase has lasted; what is done is gone")
    func rolling() throws {
        var machine = try machine()
        #expect(items(machine, 0) == [["web-1 ahead"], ["web-2 ahead"], ["web-3 ahead"]])
        _ = machine.handle(.begin, now: at(0))
        #expect(items(machine, 0)?.count == 3)
        let carried = RolloutMachine.LookEnd.pool(pool, capacity: .carries(text: ""))
        _ = machine.handle(.looked(.before(one), carried), now: at(1))
        #expect(items(machine, 6) == [["web-1 draining(5.0 seconds)"], ["web-2 ahead"], ["web-3 ahead"]])
        _ = machine.handle(.drainEnded(one, .drained), now: at(7))
        _ = machine.handle(.looked(.whenEmpty(one), carried), now: at(7))
        _ = machine.handle(.confirmed(one, .drained), now: at(7))
        #expect(items(machine, 9)?.first == ["web-1 restarting(2.0 seconds)"])
        _ = machine.handle(.restartEnded(one, .restarted), now: at(10))
        #expect(items(machine, 11)?.first == ["web-1 readying(1.0 seconds)"])
        _ = machine.handle(.probed(one, .up), now: at(12))
        _ = machine.handle(.undrained(one, .done), now: at(12))
        #expect(items(machine, 12)?.first == ["web-1 warming(0.0 seconds)"])
        _ = machine.handle(.warmed(one, .up), now: at(12))
        let left = try #require(machine.remainder(now: at(12)))
        #expect(items(machine, 12) == [["web-2 ahead"], ["web-3 ahead"]])
        #expect(left.done.map(\.restart) == [.seconds(3)] && left.done.map(\.ready) == [.seconds(2)])
    }

    @Test("waves: the canary by itself, then as many at once as may be out; the watch is ahead until it is over")
    func waves() throws {
        var policy = Policy()
        (policy.batch, policy.unavailableMax, policy.canary, policy.bake) = (2, 2, 1, .seconds(30))
        let machine = try machine(policy, of: 6)
        #expect(items(machine, 0)?.map(\.count) == [1, 2, 2, 1])
        #expect(machine.remainder(now: at(0))?.bake == .seconds(30))
    }

    @Test("a pool that serves nobody is restarted all at once")
    func hotStandby() throws {
        var policy = Policy()
        policy.strategy = .hotStandby(Policy.Standby(pool: PoolName(unchecked: "idle"), backends: [], listeners: [], switchesBack: true))
        #expect(items(try machine(policy), 0)?.map(\.count) == [3])
    }

    @Test("nobody predicts how long a stop takes")
    func stopping() throws {
        var machine = try machine()
        _ = machine.handle(.begin, now: at(0))
        _ = machine.handle(.looked(.before(one), .pool(pool, capacity: .carries(text: ""))), now: at(1))
        _ = machine.handle(.stopRequested, now: at(2))
        #expect(machine.remainder(now: at(2)) == nil)
    }
}
