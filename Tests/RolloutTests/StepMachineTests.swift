// The rollout's ways, one by one: all well, each failure, and Ctrl-C at every point.
import Model
import Rollout
import Testing

/// The machine with a clock, seen without what it tells.
private struct Driven {
    var machine: StepMachine
    var now = MonotonicTime(nanoseconds: 0)
    var told: [Milestone] = []

    init(_ pool: PoolSnapshot) throws { machine = StepMachine(plan: try plan(pool), limits: limits) }

    mutating func give(_ input: StepMachine.Input) -> [StepMachine.Action] {
        now = now.advanced(by: .seconds(1))
        var orders: [StepMachine.Action] = []
        for action in machine.handle(input, now: now) {
            if case .tell(_, let milestone) = action { told.append(milestone) } else { orders.append(action) }
        }
        return orders
    }

    mutating func give(_ inputs: [StepMachine.Input]) -> [StepMachine.Action] {
        var last: [StepMachine.Action] = []
        for input in inputs { last = give(input) }
        return last
    }
}

private func fates(_ verdict: Verdict) -> [Verdict.Fate] { verdict.nodes.map(\.fate) }

private func verdict(_ actions: [StepMachine.Action]) throws -> Verdict {
    guard actions.count == 1, case .end(let verdict) = actions[0] else {
        Issue.record("no end: \(actions)")
        throw Unexpected()
    }
    return verdict
}

private struct Unexpected: Error {}

@Suite struct StepMachineTests {
    private let pool = healthyPool(3)
    private var step: [StepMachine.Input] {
        [.looked(.pool(pool)), .drainEnded(.drained), .restartEnded(.restarted), .probed(.up), .undrained(.done)]
    }
    private var drained: [StepMachine.Input] { [.begin, .looked(.pool(pool)), .drainEnded(.drained)] }

    @Test func aWholeRollout() throws {
        var driven = try Driven(pool)
        #expect(driven.give(.begin) == [.look])
        #expect(driven.give(.looked(.pool(pool))) == [.drain(reference("web-1"), deadline: .seconds(60))])
        let restart = driven.give(.drainEnded(.drained))
        guard case .restart(let planned, timeout: .seconds(20)) = restart.first else { throw Unexpected() }
        #expect(planned.command == ["restart", "web-1"])
        #expect(driven.give(.restartEnded(.restarted)) == [.probe(reference("web-1"), timeout: .seconds(30))])
        #expect(driven.give(.probed(.up)) == [.undrain(reference("web-1"))])
        #expect(driven.give(.undrained(.done)) == [.look])
        let verdict = try verdict(driven.give(step + step))
        #expect(verdict.cause == nil)
        #expect(fates(verdict) == [.restarted, .restarted, .restarted])
        #expect(verdict.nodes[2].times.drain == .seconds(1))
        #expect(verdict.explanation(wording).isEmpty)
        #expect(driven.told.last == .back(step: .seconds(4)))
    }

    @Test func aDeadlinePutsTheHealthyNodeBack() throws {
        var driven = try Driven(pool)
        #expect(driven.give([.begin, .looked(.pool(pool)), .drainEnded(.deadlinePassed)]) == [.undrain(reference("web-1"))])
        let verdict = try verdict(driven.give(.undrained(.done)))
        #expect(verdict.cause == .deadlinePassed(reference("web-1"), .seconds(60)))
        #expect(fates(verdict) == [.undone, .untouched, .untouched])
        #expect(verdict.explanation(wording).last == "  wait longer:               lbctl rollout run web --drain-deadline 4m")
        #expect(verdict.explanation(longWording).last == "  wait longer:               lbctl rollout run web --restart 'a b' --drain-deadline 4m")
    }

    @Test func aFailedRestartStaysOut() throws {
        var driven = try Driven(pool)
        let failed = StepMachine.RestartEnd.failed(reason: "exit status 7", output: "no such unit\n\u{1B}[2J")
        #expect(driven.give(drained + [.restartEnded(failed)]) == [.hold(reference("web-1"), reason: "restart failed: exit status 7")])
        let verdict = try verdict(driven.give(.held(.done)))
        #expect(fates(verdict) == [.held, .untouched, .untouched])
        let text = verdict.explanation(wording)
        #expect(text[0] == "rollout of pool web stopped after 0 of 3 backends: web/web-1: restart failed: exit status 7")
        #expect(text.contains("  | no such unit"))
        #expect(!text.joined().contains("\u{1B}"))
        #expect(text.contains("  web/web-1: drained by rollout-7, stays out until somebody undrains it"))
        #expect(text.contains("  when it is well again:     lbctl undrain web/web-1 --owner rollout-7"))
        #expect(text.last == "  then restart the pool:     lbctl rollout run web")
    }

    @Test func aNodeThatNeverComesBackStaysOut() throws {
        var driven = try Driven(pool)
        let actions = driven.give(drained + [.restartEnded(.restarted), .probed(.failed(reason: "connect: Connection refused"))])
        #expect(actions == [.hold(reference("web-1"), reason: "restarted, but not up: connect: Connection refused")])
        #expect(fates(try verdict(driven.give(.held(.failed(reason: "gone"))))) == [.leased(reason: "gone"), .untouched, .untouched])
    }

