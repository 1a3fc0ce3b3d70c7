// The rollout's ways, one by one: all well, each failure, and Ctrl-C at every point.
import Model
import Rollout
import Testing

@Suite struct RolloutMachineTests {
    private let pool = healthyPool(3)
    private var step: [Said] {
        [.looked(.pool(pool))] + emptied + [.restartEnded(.restarted), .probed(.up), .undrained(.done)]
    }
    private var emptied: [Said] { [.drainEnded(.drained), .looked(.pool(pool)), .confirmed(.drained)] }
    private var drained: [Said] { [.begin, .looked(.pool(pool))] + emptied }

    @Test func aWholeRollout() throws {
        var driven = try Driven(pool)
        #expect(driven.give(.begin) == [lookBefore("web-1")])
        #expect(driven.give(.looked(.pool(pool))) == [.drain(reference("web-1"), deadline: .seconds(60))])
        #expect(driven.give(.drainEnded(.drained)) == [.look(.whenEmpty(reference("web-1")), without: [], after: .zero)])
        #expect(driven.give(.looked(.pool(pool))) == [.confirm(reference("web-1"))])
        let restart = driven.give(.confirmed(.drained))
        guard case .restart(let planned, .forward, timeout: .seconds(20)) = restart.first else { throw Unexpected() }
        #expect(planned == reference("web-1"))
        #expect(driven.give(.restartEnded(.restarted)) == [.probe(reference("web-1"), timeout: .seconds(30))])
        #expect(driven.give(.probed(.up)) == [.undrain(reference("web-1"))])
        #expect(driven.give(.undrained(.done)) == [lookBefore("web-2")])
        #expect(driven.give(step + step) == [lookAfterAll])
        let verdict = try verdict(driven.give(.looked(.pool(pool))))
        #expect(verdict.cause == nil)
        #expect(fates(verdict) == [.restarted, .restarted, .restarted])
        #expect(verdict.nodes[2].times.drain == .seconds(1))
        #expect(verdict.explanation(wording).isEmpty)
        #expect(driven.told.last == .back(step: .seconds(6)))
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

    /// Fault: whoever waited longer restarted again what was restarted already.
    @Test func aDeadlineAfterOthersWereRestartedAsksForTheRestOnly() throws {
        var driven = try Driven(pool)
        _ = driven.give([.begin] + step + [.looked(.pool(pool)), .drainEnded(.deadlinePassed)])
        let verdict = try verdict(driven.give(.undrained(.done)))
        #expect(fates(verdict) == [.restarted, .undone, .untouched])
        #expect(verdict.explanation(longWording).last
            == "  wait longer:               lbctl rollout run web --restart 'a b' --only web-2,web-3 --drain-deadline 4m")
    }

