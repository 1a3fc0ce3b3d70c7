// The rollout as a state machine: what happened goes in, what to do next comes out. No clock, no socket.
//
// A step: look again whether the others serve → drain → empty → look once more → confirm the drain → restart → up by
// a probe that began after the restart → undrain. After the last step: whether all of them serve. One backend is in hand at a time. Before its restart began it is healthy, so every way to
// stop puts it back; from then on it comes back only by that probe, else it stays drained. A drain that somebody
// else ends is theirs from then on: nothing more is done to that backend.
import Decisions
import Model

package struct RolloutLimits: Equatable, Sendable {
    /// How long one backend may take to become empty.
    package let drain: Duration
    package let restart: Duration
    /// How long a restarted backend may take until its probes say up.
    package let ready: Duration
    /// What becomes of the connections that are left then; those that are kept end the rollout.
    package let atDeadline: DrainEnd

    package init(drain: Duration, restart: Duration, ready: Duration, atDeadline: DrainEnd = .keep) {
        self.atDeadline = atDeadline
        self.drain = drain
        self.restart = restart
        self.ready = ready
    }
}

package struct StepMachine: Sendable {
    private enum Urgency: Equatable { case none, afterThisStep, now }

    private enum Return: Equatable {
        case restarted(Urgency)
        case undone(Verdict.Cause)
    }

    private struct Hand: Equatable {
        let index: Int
        let began: MonotonicTime
        /// When what is being waited for began.
        var waiting: MonotonicTime
        var times = StepTimes()
        /// Why the drain is no longer ours; the restart that had begun goes on.
        var lost: String?
    }

    private enum Look: Equatable {
        /// The step of this index is next; nothing is in hand.
        case before(Int)
        /// It may have taken long to become empty.
        case whenEmpty(Hand)
        case afterAll
    }

    private enum State: Equatable {
        case idle
        case looking(Look)
        case draining(Hand)
        case confirming(Hand)
        case restarting(Hand, Urgency)
        case probing(Hand, Urgency)
        case returning(Hand, Return)
        case holding(Hand, Verdict.Cause)
        case ended
    }

    private let plan: Plan
    private let limits: RolloutLimits
    private var state = State.idle
    private var nodes: [Verdict.Node]

    /// `plan`: one without obstacles.
    package init(plan: Plan, limits: RolloutLimits) {
        precondition(plan.obstacles.isEmpty && !plan.steps.isEmpty, "a plan that must not begin")
        self.plan = plan
        self.limits = limits
        nodes = plan.steps.map { Verdict.Node(backend: $0.backend, fate: .untouched, times: StepTimes()) }
    }

    package mutating func handle(_ input: Input, now: MonotonicTime) -> [Action] {
        switch input {
        case .begin:
            guard case .idle = state else { return never(input) }
            return look(.before(0))
        case .looked(let end): return answered(end, now)
        case .drainEnded(let end): return answered(end, now)
        case .confirmed(let end): return answered(end, now)
        case .restartEnded(let end): return answered(end, now)
        case .probed(let end): return answered(end, now)
        case .undrained(let end): return answered(undrain: end, now)
        case .held(let end): return answered(hold: end)
        case .drainLost(let reason): return lost(reason)
        case .stopRequested: return stop(now)
        }
    }

    private func never(_ input: Input) -> [Action] {
        preconditionFailure("\(input) while \(state): an answer to what was not asked for")
    }
}

// Which state an input meets. `[]`: late, the answer to what was given up.
extension StepMachine {
    private mutating func answered(_ end: LookEnd, _ now: MonotonicTime) -> [Action] {
        switch state {
        case .looking(let look): return looked(end, look, now)
        case .returning, .ended: return []
        case .idle, .draining, .confirming, .restarting, .probing, .holding: return never(.looked(end))
        }
    }

