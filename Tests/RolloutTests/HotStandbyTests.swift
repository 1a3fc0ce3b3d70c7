// A standby pool that serves meanwhile: proved, switched to, left again. Faults: a node restarted under traffic, and an end
// that leaves nobody knowing where the traffic goes.
import Model
@testable import Rollout
import Testing

@Suite struct HotStandbyTests {
    private let pool = healthyPool(2)
    private let idle = PoolName(unchecked: "idle")

    private let listeners = [ListenerName(unchecked: "web"), ListenerName(unchecked: "web-too")]

    private func driven(switchesBack: Bool) throws -> Driven {
        var policy = Policy()
        policy.strategy = .hotStandby(Policy.Standby(pool: idle, backends: [], listeners: listeners, switchesBack: switchesBack))
        return try Driven(pool, policy)
    }

    @Test func trafficGoesToTheStandbyAndBack() throws {
        var driven = try driven(switchesBack: true)
        #expect(driven.give(.begin) == [.proveStandby(timeout: .seconds(30))])
        #expect(driven.give(.other(.standbyProved(.up))) == [.switchTraffic(to: idle)])
        #expect(driven.give(.other(.switched(.done))) == [lookBefore("web-1")])
        #expect(driven.give(.looked(.pool(pool))) == [.drain(reference("web-1"), deadline: .seconds(60)), lookBefore("web-2", without: ["web-1"])])
        #expect(driven.give(.looked(.pool(pool))) == [.drain(reference("web-2"), deadline: .seconds(60))])
        for name in ["web-1", "web-2"] {
            let node = reference(name)
            _ = driven.give(.other(.drainEnded(node, .drained)))
            _ = driven.give([
                .other(.looked(.whenEmpty(node), .pool(pool, capacity: .carries(text: "")))), .other(.confirmed(node, .drained)),
                .other(.restartEnded(node, .restarted)), .other(.probed(node, .up)),
            ])
        }
        #expect(driven.give(.other(.undrained(reference("web-1"), .done))).isEmpty)
        #expect(driven.give(.other(.undrained(reference("web-2"), .done))) == [lookAfterAll])
        #expect(driven.give(.looked(.pool(pool))) == [.switchTraffic(to: pool.name)])
        #expect(try verdict(driven.give(.other(.switched(.done)))).cause == nil)
    }

    /// Reversible: as long as nothing was restarted a stop sends the traffic back.
    @Test func aStopBeforeAnyRestartSendsItBack() throws {
        var driven = try driven(switchesBack: false)
        _ = driven.give([.begin, .other(.standbyProved(.up)), .other(.switched(.done)), .looked(.pool(pool)), .looked(.pool(pool))])
        _ = driven.give(.stopRequested)
        _ = driven.give(.other(.undrained(reference("web-1"), .done)))
        #expect(driven.give(.other(.undrained(reference("web-2"), .done))) == [.switchTraffic(to: pool.name)])
    }

    /// No client is sent to a pool one of which has fallen again: all traffic stays where it is served.
    @Test func trafficStaysAtTheStandbyWhereARestartedOneHasFallen() throws {
        var driven = try driven(switchesBack: true)
        _ = driven.give([.begin, .other(.standbyProved(.up)), .other(.switched(.done)), .looked(.pool(pool)), .looked(.pool(pool))])
        for name in ["web-1", "web-2"] {
            let node = reference(name)
            _ = driven.give(.other(.drainEnded(node, .drained)))
            _ = driven.give([
                .other(.looked(.whenEmpty(node), .pool(pool, capacity: .carries(text: "")))), .other(.confirmed(node, .drained)),
                .other(.restartEnded(node, .restarted)), .other(.probed(node, .up)), .other(.undrained(node, .done)),
            ])
        }
        let verdict = try verdict(driven.give(.looked(.pool(RolloutTests.pool([backend(1, .down), backend(2, .down)])))))
        #expect(verdict.cause == .failed(reference("web-1"), .serving, reason: "is down now", output: ""))
    }

    private let spare = BackendReference(pool: PoolName(unchecked: "idle"), backend: BackendName(unchecked: "idle-1"))

    /// A machine that is watched after each switch: `Driven` would say by itself that all is well.
    private func watched(rollback: RestartWay? = nil) throws -> RolloutMachine {
        var policy = Policy()
        policy.strategy = .hotStandby(Policy.Standby(pool: idle, backends: [spare], listeners: listeners, switchesBack: true, bake: .seconds(9)))
        return RolloutMachine(try order(pool, policy, rollback: rollback))
    }

    private func give(_ inputs: [RolloutMachine.Input], to machine: inout RolloutMachine) -> [RolloutMachine.Action] {
        var last: [RolloutMachine.Action] = []
        for input in inputs { last = machine.handle(input, now: MonotonicTime(nanoseconds: 0)) }
        return last.filter { if case .tell = $0 { false } else { true } }
    }

    private var steps: [RolloutMachine.Input] {
        let seen = RolloutMachine.LookEnd.pool(pool, capacity: .carries(text: "")), nodes = ["web-1", "web-2"].map(reference)
        return nodes.map { .looked(.before($0), seen) } + nodes.flatMap { node -> [RolloutMachine.Input] in
            [
                .drainEnded(node, .drained), .looked(.whenEmpty(node), seen), .confirmed(node, .drained), .restartEnded(node, .restarted),
                .probed(node, .up), .undrained(node, .done), .warmed(node, .up),
            ]
        } + [.watched(.good(text: "")), .looked(.afterAll, seen)]
    }