    @Test func looksAgainBeforeEachDrain() throws {
        var driven = try Driven(pool)
        let others = Rollout.PoolSnapshot(name: pool.name, backends: [backend(1, .down), backend(2), backend(3, .down)])
        let verdict = try verdict(driven.give([.begin] + step + [.looked(.pool(others))]))
        guard case .refused = verdict.cause else { throw Unexpected() }
        #expect(fates(verdict) == [.restarted, .untouched, .untouched])
    }

    @Test func aBackendThatMovedIsNotRestarted() throws {
        var driven = try Driven(pool)
        let moved = Rollout.PoolSnapshot(name: pool.name, backends: [backend(1, port: 1), backend(2), backend(3)])
        guard case .refused = try verdict(driven.give([.begin, .looked(.pool(moved))])).cause else { throw Unexpected() }
    }

    @Test func aDrainThatWasRefusedIsNotUndone() throws {
        var driven = try Driven(pool)
        let verdict = try verdict(driven.give([.begin, .looked(.pool(pool)), .drainEnded(.refused(reason: "drained by alice"))]))
        #expect(verdict.cause == .refused("drained by alice"))
        #expect(fates(verdict) == [.untouched, .untouched, .untouched])
    }

    @Test func anUndrainThatFailsIsSaid() throws {
        var driven = try Driven(pool)
        let inputs = drained + [.restartEnded(.restarted), .probed(.up), .undrained(.failed(reason: "no answer"))]
        let verdict = try verdict(driven.give(inputs))
        #expect(verdict.cause == .failed(reference("web-1"), .returning, reason: "no answer", output: ""))
        #expect(fates(verdict)[0] == .unclear(reason: "no answer"))
    }
}

@Suite struct StopTests {
    private let pool = healthyPool(3)

    @Test func beforeTheDrainNothingIsTouched() throws {
        var driven = try Driven(pool)
        #expect(try verdict(driven.give([.begin, .stopRequested])).cause == .stopRequested)
        #expect(driven.give(.looked(.pool(pool))).isEmpty)
    }

    @Test func duringTheDrainItIsUndoneAndALateDrainedIsIgnored() throws {
        var driven = try Driven(pool)
        #expect(driven.give([.begin, .looked(.pool(pool)), .stopRequested]) == [.undrain(reference("web-1"))])
        #expect(driven.give(.drainEnded(.drained)).isEmpty)
        #expect(driven.give(.stopRequested).isEmpty)
        #expect(fates(try verdict(driven.give(.undrained(.done)))) == [.undone, .untouched, .untouched])
    }

    @Test func duringTheRestartTheStepIsFinished() throws {
        var driven = try Driven(pool)
        #expect(driven.give([.begin, .looked(.pool(pool)), .drainEnded(.drained), .stopRequested]).isEmpty)
        #expect(driven.give(.restartEnded(.restarted)) == [.probe(reference("web-1"), timeout: .seconds(30))])
        #expect(driven.give(.probed(.up)) == [.undrain(reference("web-1"))])
        let verdict = try verdict(driven.give(.undrained(.done)))
        #expect(verdict.cause == .stopRequested)
        #expect(fates(verdict) == [.restarted, .untouched, .untouched])
    }

    @Test func twiceDuringTheRestartLeavesItDrained() throws {
        var driven = try Driven(pool)
        let actions = driven.give([.begin, .looked(.pool(pool)), .drainEnded(.drained), .stopRequested, .stopRequested])
        #expect(actions == [.abandonRestart])
        #expect(driven.give(.stopRequested).isEmpty)
        let end = StepMachine.RestartEnd.failed(reason: "interrupted", output: "")
        #expect(driven.give(.restartEnded(end)) == [.hold(reference("web-1"), reason: "stopped twice during its restart")])
        #expect(fates(try verdict(driven.give(.held(.done)))) == [.held, .untouched, .untouched])
    }

    @Test func twiceDuringTheProbesLeavesItDrained() throws {
        var driven = try Driven(pool)
        let drained: [StepMachine.Input] = [.begin, .looked(.pool(pool)), .drainEnded(.drained), .restartEnded(.restarted)]
        #expect(driven.give(drained + [.stopRequested]).isEmpty)
        #expect(driven.give(.stopRequested) == [.hold(reference("web-1"), reason: "stopped twice before its probes said up")])
        #expect(driven.give(.probed(.up)).isEmpty)
        #expect(fates(try verdict(driven.give(.held(.done)))) == [.held, .untouched, .untouched])
    }

    @Test func inTheLastStepItIsDoneAnyway() throws {
        var driven = try Driven(healthyPool(2))
        let pool = healthyPool(2)
        let step: [StepMachine.Input] = [
            .looked(.pool(pool)), .drainEnded(.drained), .restartEnded(.restarted), .probed(.up), .undrained(.done),
        ]
        var last = step
        last.insert(.stopRequested, at: 3)
        #expect(try verdict(driven.give([.begin] + step + last)).cause == nil)
    }
}