    private mutating func answered(_ end: DrainEnd, _ now: MonotonicTime) -> [Action] {
        switch state {
        case .draining(let hand): return drainEnded(end, hand, now)
        case .returning, .ended: return []
        case .idle, .looking, .confirming, .restarting, .probing, .holding: return never(.drainEnded(end))
        }
    }

    private mutating func answered(_ end: ConfirmEnd, _ now: MonotonicTime) -> [Action] {
        switch state {
        case .confirming(let hand): return confirmed(end, hand, now)
        case .returning, .ended: return []
        case .idle, .looking, .draining, .restarting, .probing, .holding: return never(.confirmed(end))
        }
    }

    private mutating func answered(_ end: RestartEnd, _ now: MonotonicTime) -> [Action] {
        switch state {
        case .restarting(let hand, let urgency): return restartEnded(end, hand, urgency, now)
        case .ended: return []
        case .idle, .looking, .draining, .confirming, .probing, .returning, .holding: return never(.restartEnded(end))
        }
    }

    private mutating func answered(_ end: ProbeEnd, _ now: MonotonicTime) -> [Action] {
        switch state {
        case .probing(let hand, let urgency): return probed(end, hand, urgency, now)
        case .holding, .ended: return []
        case .idle, .looking, .draining, .confirming, .restarting, .returning: return never(.probed(end))
        }
    }

    private mutating func answered(undrain end: OrderEnd, _ now: MonotonicTime) -> [Action] {
        switch state {
        case .returning(let hand, let why): return undrained(end, hand, why, now)
        case .ended: return []
        case .idle, .looking, .draining, .confirming, .restarting, .probing, .holding: return never(.undrained(end))
        }
    }

    private mutating func answered(hold end: OrderEnd) -> [Action] {
        switch state {
        case .holding(let hand, let cause): return held(end, hand, cause)
        case .ended: return []
        case .idle, .looking, .draining, .confirming, .restarting, .probing, .returning: return never(.held(end))
        }
    }

    private mutating func lost(_ reason: String) -> [Action] {
        switch state {
        case .draining(let hand), .looking(.whenEmpty(let hand)), .confirming(let hand):
            return drainLost(reason, hand, restartBegan: false)
        case .restarting(let hand, let urgency): return outlive(reason, hand, urgency)
        case .probing(let hand, _): return drainLost(reason, hand, restartBegan: true)
        // The order that is on its way says how it stands.
        case .returning, .holding: return []
        case .looking(.before), .looking(.afterAll), .ended: return []
        case .idle: return never(.drainLost(reason: reason))
        }
    }

    private mutating func stop(_ now: MonotonicTime) -> [Action] {
        switch state {
        case .idle: return end(.stopRequested)
        case .looking(let look): return stopLooking(look, now)
        case .draining(let hand), .confirming(let hand): return putBack(hand, .stopRequested, now)
        case .restarting(let hand, let urgency): return hurryRestart(hand, urgency)
        case .probing(let hand, let urgency): return hurryProbe(hand, urgency, now)
        case .returning(let hand, let why): return hurryReturn(hand, why)
        // A further one while the last order is on its way.
        case .holding, .ended: return []
        }
    }
}

// Before the restart: the backend in hand is healthy.
extension StepMachine {
    private mutating func look(_ look: Look) -> [Action] {
        state = .looking(look)
        return [.look]
    }

    private mutating func stopLooking(_ look: Look, _ now: MonotonicTime) -> [Action] {
        switch look {
        case .before, .afterAll: return end(.stopRequested)
        case .whenEmpty(let hand): return putBack(hand, .stopRequested, now)
        }
    }