    /// Fault: all traffic went to a standby with a bad release, and the pool that was good was restarted.
    @Test func aBadStandbyIsLeftBeforeAnythingIsRestarted() throws {
        for judged in [RolloutMachine.Input.watched(.bad(reason: "5 % resets")), .judgedBad(reason: "5 % resets")] {
            var machine = try watched()
            #expect(give([.begin, .standbyProved(.up), .switched(.done)], to: &machine) == [.watch([spare], for: .seconds(9))])
            #expect(give([.resumed], to: &machine) == [.watch([spare], for: .seconds(9))])
            #expect(give([judged], to: &machine) == [.switchTraffic(to: pool.name)])
            let verdict = try verdict(give([.switched(.done)], to: &machine))
            #expect(verdict.cause == .badRelease(reason: "5 % resets") && fates(verdict) == [.untouched, .untouched] && verdict.standby == nil)
        }
    }

    /// Fault: a pool that came back with a bad release was done, and nobody looked.
    @Test func aPoolThatComesBackBadIsLeftAgainAndTakenBack() throws {
        var machine = try watched(rollback: .command(["back"]))
        #expect(give([.begin, .standbyProved(.up), .switched(.done), .watched(.good(text: ""))] + steps, to: &machine) == [.switchTraffic(to: pool.name)])
        #expect(give([.switched(.done)], to: &machine) == [.watch(["web-1", "web-2"].map(reference), for: .seconds(9))])
        #expect(give([.watched(.bad(reason: "5 % resets"))], to: &machine) == [.switchTraffic(to: idle)])
        let back = ["web-2", "web-1"].map(reference).flatMap { node -> [RolloutMachine.Input] in
            let seen = RolloutMachine.LookEnd.pool(pool, capacity: .carries(text: ""))
            return [
                .looked(.before(node), seen), .drainEnded(node, .drained), .looked(.whenEmpty(node), seen), .confirmed(node, .drained),
                .restartEnded(node, .restarted), .probed(node, .up), .undrained(node, .done), .warmed(node, .up),
            ]
        }
        #expect(give([.switched(.done)] + back, to: &machine) == [.switchTraffic(to: pool.name)])
        let verdict = try verdict(give([.switched(.done)], to: &machine))
        #expect(verdict.cause == .badRelease(reason: "5 % resets") && fates(verdict) == [.rolledBack, .rolledBack])
    }

    @Test func aGoodOneIsDoneAndTheJournalKeepsTheTime() throws {
        var machine = try watched()
        let inputs = [.begin, .standbyProved(.up), .switched(.done), .watched(.good(text: ""))] + steps + [.switched(.done)]
        _ = give(inputs, to: &machine)
        #expect(try verdict(give([.watched(.good(text: ""))], to: &machine)).cause == nil)
        #expect(try JournalBegin(machine.order, version: "1").order() == machine.order)
    }

    @Test func aStandbyThatIsNotUpIsRefused() throws {
        var driven = try driven(switchesBack: false)
        let verdict = try verdict(driven.give([.begin, .other(.standbyProved(.failed(reason: "idle/a is down")))]))
        #expect(verdict.cause == .refused("standby pool idle cannot take the traffic: idle/a is down"))
    }

    /// Whoever finds it so at night must not have to work out where the traffic is, nor what the listeners are called.
    @Test func aSwitchThatFailsSaysWhatToType() throws {
        var driven = try driven(switchesBack: true)
        let failed = RolloutMachine.OrderEnd.failed(reason: "no answer; now listener web leads to pool idle")
        let verdict = try verdict(driven.give([.begin, .other(.standbyProved(.up)), .other(.switched(failed))]))
        let text = verdict.explanation(wording)
        #expect(text[0].hasSuffix("the traffic could not be switched to pool idle: no answer; now listener web leads to pool idle"))
        #expect(text.contains("  all of it to pool idle: lbctl listener set web web-too pool=idle"), "\(text)")
        #expect(text.contains("  all of it to pool web: lbctl listener set web web-too pool=web"), "\(text)")
    }

    @Test func aRolloutThatEndsOnTheStandbySaysSo() throws {
        var driven = try driven(switchesBack: false)
        _ = driven.give([.begin, .other(.standbyProved(.up)), .other(.switched(.done)), .looked(.pool(pool)), .looked(.pool(pool))])
        for name in ["web-1", "web-2"] {
            let node = reference(name)
            _ = driven.give([
                .other(.drainEnded(node, .drained)), .other(.looked(.whenEmpty(node), .pool(pool, capacity: .carries(text: "")))),
                .other(.confirmed(node, .drained)), .other(.restartEnded(node, .restarted)), .other(.probed(node, .up)),
                .other(.undrained(node, .done)),
            ])
        }
        let text = try verdict(driven.give(.looked(.pool(pool)))).explanation(wording)
        #expect(text == ["all traffic goes to pool idle; to pool web again: lbctl listener set web web-too pool=web"])
    }
}
