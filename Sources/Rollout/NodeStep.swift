// One backend in hand: drain → empty → look once more → confirm the drain → restart → up by a probe that began after
// the restart → undrain → warm.
//
// Before its restart began it is healthy, so every way to stop puts it back; from then on it comes back only by that
// probe, else it stays drained. A drain that somebody else ends is theirs from then on: nothing more is done to it.
import Decisions
import Model

struct NodeStep: Equatable, Sendable {
    typealias Action = RolloutMachine.Action
    typealias Cause = Verdict.Cause

    enum Return: Equatable {
        case restarted
        case undone(Cause)
        /// Without fault: the others cannot do without it now; it comes to its turn again.
        case postponed(String)
    }

    /// What goes on once the drain is ours again.
    enum Later: Equatable {
        case finding
        case probing
        case versioning
        case returning
        case holding(Cause)
    }

    enum State: Equatable {
        /// Its release is asked for before anything is done.
        case asking
        case draining
        /// It may have taken long to become empty.
        case looking
        case confirming
        case restarting
        case retaking(Later)
        case finding
        case probing
        case versioning
        case returning(Return)
        case warming
        case holding(Cause)
        case settled(End)
    }

    enum End: Equatable {
        case done
        case postponed(String)
        case stopped(Verdict.Fate, Cause)
        /// In rotation, but the rollout must not go on.
        case doneButStopped(Cause)
    }

    let index: Int
    let step: Plan.Step
    let limits: RolloutLimits
    let began: MonotonicTime
    var direction: RolloutMachine.Direction
    /// When what is being waited for began.
    var waiting: MonotonicTime
    var times = StepTimes()
    var state = State.asking
    var release: String?
    /// A stop was asked for, once more while the restart or its probes went on: nothing is waited for.
    var isAbandoned = false
    /// Why the drain is no longer ours; the restart that had begun goes on.
    var lost: String?
    /// What made the step go back to the release before; its own end then.
    var failure: Cause?

    var backend: BackendReference { step.backend }
    private var way: RestartWay { direction == .forward ? step.restart : step.rollback ?? step.restart }
    private var isByHand: Bool { way.isManual }

    init(_ index: Int, of step: Plan.Step, _ direction: RolloutMachine.Direction, limits: RolloutLimits, now: MonotonicTime) {
        self.index = index
        self.step = step
        self.limits = limits
        self.direction = direction
        began = now
        waiting = now
    }

    /// Whether new connections may still go to it, or do again.
    var isOut: Bool {
        switch state {
        case .asking, .warming: false
        case .draining, .looking, .confirming, .restarting, .retaking, .finding, .probing, .versioning, .returning, .holding: true
        case .settled(let end): end != .done
        }
    }

    mutating func begin(_ now: MonotonicTime) -> [Action] {
        guard step.version == nil || direction == .rollback else { return wait(.asking, now, [.version(backend)]) }
        return drain(now)
    }

    mutating func wait(_ state: State, _ now: MonotonicTime, _ actions: [Action]) -> [Action] {
        self.state = state
        waiting = now
        return actions
    }

    mutating func settle(_ end: End, _ actions: [Action] = []) -> [Action] {
        state = .settled(end)
        return actions
    }

    func tell(_ milestone: Milestone) -> Action { .tell(backend, milestone) }

    func failed(_ phase: Verdict.Phase, _ reason: String, output: String = "") -> Cause {
        .failed(backend, phase, reason: reason, output: output)
    }
}

// Before the restart: the backend is healthy.
extension NodeStep {
    mutating func drain(_ now: MonotonicTime) -> [Action] {
        wait(.draining, now, [tell(.draining), .drain(backend, deadline: limits.drain)])
    }

    mutating func asked(_ end: RolloutMachine.VersionEnd, _ now: MonotonicTime) -> [Action] {
        switch end {
        case .version(let text):
            release = text
            return drain(now)
        case .failed(let reason): return settle(.stopped(.untouched, failed(.versioning, reason)))
        }
    }

    mutating func drainEnded(_ end: RolloutMachine.DrainEnd, _ others: [BackendReference], _ now: MonotonicTime) -> [Action] {
        switch end {
        case .drained:
            times.drain = waiting.duration(to: now)
            return wait(.looking, now, [
                tell(.drained(after: waiting.duration(to: now))), .look(.whenEmpty(backend), without: others, after: .zero),
            ])
        case .deadlinePassed: return putBack(.undone(.deadlinePassed(backend, limits.drain)), now)
        case .refused(let reason): return settle(.stopped(.untouched, .refused(reason)))
        case .failed(let reason): return putBack(.undone(failed(.draining, reason)), now)
        }
    }