    private mutating func looked(_ end: LookEnd, _ look: Look, _ now: MonotonicTime) -> [Action] {
        switch (end, look) {
        case (.failed(let reason), .before(let index)):
            return self.end(.failed(plan.steps[index].backend, .looking, reason: reason, output: ""))
        case (.failed(let reason), .whenEmpty(let hand)):
            return putBack(hand, .failed(plan.steps[hand.index].backend, .looking, reason: reason, output: ""), now)
        case (.failed(let reason), .afterAll):
            return self.end(.failed(plan.steps[plan.steps.count - 1].backend, .looking, reason: reason, output: ""))
        case (.pool(let pool), .before(let index)): return begin(index, pool, now)
        case (.pool(let pool), .whenEmpty(let hand)): return lookedWhenEmpty(pool, hand, now)
        case (.pool(let pool), .afterAll):
            return self.end(fallen(in: pool, upTo: plan.steps.count))
        }
    }

    private mutating func begin(_ index: Int, _ pool: PoolSnapshot, _ now: MonotonicTime) -> [Action] {
        let step = plan.steps[index]
        if let cause = missing(besides: index, in: pool) { return self.end(cause) }
        if let obstacle = Obstacle(to: step, in: pool) { return self.end(.refused(obstacle.description)) }
        state = .draining(Hand(index: index, began: now, waiting: now))
        return [.tell(step.backend, .draining), .drain(step.backend, deadline: limits.drain)]
    }

    /// Two rollouts may both have seen a whole pool before they drained: then both see it here, and put theirs back.
    private mutating func lookedWhenEmpty(_ pool: PoolSnapshot, _ hand: Hand, _ now: MonotonicTime) -> [Action] {
        if let cause = missing(besides: hand.index, in: pool) { return putBack(hand, cause, now) }
        return confirm(hand, now)
    }

    private mutating func confirm(_ hand: Hand, _ now: MonotonicTime) -> [Action] {
        var hand = hand
        hand.waiting = now
        state = .confirming(hand)
        return [.confirm(plan.steps[hand.index].backend)]
    }

    private mutating func confirmed(_ end: ConfirmEnd, _ hand: Hand, _ now: MonotonicTime) -> [Action] {
        let step = plan.steps[hand.index]
        switch end {
        case .drained:
            // We may have been stopped while the answer lay unread: what was true then need not be true now.
            guard hand.waiting.duration(to: now) <= Lease.trust else { return confirm(hand, now) }
            var hand = hand
            hand.waiting = now
            state = .restarting(hand, .none)
            return [.tell(step.backend, .restarting(command: step.command)), .restart(step, timeout: limits.restart)]
        case .lost(let reason): return drainLost(reason, hand, restartBegan: false)
        case .failed(let reason):
            return putBack(hand, .failed(step.backend, .draining, reason: reason, output: ""), now)
        }
    }

    private mutating func drainEnded(_ end: DrainEnd, _ hand: Hand, _ now: MonotonicTime) -> [Action] {
        let step = plan.steps[hand.index]
        switch end {
        case .drained:
            var hand = hand
            hand.times.drain = hand.waiting.duration(to: now)
            return [.tell(step.backend, .drained(after: hand.times.drain))] + look(.whenEmpty(hand))
        case .deadlinePassed: return putBack(hand, .deadlinePassed(step.backend, limits.drain), now)
        case .refused(let reason): return self.end(.refused(reason))
        case .failed(let reason):
            return putBack(hand, .failed(step.backend, .draining, reason: reason, output: ""), now)
        }
    }

    private mutating func putBack(_ hand: Hand, _ cause: Verdict.Cause, _ now: MonotonicTime) -> [Action] {
        let backend = plan.steps[hand.index].backend
        var hand = hand
        if hand.times.drain == .zero { hand.times.drain = hand.waiting.duration(to: now) }
        state = .returning(hand, .undone(cause))
        return [.tell(backend, .undoing(cause)), .undrain(backend)]
    }
}

