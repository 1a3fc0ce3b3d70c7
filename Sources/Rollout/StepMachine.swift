// The rollout as a state machine: what happened goes in, what to do next comes out. No clock, no socket.
//
// A step: look again whether the others serve → drain → empty → restart → up by a probe that began after the
// restart → undrain. One backend is in hand at a time. Before its restart began it is healthy, so every way to
// stop puts it back; from then on it comes back only by that probe, else it stays drained.
import Model

package struct RolloutLimits: Equatable, Sendable {
    /// How long one backend may take to become empty.
    package let drain: Duration
    package let restart: Duration
    /// How long a restarted backend may take until its probes say up.
    package let ready: Duration

    package init(drain: Duration, restart: Duration, ready: Duration) {
        self.drain = drain
        self.restart = restart
        self.ready = ready
    }
}

package struct StepMachine: Sendable {
    /// What happened. Each of the middle ones answers the action of that name.
    package enum Input: Equatable, Sendable {
        case begin
        case looked(LookEnd)
        case drainEnded(DrainEnd)
        case restartEnded(RestartEnd)
        case probed(ProbeEnd)
        case undrained(OrderEnd)
        case held(OrderEnd)
        /// Ctrl-C or SIGTERM: once means soon, twice means now.
        case stopRequested
    }

    package enum LookEnd: Equatable, Sendable {
        case pool(PoolSnapshot)
        case failed(reason: String)
    }

    package enum DrainEnd: Equatable, Sendable {
        /// Empty: no connection holds it and none can newly arrive.
        case drained
        case deadlinePassed
        /// The drain never began: it is somebody else's to say.
        case refused(reason: String)
        case failed(reason: String)
    }

    package enum RestartEnd: Equatable, Sendable {
        case restarted
        /// `output`: the last of what the command printed.
        case failed(reason: String, output: String)
    }

    package enum ProbeEnd: Equatable, Sendable {
        /// By probes that all began after they were asked for.
        case up
        case failed(reason: String)
    }

    package enum OrderEnd: Equatable, Sendable {
        case done
        case failed(reason: String)
    }

    /// What to do next. `undrain`, `hold` and `abandonRestart` also end whatever was being waited for.
    package enum Action: Equatable, Sendable {
        case look
        /// Drained under our own lease, renewed until `undrain` or `hold`.
        case drain(BackendReference, deadline: Duration)
        case restart(Plan.Step, timeout: Duration)
        case probe(BackendReference, timeout: Duration)
        case undrain(BackendReference)
        /// Keeps it drained without a lease: it must not come back when we are gone.
        case hold(BackendReference, reason: String)
        case abandonRestart
        case tell(BackendReference, Milestone)
        case end(Verdict)
    }

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
    }

    private enum State: Equatable {
        case idle
        /// The step of this index is next; nothing is in hand.
        case looking(Int)
        case draining(Hand)
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
        switch (state, input) {
        case (.idle, .begin): return look(0)
        case (.idle, .stopRequested), (.looking, .stopRequested): return end(.stopRequested)
        case (.looking(let index), .looked(let end)): return looked(end, index, now)
        case (.draining(let hand), .drainEnded(let end)): return drainEnded(end, hand, now)
        case (.draining(let hand), .stopRequested): return putBack(hand, .stopRequested, now)
        case (.restarting(let hand, let urgency), .restartEnded(let end)): return restartEnded(end, hand, urgency, now)
        case (.restarting(let hand, let urgency), .stopRequested): return hurryRestart(hand, urgency)
        case (.probing(let hand, let urgency), .probed(let end)): return probed(end, hand, urgency, now)
        case (.probing(let hand, let urgency), .stopRequested): return hurryProbe(hand, urgency, now)
        case (.returning(let hand, let why), .undrained(let end)): return undrained(end, hand, why, now)
        case (.returning(let hand, let why), .stopRequested): return hurryReturn(hand, why)
        case (.holding(let hand, let cause), .held(let end)): return held(end, hand, cause)

        // Late: the answer to what was given up, or a further Ctrl-C while the last order is on its way.
        case (.returning, .drainEnded), (.holding, .probed), (.holding, .stopRequested),
            (.ended, .looked), (.ended, .drainEnded), (.ended, .restartEnded), (.ended, .probed),
            (.ended, .undrained), (.ended, .held), (.ended, .stopRequested):
            return []

        // Never: an answer to what was not asked for.
        case (.idle, .looked), (.idle, .drainEnded), (.idle, .restartEnded), (.idle, .probed), (.idle, .undrained), (.idle, .held),
            (.looking, .begin), (.looking, .drainEnded), (.looking, .restartEnded), (.looking, .probed), (.looking, .undrained),
            (.looking, .held), (.draining, .begin), (.draining, .looked), (.draining, .restartEnded), (.draining, .probed),
            (.draining, .undrained), (.draining, .held), (.restarting, .begin), (.restarting, .looked),
            (.restarting, .drainEnded), (.restarting, .probed), (.restarting, .undrained), (.restarting, .held),
            (.probing, .begin), (.probing, .looked), (.probing, .drainEnded), (.probing, .restartEnded), (.probing, .undrained),
            (.probing, .held), (.returning, .begin), (.returning, .looked), (.returning, .restartEnded), (.returning, .probed),
            (.returning, .held), (.holding, .begin), (.holding, .looked), (.holding, .drainEnded), (.holding, .restartEnded),
            (.holding, .undrained), (.ended, .begin):
            preconditionFailure("\(input) while \(state)")
        }
    }
}