    mutating func confirm(_ now: MonotonicTime) -> [Action] { wait(.confirming, now, [.confirm(backend)]) }

    mutating func confirmed(_ end: RolloutMachine.ConfirmEnd, _ now: MonotonicTime) -> [Action] {
        switch end {
        case .drained:
            // We may have been stopped while the answer lay unread: what was true then need not be true now.
            guard waiting.duration(to: now) <= Lease.trust else { return confirm(now) }
            return restart(now)
        case .lost(let reason): return drainLost(reason)
        case .failed(let reason): return putBack(.undone(failed(.draining, reason)), now)
        }
    }

    private mutating func restart(_ now: MonotonicTime) -> [Action] {
        let milestone = direction == .forward ? Milestone.restarting(way) : .rollingBack(way)
        return wait(.restarting, now, [tell(milestone), .restart(backend, direction, timeout: limits.restart)])
    }

    mutating func putBack(_ why: Return, _ now: MonotonicTime) -> [Action] {
        if times.drain == nil { times.drain = waiting.duration(to: now) }
        return switch why {
        // Broken already: what failed was bringing it back to the release before.
        case .undone(let cause) where failure != nil: hold(cause, now)
        case .undone(let cause): wait(.returning(why), now, [tell(.undoing(cause)), .undrain(backend)])
        case .postponed(let reason): wait(.returning(why), now, [tell(.postponing(reason)), .undrain(backend)])
        case .restarted: wait(.returning(why), now, [.undrain(backend)])
        }
    }

    /// A drain that is no longer ours: the backend is left as it is.
    private mutating func drainLost(_ reason: String, restartBegan: Bool = false) -> [Action] {
        let began = restartBegan || failure != nil
        return settle(
            .stopped(.drainLost(restartBegan: began, reason: reason), .drainLost(backend, reason: reason)), [tell(.drainLost(reason: reason))])
    }

    mutating func lost(_ reason: String) -> [Action] {
        switch state {
        case .draining, .looking, .confirming: return drainLost(reason)
        case .restarting, .finding:
            // A restart cut short would leave a broken node in rotation: it goes on to its end.
            guard lost == nil else { return [] }
            lost = reason
            return [tell(.drainLost(reason: reason))]
        case .probing, .versioning: return drainLost(reason, restartBegan: true)
        // The order that is on its way says how it stands.
        case .retaking, .returning, .holding: return []
        case .asking, .warming, .settled: return []
        }
    }
}

// From the restart on: only a probe that began after it says that the backend is well.
extension NodeStep {
    mutating func restartEnded(_ end: RolloutMachine.RestartEnd, _ now: MonotonicTime) -> [Action] {
        if end.hasRun { times.restart = waiting.duration(to: now) }
        if let lost { return restartOutlived(end, lost) }
        switch end {
        case .restarted where !isAbandoned:
            let took = waiting.duration(to: now)
            return [tell(direction == .forward ? .restarted(after: took) : .rolledBack(after: took)), tell(.probing)] + probe(now)
        case .restarted: return hold(.abandoned(backend, .restarting), now)
        // It is as it was before.
        case .notBegun(let reason):
            // A way back that could not begin leaves a broken one broken.
            if failure != nil { return hold(notBroughtBack(failed(.restarting, "it could not begin: \(reason)", output: "")), now) }
            return putBack(.undone(.restartNotBegun(backend, reason: reason)), now)
        case .unknown(let reason, let output): return hold(.restartUnknown(backend, reason: reason, output: output), now)
        case .failed where isAbandoned && isByHand:
            return hold(.restartUnknown(backend, reason: "stopped before anybody said that it was done", output: ""), now)
        case .failed where isAbandoned: return hold(.abandoned(backend, .restarting), now)
        case .failed(let reason, let output): return broken(failed(.restarting, reason, output: output), now)
        }
    }

    /// A command goes on during a pause, a person need not.
    mutating func leaveOut(from: MonotonicTime, to now: MonotonicTime) {
        guard isByHand, state == .restarting || state == .finding else { return }
        waiting = waiting.advanced(by: max(from, waiting).duration(to: now))
    }

    private mutating func restartOutlived(_ end: RolloutMachine.RestartEnd, _ reason: String) -> [Action] {
        let fate = Verdict.Fate.drainLost(restartBegan: true, reason: reason)
        switch end {
        case .restarted: return settle(.stopped(fate, .drainLost(backend, reason: reason)))
        case .failed(let why, let output): return settle(.stopped(fate, failed(.restarting, why, output: output)))
        case .notBegun:
            return settle(.stopped(.drainLost(restartBegan: failure != nil, reason: reason), .drainLost(backend, reason: reason)))
        case .unknown(let why, let output): return settle(.stopped(fate, .restartUnknown(backend, reason: why, output: output)))
        }
    }