// The others: nobody may be missing besides the one in hand, but for those that were so when it was planned.
extension StepMachine {
    private mutating func missing(besides index: Int, in pool: PoolSnapshot) -> Verdict.Cause? {
        if let cause = fallen(in: pool, upTo: index) { return cause }
        let backend = plan.steps[index].backend
        let restarted = plan.steps[..<index].map(\.backend)
        let other = pool.others(than: backend).first { other in
            let reference = BackendReference(pool: pool.name, backend: other.name)
            return !other.availability.isUsable && (restarted.contains(reference) || !plan.out.contains(reference))
        }
        guard let other else { return nil }
        noteOut(in: pool, upTo: index)
        return .refused("\(pool.name)/\(other.name) is \(other.standing): with \(backend) there would be two out at once")
    }

    /// One that was restarted, should take connections, and does not.
    private mutating func fallen(in pool: PoolSnapshot, upTo count: Int) -> Verdict.Cause? {
        let fallen = plan.steps[..<count].map(\.backend).first { backend in
            pool[backend].map { $0.wish == .ready && !$0.availability.isUsable } ?? false
        }
        guard let fallen, let now = pool[fallen] else { return nil }
        noteOut(in: pool, upTo: count)
        return .failed(fallen, .serving, reason: "is \(now.standing) now", output: "")
    }

    /// For the verdict: which of the restarted ones take no connections any more.
    private mutating func noteOut(in pool: PoolSnapshot, upTo count: Int) {
        for index in 0..<count {
            guard let now = pool[plan.steps[index].backend], !now.availability.isUsable else { continue }
            nodes[index].fate = .outAgain(now.standing)
        }
    }
}

// A drain that is no longer ours: the backend is left as it is, neither restarted nor undrained nor held.
extension StepMachine {
    private mutating func drainLost(_ reason: String, _ hand: Hand, restartBegan: Bool) -> [Action] {
        let backend = plan.steps[hand.index].backend
        settle(hand, .drainLost(restartBegan: restartBegan, reason: reason))
        return [.tell(backend, .drainLost(reason: reason))] + end(.drainLost(backend, reason: reason))
    }

    /// A restart cut short would leave a broken node in rotation: it goes on to its end.
    private mutating func outlive(_ reason: String, _ hand: Hand, _ urgency: Urgency) -> [Action] {
        guard hand.lost == nil else { return [] }
        var hand = hand
        hand.lost = reason
        state = .restarting(hand, urgency)
        return [.tell(plan.steps[hand.index].backend, .drainLost(reason: reason))]
    }

    private mutating func restartOutlived(_ end: RestartEnd, _ hand: Hand, _ reason: String) -> [Action] {
        let backend = plan.steps[hand.index].backend
        settle(hand, .drainLost(restartBegan: true, reason: reason))
        switch end {
        case .restarted: return self.end(.drainLost(backend, reason: reason))
        case .failed(let why, let output): return self.end(.failed(backend, .restarting, reason: why, output: output))
        }
    }
}

// From the restart on: only a probe that began after it says that the backend is well.
extension StepMachine {
    private mutating func restartEnded(_ end: RestartEnd, _ hand: Hand, _ urgency: Urgency, _ now: MonotonicTime) -> [Action] {
        let backend = plan.steps[hand.index].backend
        var hand = hand
        hand.times.restart = hand.waiting.duration(to: now)
        hand.waiting = now
        if let reason = hand.lost { return restartOutlived(end, hand, reason) }
        switch (end, urgency) {
        case (.restarted, .none), (.restarted, .afterThisStep):
            state = .probing(hand, urgency)
            return [
                .tell(backend, .restarted(after: hand.times.restart)), .tell(backend, .probing),
                .probe(backend, timeout: limits.ready),
            ]
        case (.restarted, .now), (.failed, .now): return hold(hand, .abandoned(backend, .restarting))
        case (.failed(let reason, let output), .none), (.failed(let reason, let output), .afterThisStep):
            return hold(hand, .failed(backend, .restarting, reason: reason, output: output))
        }
    }

    private mutating func hurryRestart(_ hand: Hand, _ urgency: Urgency) -> [Action] {
        switch urgency {
        case .none:
            state = .restarting(hand, .afterThisStep)
            return [.tell(plan.steps[hand.index].backend, .stopping)]
        case .afterThisStep:
            state = .restarting(hand, .now)
            return [.abandonRestart]
        case .now: return []
        }
    }