// Before the restart: the backend in hand is healthy.
extension StepMachine {
    private mutating func look(_ index: Int) -> [Action] {
        state = .looking(index)
        return [.look]
    }

    private mutating func looked(_ end: LookEnd, _ index: Int, _ now: MonotonicTime) -> [Action] {
        let step = plan.steps[index]
        switch end {
        case .failed(let reason):
            return self.end(.failed(step.backend, .looking, reason: reason, output: ""))
        case .pool(let pool):
            if let obstacle = Obstacle(to: step, in: pool) { return self.end(.refused(obstacle.description)) }
            state = .draining(Hand(index: index, began: now, waiting: now))
            return [.tell(step.backend, .draining), .drain(step.backend, deadline: limits.drain)]
        }
    }

    private mutating func drainEnded(_ end: DrainEnd, _ hand: Hand, _ now: MonotonicTime) -> [Action] {
        let step = plan.steps[hand.index]
        switch end {
        case .drained:
            var hand = hand
            hand.times.drain = hand.waiting.duration(to: now)
            hand.waiting = now
            state = .restarting(hand, .none)
            return [
                .tell(step.backend, .drained(after: hand.times.drain)), .tell(step.backend, .restarting(command: step.command)),
                .restart(step, timeout: limits.restart),
            ]
        case .deadlinePassed: return putBack(hand, .deadlinePassed(step.backend, limits.drain), now)
        case .refused(let reason): return self.end(.refused(reason))
        case .failed(let reason):
            return putBack(hand, .failed(step.backend, .draining, reason: reason, output: ""), now)
        }
    }

    private mutating func putBack(_ hand: Hand, _ cause: Verdict.Cause, _ now: MonotonicTime) -> [Action] {
        let backend = plan.steps[hand.index].backend
        var hand = hand
        hand.times.drain = hand.waiting.duration(to: now)
        state = .returning(hand, .undone(cause))
        return [.tell(backend, .undoing(cause)), .undrain(backend)]
    }
}

// From the restart on: only a probe that began after it says that the backend is well.
extension StepMachine {
    private mutating func restartEnded(_ end: RestartEnd, _ hand: Hand, _ urgency: Urgency, _ now: MonotonicTime) -> [Action] {
        let backend = plan.steps[hand.index].backend
        var hand = hand
        hand.times.restart = hand.waiting.duration(to: now)
        hand.waiting = now
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
            guard hand.index + 1 < plan.steps.count else { return told + self.end(nil) }
            return told + (urgency == .none ? look(hand.index + 1) : self.end(.stopRequested))
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