    mutating func probe(_ now: MonotonicTime) -> [Action] {
        wait(.probing, now, [.probe(backend, timeout: limits.ready)])
    }

    mutating func probed(_ end: RolloutMachine.ProbeEnd, _ now: MonotonicTime) -> [Action] {
        times.ready = waiting.duration(to: now)
        switch end {
        case .up:
            let told = [tell(.up(after: waiting.duration(to: now)))]
            guard step.version != nil, direction == .forward else { return told + putBack(.restarted, now) }
            return told + wait(.versioning, now, [.version(backend)])
        case .failed(let reason): return broken(failed(.probing, reason), now)
        }
    }

    /// The release must be another; one that could not be asked is no new release either.
    mutating func asked(again end: RolloutMachine.VersionEnd, _ now: MonotonicTime) -> [Action] {
        var told: [Action] = []
        switch end {
        case .version(let text) where text != release: told = [tell(.changed(from: release ?? "", to: text))]
        case .version(let text): failure = failed(.versioning, "it runs \(text.escapedForOneLine) as before its restart")
        case .failed(let reason): failure = failed(.versioning, reason)
        }
        return told + putBack(.restarted, now)
    }

    /// With an earlier release at hand the node goes back to it; else it stays out.
    private mutating func broken(_ cause: Cause, _ now: MonotonicTime) -> [Action] {
        guard direction == .forward else { return hold(notBroughtBack(cause), now) }
        guard step.rollback != nil else { return hold(cause, now) }
        failure = cause
        direction = .rollback
        return [tell(.failed(cause))] + confirm(now)
    }

    /// Both what was wrong with the new release and what with the way back.
    private func notBroughtBack(_ cause: Cause) -> Cause {
        guard case .failed(_, let phase, let reason, let output) = cause else { return failure ?? cause }
        let text = phase == .probing ? "rolled back, but not up\(failure == nil ? "" : " either"): \(reason)" : "rollback failed: \(reason)"
        let first = failure.map { "\($0.short); " } ?? ""
        let printed = [failure?.output ?? "", output].filter { !$0.isEmpty }
        return failed(.rollingBack, first + text, output: printed.joined(separator: "\n"))
    }

    mutating func hold(_ cause: Cause, _ now: MonotonicTime) -> [Action] {
        wait(.holding(cause), now, [tell(.holding(cause)), .hold(backend, reason: cause.short)])
    }
}

// The end of a step.
extension NodeStep {
    mutating func undrained(_ end: RolloutMachine.OrderEnd, _ why: Return, _ now: MonotonicTime) -> [Action] {
        switch (end, why) {
        case (.done, .undone(let cause)): return settle(.stopped(.undone, cause), [tell(.undone)])
        case (.done, .postponed(let reason)): return settle(.postponed(reason), [tell(.undone)])
        case (.done, .restarted): return wait(.warming, now, [.warm(backend)])
        case (.lost(let reason), .undone(let cause)):
            return settle(.stopped(.drainLost(restartBegan: false, reason: reason), cause))
        case (.lost(let reason), .postponed): return drainLost(reason)
        case (.lost(let reason), .restarted): return drainLost(reason, restartBegan: true)
        case (.failed(let reason), .undone(let cause)): return settle(.stopped(.unclear(reason: reason), cause))
        case (.failed(let reason), .postponed), (.failed(let reason), .restarted):
            return settle(.stopped(.unclear(reason: reason), failed(.returning, reason)))
        }
    }

    mutating func warmed(_ end: RolloutMachine.ProbeEnd, _ now: MonotonicTime) -> [Action] {
        switch end {
        case .up: return back(now)
        case .failed(let reason): return settle(.doneButStopped(failed(.serving, reason)))
        }
    }

    private mutating func back(_ now: MonotonicTime) -> [Action] {
        let told = [tell(.back(step: began.duration(to: now)))]
        guard let failure else { return settle(.done, told) }
        return settle(direction == .rollback ? .stopped(.rolledBack, failure) : .doneButStopped(failure), told)
    }

    mutating func held(_ end: RolloutMachine.OrderEnd, _ cause: Cause) -> [Action] {
        switch end {
        case .done: settle(.stopped(.held, cause))
        case .lost(let reason): settle(.stopped(.drainLost(restartBegan: true, reason: reason), cause))
        case .failed(let reason): settle(.stopped(.leased(reason: reason), cause))
        }
    }
}