    @Test func aFailedRestartStaysOut() throws {
        var driven = try Driven(pool)
        let failed = RolloutMachine.RestartEnd.failed(reason: "exit status 7", output: "no such unit\n\u{1B}[2J")
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

    /// Fault: a full disk of ours, or a command that has gone, left a healthy node out as broken.
    @Test(arguments: [nil, RestartWay.command(["back"])])
    func aRestartThatCouldNotBeginIsUndone(_ rollback: RestartWay?) throws {
        var driven = try Driven(pool, rollback: rollback)
        let notBegun = RolloutMachine.RestartEnd.notBegun(reason: "no space left")
        #expect(driven.give(drained + [.restartEnded(notBegun)]) == [.undrain(reference("web-1"))])
        let cause = Verdict.Cause.restartNotBegun(reference("web-1"), reason: "no space left")
        #expect(driven.told.last == .undoing(cause))
        let verdict = try verdict(driven.give(.undrained(.done)))
        #expect(verdict.cause == cause)
        #expect(fates(verdict) == [.undone, .untouched, .untouched])
        #expect(verdict.nodes[0].times.restart == nil, "a time of what never ran spoils the predictions")
        #expect(verdict.explanation(wording)[0].hasSuffix("web/web-1: its restart could not begin: no space left"))
        for input in [RolloutMachine.Input.restartEnded(reference("web-1"), notBegun), .restartFound(reference("web-1"), .ended(notBegun))] {
            #expect(try JournalEvent(input).input() == input)
        }
    }

    /// What failed for the node itself stays out: the way back is what could not begin.
    @Test func aRollbackThatCouldNotBeginLeavesABrokenNodeOut() throws {
        var driven = try Driven(pool, rollback: .command(["back"]))
        _ = driven.give(drained + [.restartEnded(.failed(reason: "exit status 7", output: "")), .confirmed(.drained)])
        let actions = driven.give(.restartEnded(.notBegun(reason: "no space left")))
        #expect(actions == [.hold(reference("web-1"), reason: "restart failed: exit status 7; rollback failed: it could not begin: no space left")])
    }

    /// A healthy one with the bad release goes on serving with it, and is not said to have the one before.
    @Test func aRollbackOfAHealthyOneThatCouldNotBeginIsUndone() throws {
        var driven = try Driven(pool, rollback: .command(["back"]))
        _ = driven.give([.begin] + step + [.other(.judgedBad(reason: "5 % resets")), .looked(.pool(pool))] + emptied)
        #expect(driven.give(.restartEnded(.notBegun(reason: "no space left"))) == [.undrain(reference("web-1"))])
        #expect(fates(try verdict(driven.give(.undrained(.done)))) == [.restarted, .untouched, .untouched])
    }

    /// Neither put back nor given again, nor is the release before brought back over a restart that may still go on.
    @Test(arguments: [nil, RestartWay.command(["back"])])
    func aRestartWhoseEndNobodyKnowsStaysOut(_ rollback: RestartWay?) throws {
        var driven = try Driven(pool, rollback: rollback)
        let unknown = RolloutMachine.RestartEnd.unknown(reason: "its runner was killed; see /x/output", output: "half")
        let reason = "what became of its restart is not known: its runner was killed; see /x/output"
        #expect(driven.give(drained + [.restartEnded(unknown)]) == [.hold(reference("web-1"), reason: reason)])
        let verdict = try verdict(driven.give(.held(.done)))
        #expect(fates(verdict) == [.held, .untouched, .untouched])
        let text = verdict.explanation(wording)
        #expect(text.contains("  | half") && text[0].hasSuffix(reason), "\(text)")
        for input in [RolloutMachine.Input.restartEnded(reference("web-1"), unknown), .restartFound(reference("web-1"), .ended(unknown))] {
            #expect(try JournalEvent(input).input() == input)
        }
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
        #expect(verdict.cause == .failed(reference("web-1"), .serving, reason: "is down now", output: ""))
        #expect(fates(verdict) == [.outAgain("down"), .untouched, .untouched])
        #expect(verdict.explanation(wording).first?.contains("web/web-1 was restarted and up, but is down now") == true)
    }

    /// Another that nobody knew to be missing: an operator's drain in mid-rollout, or a second rollout.
    @Test func refusesASecondOneOut() throws {
        let drained = Rollout.PoolSnapshot(name: pool.name, backends: [backend(1), backend(2), backend(3, .drained, wish: .drain, owner: "alice")])
        var driven = try Driven(pool)
        let verdict = try verdict(driven.give([.begin, .looked(.pool(drained))]))
        guard case .refused(let reason) = verdict.cause else { throw Unexpected() }
        #expect(reason.hasPrefix("web/web-3 is drained by 'alice'"))
    }

    /// Two rollouts that both saw a whole pool: each puts its own back before its restart.
    @Test func looksAgainWhenEmpty() throws {
        let other = Rollout.PoolSnapshot(name: pool.name, backends: [
            backend(1, .drained, wish: .drain, owner: "rollout-7"), backend(2, .draining, wish: .drain, owner: "rollout-8"), backend(3),
        ])
        var driven = try Driven(pool)
        #expect(driven.give([.begin, .looked(.pool(pool)), .drainEnded(.drained), .looked(.pool(other))]) == [.undrain(reference("web-1"))])
        let verdict = try verdict(driven.give(.undrained(.done)))
        guard case .refused = verdict.cause else { throw Unexpected() }
        #expect(fates(verdict) == [.undone, .untouched, .untouched])
    }

    /// What was down at the beginning is listed, and goes first; it counts from its restart on.
    @Test func whatWasOutAtTheBeginningDoesNotHinder() throws {
        let known = Rollout.PoolSnapshot(name: pool.name, backends: [backend(1), backend(2), backend(3, .down), backend(4, .down)])
        #expect(try plan(known).out == [reference("web-3"), reference("web-4")])
        var driven = try Driven(known)
        #expect(driven.give([.begin, .looked(.pool(known))]) == [.drain(reference("web-3"), deadline: .seconds(60))])
        #expect(driven.give([.drainEnded(.drained), .looked(.pool(known))]) == [.confirm(reference("web-3"))])
        let inputs: [Said] = [.confirmed(.drained), .restartEnded(.restarted), .probed(.up), .undrained(.done)]
        let verdict = try verdict(driven.give(inputs + [.looked(.pool(known))]))
        #expect(verdict.cause == .failed(reference("web-3"), .serving, reason: "is down now", output: ""))
    }

    @Test func aNodeThatDiedMeanwhileIsNoSuccess() throws {
        var driven = try Driven(pool)
        _ = driven.give([.begin] + step + step + step)
        let dead = Rollout.PoolSnapshot(name: pool.name, backends: [backend(1), backend(2, .down), backend(3)])
        let verdict = try verdict(driven.give(.looked(.pool(dead))))
        #expect(verdict.cause == .failed(reference("web-2"), .serving, reason: "is down now", output: ""))
        #expect(fates(verdict) == [.restarted, .outAgain("down"), .restarted])
    }

    /// Stopped by Ctrl-Z, the lease may have ended while the answer lay unread.
    @Test func anOldConfirmationIsAskedForAgain() throws {
        var driven = try Driven(pool)
        _ = driven.give([.begin, .looked(.pool(pool)), .drainEnded(.drained), .looked(.pool(pool))])
        driven.now = driven.now.advanced(by: Lease.trust)
        #expect(driven.give(.confirmed(.drained)) == [.confirm(reference("web-1"))])
        guard case .restart = driven.give(.confirmed(.drained)).first else { throw Unexpected() }
    }

    @Test(arguments: [[], [.drainEnded(.drained)], [.drainEnded(.drained), .looked(.pool(healthyPool(3)))]] as [[Said]])
    func aDrainThatIsLostBeforeTheRestartIsLeftAlone(_ before: [Said]) throws {
        var driven = try Driven(pool)
        let verdict = try verdict(driven.give([.begin, .looked(.pool(pool))] + before + [.drainLost(reason: "undrain by ann")]))
        #expect(verdict.cause == .drainLost(reference("web-1"), reason: "undrain by ann"))
        #expect(fates(verdict)[0] == .drainLost(restartBegan: false, reason: "undrain by ann"))
        #expect(driven.give(.confirmed(.drained)).isEmpty)
    }

    @Test func aConfirmationThatIsRefusedLeavesItAlone() throws {
        var driven = try Driven(pool)
        let inputs: [Said] = [.begin, .looked(.pool(pool)), .drainEnded(.drained), .looked(.pool(pool))]
        let verdict = try verdict(driven.give(inputs + [.confirmed(.lost(reason: "lease"))]))
        #expect(verdict.cause == .drainLost(reference("web-1"), reason: "lease"))
    }

    @Test func theRestIsOffered() throws {
        var driven = try Driven(pool)
        let words = Wording(
            program: "lbctl", commandLine: ["lbctl", "rollout", "run", "web", "--skip", "web-9", "--from=web-1", "--batch", "1"], owner: "me", lease: .seconds(30))
        let verdict = try verdict(driven.give([.begin] + step + [.stopRequested]))
        #expect(verdict.explanation(words).last == "  restart only the rest:     lbctl rollout run web --batch 1 --only web-2,web-3")
        let before = try RolloutTests.verdict(Driven(pool).given([.begin, .stopRequested]))
        #expect(!before.explanation(words).contains { $0.contains("--only") }, "nobody has the new release yet")
    }

    /// Fault: 'restart: pause' and a rollout that was paused for hours: all predictions of later ones were of hours.
    @Test func aPauseIsNoTimeOfARestart() throws {
        for (template, seconds) in [(RestartTemplate.pause("by hand"), 2), (.command(["restart"]), 1003)] {
            var driven = Driven(try order(pool, restart: template))
            _ = driven.give(drained)
            _ = driven.give(.other(.pauseRequested))
            driven.now = driven.now.advanced(by: .seconds(1000))
            _ = driven.give(.other(.continueRequested))
            _ = driven.give([.restartEnded(.restarted), .probed(.up), .undrained(.done)])
            let verdict = try verdict(driven.give(.stopRequested))
            #expect(verdict.nodes[0].times.restart == .seconds(seconds))
        }
    }

    @Test func aRestartOutlivesTheLossOfItsDrain() throws {
        var driven = try Driven(pool)
        #expect(driven.give(drained + [.drainLost(reason: "ann"), .drainLost(reason: "ann")]).isEmpty)
        let verdict = try verdict(driven.give(.restartEnded(.restarted)))
        #expect(verdict.cause == .drainLost(reference("web-1"), reason: "ann"))
        #expect(fates(verdict)[0] == .drainLost(restartBegan: true, reason: "ann"))
        #expect(driven.told.last == .drainLost(reason: "ann"))
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
    private var restarting: [Said] {
        [.begin, .looked(.pool(pool)), .drainEnded(.drained), .looked(.pool(pool)), .confirmed(.drained)]
    }

    @Test func whileItIsConfirmedItIsUndone() throws {
        var driven = try Driven(pool)
        #expect(driven.give(restarting.dropLast() + [.stopRequested]) == [.undrain(reference("web-1"))])
        #expect(driven.give(.confirmed(.drained)).isEmpty)
        #expect(fates(try verdict(driven.give(.undrained(.done))))[0] == .undone)
    }

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
        #expect(driven.give(restarting + [.stopRequested]).isEmpty)
        #expect(driven.give(.restartEnded(.restarted)) == [.probe(reference("web-1"), timeout: .seconds(30))])
        #expect(driven.give(.probed(.up)) == [.undrain(reference("web-1"))])
        let verdict = try verdict(driven.give(.undrained(.done)))
        #expect(verdict.cause == .stopRequested)
        #expect(fates(verdict) == [.restarted, .untouched, .untouched])
    }

    @Test func twiceDuringTheRestartLeavesItDrained() throws {
        var driven = try Driven(pool)
        let actions = driven.give(restarting + [.stopRequested, .stopRequested])
        #expect(actions == [.abandonRestart(reference("web-1"))])
        #expect(driven.give(.stopRequested).isEmpty)
        let end = RolloutMachine.RestartEnd.failed(reason: "interrupted", output: "")
        #expect(driven.give(.restartEnded(end)) == [.hold(reference("web-1"), reason: "stopped twice during its restart")])
        #expect(fates(try verdict(driven.give(.held(.done)))) == [.held, .untouched, .untouched])
    }

    /// Fault: a person who has gone home is waited for without end, however often somebody says 'abort'.
    @Test func aSecondAbortWaitsForNoPerson() throws {
        let person = try order(pool, restart: .pause("restart {backend}")), command = try order(pool)
        for (order, isByHand) in [(person, true), (command, false)] {
            var driven = Driven(order)
            _ = driven.give(restarting)
            let first = driven.give(.other(.abortRequested)), second = driven.give(.other(.abortRequested))
            #expect(first.isEmpty && second == (isByHand ? [.abandonRestart(reference("web-1"))] : []))
            #expect(driven.give(.other(.abortRequested)).isEmpty)
            guard isByHand else { continue }
            let held = driven.give(.restartEnded(.failed(reason: "interrupted", output: "")))
            #expect(held == [.hold(
                reference("web-1"), reason: "what became of its restart is not known: stopped before anybody said that it was done")])
            #expect(fates(try verdict(driven.give(.held(.done)))) == [.held, .untouched, .untouched])
        }
    }

    @Test func twiceDuringTheProbesLeavesItDrained() throws {
        var driven = try Driven(pool)
        let drained = restarting + [.restartEnded(.restarted)]
        #expect(driven.give(drained + [.stopRequested]).isEmpty)
        #expect(driven.give(.stopRequested) == [.hold(reference("web-1"), reason: "stopped twice before its probes said up")])
        #expect(driven.give(.probed(.up)).isEmpty)
        #expect(fates(try verdict(driven.give(.held(.done)))) == [.held, .untouched, .untouched])
    }

    @Test func inTheLastStepItIsDoneAnyway() throws {
        var driven = try Driven(healthyPool(2))
        let pool = healthyPool(2)
        let step: [Said] = [
            .looked(.pool(pool)), .drainEnded(.drained), .looked(.pool(pool)), .confirmed(.drained), .restartEnded(.restarted),
            .probed(.up), .undrained(.done),
        ]
        var last = step
        last.insert(.stopRequested, at: 5)
        #expect(try verdict(driven.give([.begin] + step + last + [.looked(.pool(pool))])).cause == nil)
    }
}