    private mutating func probed(_ end: ProbeEnd, _ hand: Hand, _ urgency: Urgency, _ now: MonotonicTime) -> [Action] {
        let backend = plan.steps[hand.index].backend
        var hand = hand
        hand.times.ready = hand.waiting.duration(to: now)
        switch end {
        case .up:
            state = .returning(hand, .restarted(urgency))
            return [.tell(backend, .up(after: hand.times.ready)), .undrain(backend)]
        case .failed(let reason):
            return hold(hand, .failed(backend, .probing, reason: reason, output: ""))
        }
    }

    private mutating func hurryProbe(_ hand: Hand, _ urgency: Urgency, _ now: MonotonicTime) -> [Action] {
        let backend = plan.steps[hand.index].backend
        guard urgency == .none else {
            var hand = hand
            hand.times.ready = hand.waiting.duration(to: now)
            return hold(hand, .abandoned(backend, .probing))
        }
        state = .probing(hand, .afterThisStep)
        return [.tell(backend, .stopping)]
    }

    private mutating func hold(_ hand: Hand, _ cause: Verdict.Cause) -> [Action] {
        let backend = plan.steps[hand.index].backend
        state = .holding(hand, cause)
        return [.tell(backend, .holding(cause)), .hold(backend, reason: cause.short)]
    }
}

// The end of a step, and of the rollout.
extension StepMachine {
    private mutating func undrained(_ end: OrderEnd, _ hand: Hand, _ why: Return, _ now: MonotonicTime) -> [Action] {
        let backend = plan.steps[hand.index].backend
        switch (end, why) {
        case (.done, .undone(let cause)):
            settle(hand, .undone)
            return [.tell(backend, .undone)] + self.end(cause)
        case (.done, .restarted(let urgency)):
            settle(hand, .restarted)
            let told = [Action.tell(backend, .back(step: hand.began.duration(to: now)))]
            guard hand.index + 1 < plan.steps.count else { return told + look(.afterAll) }
            return told + (urgency == .none ? look(.before(hand.index + 1)) : self.end(.stopRequested))
        case (.lost(let reason), .undone(let cause)):
            settle(hand, .drainLost(restartBegan: false, reason: reason))
            return self.end(cause)
        case (.lost(let reason), .restarted): return drainLost(reason, hand, restartBegan: true)
        case (.failed(let reason), .undone(let cause)):
            settle(hand, .unclear(reason: reason))
            return self.end(cause)
        case (.failed(let reason), .restarted):
            settle(hand, .unclear(reason: reason))
            return self.end(.failed(backend, .returning, reason: reason, output: ""))
        }
    }

    private mutating func hurryReturn(_ hand: Hand, _ why: Return) -> [Action] {
        switch why {
        case .undone, .restarted(.afterThisStep), .restarted(.now): return []
        case .restarted(.none):
            state = .returning(hand, .restarted(.afterThisStep))
            return [.tell(plan.steps[hand.index].backend, .stopping)]
        }
    }

    private mutating func held(_ end: OrderEnd, _ hand: Hand, _ cause: Verdict.Cause) -> [Action] {
        switch end {
        case .done: settle(hand, .held)
        case .lost(let reason): settle(hand, .drainLost(restartBegan: true, reason: reason))
        case .failed(let reason): settle(hand, .leased(reason: reason))
        }
        return self.end(cause)
    }

    private mutating func settle(_ hand: Hand, _ fate: Verdict.Fate) {
        nodes[hand.index].fate = fate
        nodes[hand.index].times = hand.times
    }

    private mutating func end(_ cause: Verdict.Cause?) -> [Action] {
        state = .ended
        return [.end(Verdict(plan: plan, cause: cause, nodes: nodes))]
    }
}