// Stops: `hurry` is the second.
extension NodeStep {
    mutating func stop(_ cause: Cause, hurry: Bool, _ now: MonotonicTime) -> [Action] {
        switch state {
        case .asking: return settle(.stopped(.untouched, cause))
        case .draining, .looking, .confirming:
            guard failure == nil else { return hurry ? abandon(.restarting, now) : [] }
            return putBack(.undone(cause), now)
        case .restarting, .finding:
            guard hurry, !isAbandoned else { return [] }
            isAbandoned = true
            return [.abandonRestart(backend)]
        case .retaking:
            if hurry { isAbandoned = true }
            return []
        case .probing, .versioning: return hurry ? abandon(.probing, now) : []
        case .warming: return hurry ? settle(.done) : []
        case .returning(.postponed):
            state = .returning(.undone(cause))
            return []
        case .returning, .holding, .settled: return []
        }
    }

    /// A second abort waits for what ends by itself, but for no person.
    mutating func stopWaitingForPerson() -> [Action] {
        guard isByHand, !isAbandoned else { return [] }
        switch state {
        case .restarting, .finding:
            isAbandoned = true
            return [.abandonRestart(backend)]
        case .retaking(.finding):
            isAbandoned = true
            return []
        case .retaking, .asking, .draining, .looking, .confirming, .probing, .versioning, .returning, .warming, .holding, .settled: return []
        }
    }

    private mutating func abandon(_ phase: Verdict.Phase, _ now: MonotonicTime) -> [Action] {
        if phase == .probing { times.ready = waiting.duration(to: now) }
        return hold(.abandoned(backend, phase), now)
    }
}

// After a time in which nobody was there: what was pending is asked for anew.
extension NodeStep {
    mutating func resume(_ now: MonotonicTime) -> [Action] {
        switch state {
        case .asking: return wait(.asking, now, [.version(backend)])
        // The lease may have ended, and connections come back: it begins again from its drain.
        case .draining, .looking, .confirming: return drain(now)
        case .restarting, .finding: return retake(.finding, now)
        case .probing: return retake(.probing, now)
        case .versioning: return retake(.versioning, now)
        case .returning(.restarted): return retake(.returning, now)
        case .holding(let cause): return retake(.holding(cause), now)
        case .retaking(let later): return retake(later, now)
        case .returning(.undone), .returning(.postponed): return wait(state, now, [.undrain(backend)])
        case .warming: return wait(.warming, now, [.warm(backend)])
        case .settled: return []
        }
    }

    private mutating func retake(_ later: Later, _ now: MonotonicTime) -> [Action] {
        // Where it was lost before, it may be ours again: the answer says so.
        lost = nil
        return wait(.retaking(later), now, [.retake(backend)])
    }

    mutating func retaken(_ end: RolloutMachine.OrderEnd, _ later: Later, _ now: MonotonicTime) -> [Action] {
        switch end {
        case .done: return goOn(later, now)
        case .lost(let reason):
            guard later == .finding else { return drainLost(reason, restartBegan: true) }
            lost = reason
            return [tell(.drainLost(reason: reason))] + goOn(later, now)
        case .failed(let reason):
            if case .holding(let cause) = later { return hold(cause, now) }
            return hold(failed(.returning, reason), now)
        }
    }

    private mutating func goOn(_ later: Later, _ now: MonotonicTime) -> [Action] {
        switch later {
        case .finding: return wait(.finding, now, [.findRestart(backend, direction)] + (isAbandoned ? [.abandonRestart(backend)] : []))
        case .probing: return isAbandoned ? abandon(.probing, now) : [tell(.probing)] + probe(now)
        case .versioning: return wait(.versioning, now, [.version(backend)])
        case .returning: return putBack(.restarted, now)
        case .holding(let cause): return hold(cause, now)
        }
    }

    mutating func found(_ end: RolloutMachine.FoundEnd, stopping cause: Cause?, _ now: MonotonicTime) -> [Action] {
        switch end {
        case .ended(let end): return restartEnded(end, now)
        case .neverStarted:
            if let lost { return drainLost(lost) }
            if let cause, failure == nil, direction == .forward { return putBack(.undone(cause), now) }
            return isAbandoned ? hold(.abandoned(backend, .restarting), now) : drain(now)
        }
    }
}

extension RolloutMachine.RestartEnd {
    /// Whether there is a time that it took.
    fileprivate var hasRun: Bool {
        switch self {
        case .restarted, .failed, .unknown: true
        case .notBegun: false
        }
    }
}