@Suite struct WaveTests {
    private let pool = healthyPool(4)

    private func policy(_ change: (inout Policy) -> Void) -> Policy {
        var policy = Policy()
        change(&policy)
        return policy
    }

    @Test func asManyAsAllowedAreInHandAndNoMore() throws {
        var driven = try Driven(pool, policy { ($0.batch, $0.unavailableMax) = (3, 2) })
        #expect(driven.give([.begin, .looked(.pool(pool))]) == [
            .drain(reference("web-1"), deadline: .seconds(60)), lookBefore("web-2", without: ["web-1"]),
        ])
        #expect(driven.give(.looked(.pool(pool))) == [.drain(reference("web-2"), deadline: .seconds(60))])
    }

    /// The first wave is smaller, and watched for its time before the next.
    @Test func aCanaryIsBaked() throws {
        var machine = RolloutMachine(try order(pool, policy { ($0.batch, $0.unavailableMax, $0.canary, $0.bake) = (2, 2, 1, .seconds(9)) }))
        let now = MonotonicTime(nanoseconds: 0), first = reference("web-1")
        let seen = RolloutMachine.LookEnd.pool(pool, capacity: .carries(text: ""))
        var last: [RolloutMachine.Action] = []
        for input in [
            .begin, .looked(.before(first), seen), .drainEnded(first, .drained), .looked(.whenEmpty(first), seen), .confirmed(first, .drained),
            .restartEnded(first, .restarted), .probed(first, .up), .undrained(first, .done), .warmed(first, .up),
        ] as [RolloutMachine.Input] { last = machine.handle(input, now: now) }
        #expect(last.last == .watch([first], for: .seconds(9)))
        #expect(machine.handle(.watched(.good(text: "fine")), now: now) == [.tell(nil, .judged("fine")), lookBefore("web-2")])
    }

    @Test func pausedNothingIsBegunUntilContinued() throws {
        var driven = try Driven(pool)
        #expect(driven.give([.begin, .other(.pauseRequested)]).isEmpty)
        #expect(driven.give(.looked(.pool(pool))).isEmpty)
        #expect(driven.give(.other(.continueRequested)) == [lookBefore("web-1")])
    }

    /// Refused at first, waited for later: the first is before anything was touched.
    @Test func aLoadBeyondTheOthersIsRefusedAtFirstAndWaitedForLater() throws {
        var driven = try Driven(pool)
        let refused = try verdict(driven.give([.begin, .looked(.short(pool, "12 too many"))]))
        #expect(refused.cause == .refused("12 too many"))
        driven = try Driven(pool)
        let step: [Said] = [
            .looked(.pool(pool)), .drainEnded(.drained), .looked(.pool(pool)), .confirmed(.drained), .restartEnded(.restarted), .probed(.up),
            .undrained(.done),
        ]
        let again = RolloutMachine.Action.look(.before(reference("web-2")), without: [reference("web-2")], after: .seconds(1))
        #expect(driven.give([.begin] + step + [.looked(.short(pool, "12 too many"))]) == [again])
        #expect(driven.told.last == .waitingForCapacity("12 too many"))
        #expect(driven.give(.looked(.pool(pool))) == [.drain(reference("web-2"), deadline: .seconds(60))])
        // It rose while the node became empty: the node helps until it has fallen.
        #expect(driven.give([.drainEnded(.drained), .looked(.short(pool, "9 too many"))]) == [.undrain(reference("web-2"))])
        #expect(driven.give(.undrained(.done)) == [again])
    }

    @Test func whatFailsGoesBackToTheReleaseBeforeWhereThereIsAWay() throws {
        var driven = try Driven(pool, rollback: .command(["back"]))
        let drained: [Said] = [.begin, .looked(.pool(pool)), .drainEnded(.drained), .looked(.pool(pool)), .confirmed(.drained)]
        #expect(driven.give(drained + [.restartEnded(.restarted), .probed(.failed(reason: "no"))]) == [.confirm(reference("web-1"))])
        #expect(driven.give(.confirmed(.drained)) == [.restart(reference("web-1"), .rollback, timeout: .seconds(20))])
        let verdict = try verdict(driven.give([.restartEnded(.restarted), .probed(.up), .undrained(.done)]))
        #expect(verdict.cause == .failed(reference("web-1"), .probing, reason: "no", output: ""))
        #expect(fates(verdict) == [.rolledBack, .untouched, .untouched, .untouched])
    }

    /// Fault: the end said 'restarted, but not up', and nothing of the way back.
    @Test func aWayBackThatFailsTooIsTold() throws {
        var driven = try Driven(pool, rollback: .command(["back"]))
        let drained: [Said] = [.begin, .looked(.pool(pool)), .drainEnded(.drained), .looked(.pool(pool)), .confirmed(.drained)]
        _ = driven.give(drained + [.restartEnded(.restarted), .probed(.failed(reason: "no")), .confirmed(.drained), .restartEnded(.restarted)])
        #expect(driven.told.contains(.rolledBack(after: .seconds(1))))
        let reason = "restarted, but not up: no; rolled back, but not up either: never"
        #expect(driven.give(.probed(.failed(reason: "never"))) == [.hold(reference("web-1"), reason: reason)])
        let text = try verdict(driven.give(.held(.done))).explanation(wording)
        #expect(text.first?.hasSuffix(reason) == true, "\(text)")
    }

    /// The newest first, and nobody who still has the release before.
    @Test func aBadReleaseGoesBackNewestFirst() throws {
        var driven = try Driven(pool, rollback: .command(["back"]))
        let step: [Said] = [
            .looked(.pool(pool)), .drainEnded(.drained), .looked(.pool(pool)), .confirmed(.drained), .restartEnded(.restarted), .probed(.up),
            .undrained(.done),
        ]
        #expect(driven.give([.begin] + step + step) == [lookBefore("web-3")])
        #expect(driven.give(.other(.judgedBad(reason: "5 % resets"))) == [lookBefore("web-2")])
        #expect(driven.give(step) == [lookBefore("web-1")])
        let verdict = try verdict(driven.give(step))
        #expect(verdict.cause == .badRelease(reason: "5 % resets"))
        #expect(fates(verdict) == [.rolledBack, .rolledBack, .untouched, .untouched])
    }

    /// Killed while the pool was looked at: whose turn it was goes back all the same.
    @Test func oneThatWasAboutToGoBackDoesSoAfterAKill() throws {
        var driven = try Driven(pool, rollback: .command(["back"]))
        let step: [Said] = [
            .looked(.pool(pool)), .drainEnded(.drained), .looked(.pool(pool)), .confirmed(.drained), .restartEnded(.restarted), .probed(.up),
            .undrained(.done),
        ]
        #expect(driven.give([.begin] + step + [.other(.judgedBad(reason: "5 % resets"))]) == [lookBefore("web-1")])
        #expect(driven.give(.other(.resumed)) == [lookBefore("web-1")])
        #expect(fates(try verdict(driven.give(step)))[0] == .rolledBack)
    }

    @Test func twiceWhileARestartIsFoundGivesItUp() throws {
        var driven = try Driven(pool)
        _ = driven.give([.begin, .looked(.pool(pool)), .drainEnded(.drained), .looked(.pool(pool)), .confirmed(.drained), .other(.resumed)])
        let node = reference("web-1")
        #expect(driven.give(.other(.retaken(node, .done))) == [.findRestart(node, .forward)])
        #expect(driven.give([.stopRequested, .stopRequested]) == [.abandonRestart(node)])
        let failed = RolloutMachine.FoundEnd.ended(.failed(reason: "interrupted", output: ""))
        #expect(driven.give(.other(.restartFound(node, failed))).contains { if case .hold = $0 { true } else { false } })
    }

    /// Nothing new is begun after a stop, whoever was looked at for its turn.
    @Test func aStopWhileThePoolIsLookedAtBeginsNoRollback() throws {
        var driven = try Driven(pool, rollback: .command(["back"]))
        let step: [Said] = [
            .looked(.pool(pool)), .drainEnded(.drained), .looked(.pool(pool)), .confirmed(.drained), .restartEnded(.restarted), .probed(.up),
            .undrained(.done),
        ]
        _ = driven.give([.begin] + step + [.other(.judgedBad(reason: "5 % resets")), .stopRequested])
        #expect(fates(try verdict(driven.give(.looked(.pool(pool)))))[0] == .restarted)
    }

    @Test func aReleaseThatDidNotChangeStopsTheRollout() throws {
        var driven = try Driven(pool, version: ["version"])
        #expect(driven.give([.begin, .looked(.pool(pool))]) == [.version(reference("web-1"))])
        #expect(driven.give(.other(.versioned(reference("web-1"), .version("7")))) == [.drain(reference("web-1"), deadline: .seconds(60))])
        let inputs: [Said] = [.drainEnded(.drained), .looked(.pool(pool)), .confirmed(.drained), .restartEnded(.restarted), .probed(.up)]
        #expect(driven.give(inputs) == [.version(reference("web-1"))])
        #expect(driven.give(.other(.versioned(reference("web-1"), .version("7")))) == [.undrain(reference("web-1"))])
        let verdict = try verdict(driven.give(.undrained(.done)))
        #expect(verdict.cause == .failed(reference("web-1"), .versioning, reason: "it runs 7 as before its restart", output: ""))
        #expect(fates(verdict)[0] == .restarted)
    }
}
