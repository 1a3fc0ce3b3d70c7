// The rollout as a state machine: what happened goes in, what to do next comes out. No clock, no socket.
//
// It schedules: waves of backends, each in hand as a `NodeStep`, never more out than allowed; between waves the restarted
// are watched. The first reason to stop is kept: nothing new is begun, what is in hand is put back where it may be, and
// what is restarted by then goes back to the release before where that is asked for.
import Decisions
import Model

package struct RolloutMachine: Sendable {
    enum Phase: Equatable {
        case idle
        case provingStandby
        /// To the standby or, at the end, back.
        case switching(to: PoolName)
        /// The pool that all traffic was switched to.
        case watchingSwitch
        case stepping
        case watching
        case lookingAfterAll
        case rollingBack
        case ended
    }

    let order: RolloutOrder
    var phase = Phase.idle
    /// Not begun yet: those of this wave, and those after it.
    var wave: [Int] = []
    var rest: [Int]
    var isFirstWave = true
    /// Begun, and not yet judged.
    var isWaveOpen = false
    /// What is being looked at before its drain.
    var lookedAt: Int?
    var hands: [NodeStep] = []
    /// Those with the new release, in their order.
    var restartedOrder: [Int] = []
    /// To go back, the newest first.
    var backwards: [Int] = []
    var nodes: [Verdict.Node]
    var isLookedAfterAll = false
    /// Why nothing new is begun.
    var cause: Verdict.Cause?
    /// Which pool was judged bad: on a standby it is the standby, and not what was restarted.
    var badPool: PoolName?
    /// A stop was asked for: once more is 'now'.
    var stopsAsked = 0
    package internal(set) var isPaused = false
    /// Since when, or since what is left out already.
    private var pausedSince: MonotonicTime?
    /// Why the others cannot do without one more now; nil: they can.
    package internal(set) var shortOf: String?
    /// All traffic goes to the standby.
    var isOnStandby = false

    /// `order`: with a plan without obstacles.
    package init(_ order: RolloutOrder) {
        // A pool that serves nobody may lose any of its backends.
        precondition(!order.plan.steps.isEmpty && (order.policy.strategy != .rolling || order.plan.obstacles.isEmpty), "a plan that must not begin")
        self.order = order
        rest = Array(order.plan.steps.indices)
        nodes = order.plan.steps.map { Verdict.Node(backend: $0.backend, fate: .untouched, times: StepTimes()) }
    }

    /// Those that are waited for to become empty.
    package var draining: [BackendReference] { hands.filter { $0.state == .draining }.map(\.backend) }
    /// Those with the new release.
    package var restarted: [BackendReference] {
        restartedOrder.map { plan.steps[$0].backend }.filter { backend in nodes.contains { $0.backend == backend && $0.fate == .restarted } }
    }
    /// Whose turn comes next.
    package var next: BackendReference? { cause == nil ? (wave.first ?? rest.first).map { plan.steps[$0].backend } : nil }
    var plan: Plan { order.plan }
    var policy: Policy { order.policy }
    var isOver: Bool { phase == .ended }
    /// Where the traffic goes, as far as this rollout has sent it.
    package var serving: PoolName { (isOnStandby ? standby?.pool : nil) ?? plan.pool }
    /// The pool that all traffic goes to is compared with the one that it came from.
    package var isJudgingSwitch: Bool { standby != nil && (isOnStandby || phase == .watchingSwitch) }
    package var isStopAsked: Bool { stopsAsked > 0 }

    /// An answer to what nobody waits for any more changes nothing.
    package mutating func handle(_ input: Input, now: MonotonicTime) -> [Action] {
        guard phase != .ended else { return [] }
        let actions = taken(input, now)
        return actions + settleHands(now) + advance(now)
    }

    private mutating func taken(_ input: Input, _ now: MonotonicTime) -> [Action] {
        switch input {
        case .begin: return begin()
        case .resumed: return resume(now)
        case .looked(.before(let backend), let end): return looked(before: backend, end, now)
        case .looked(.whenEmpty(let backend), let end): return looked(whenEmpty: backend, end, now)
        case .looked(.afterAll, let end): return looked(afterAll: end)
        case .versioned, .drainEnded, .confirmed, .retaken, .restartFound, .restartEnded, .probed, .undrained, .warmed, .held,
            .drainLost:
            return toHand(input, now)
        case .watched(let end): return phase == .watchingSwitch ? switchWatched(end, now) : watched(end)
        case .judgedBad(let reason): return judgedBad(reason, now)
        case .standbyProved(let end): return standbyProved(end)
        case .switched(let end): return switched(end, now)
        case .stopRequested: return stop(now)
        case .abortRequested: return stopsAsked > 0 ? hands.indices.flatMap { hands[$0].stopWaitingForPerson() } : stop(now)
        case .pauseRequested: return pause(true, now)
        case .continueRequested: return pause(false, now)
        }
    }

    private mutating func begin() -> [Action] {
        guard phase == .idle else { return [] }
        switch policy.strategy {
        case .rolling:
            phase = .stepping
            return []
        case .hotStandby(let standby):
            phase = .provingStandby
            return [.tell(nil, .provingStandby(standby.pool)), .proveStandby(timeout: order.limits.ready)]
        }
    }

    private mutating func pause(_ isAsked: Bool, _ now: MonotonicTime) -> [Action] {
        guard isPaused != isAsked else { return [] }
        leaveOutPause(now)
        (isPaused, pausedSince) = (isAsked, isAsked ? now : nil)
        return [.tell(nil, isAsked ? .paused : .continued)]
    }
}

// What concerns one backend.
extension RolloutMachine {
    /// Who need not hurry takes longer: that would be predicted for the next.
    private mutating func leaveOutPause(_ now: MonotonicTime) {
        guard let since = pausedSince else { return }
        pausedSince = now
        for hand in hands.indices { hands[hand].leaveOut(from: since, to: now) }
    }

    private mutating func toHand(_ input: Input, _ now: MonotonicTime) -> [Action] {
        guard let backend = input.backend, let hand = hands.firstIndex(where: { $0.backend == backend }) else { return [] }
        // The answer to what was given up comes late: it is not what the step waits for.
        let state = hands[hand].state
        switch input {
        case .versioned(_, let end):
            if state == .asking { return hands[hand].asked(end, now) }
            return state == .versioning ? hands[hand].asked(again: end, now) : []
        case .drainEnded(_, let end): return state == .draining ? hands[hand].drainEnded(end, out(besides: backend), now) : []
        case .confirmed(_, let end): return state == .confirming ? hands[hand].confirmed(end, now) : []
        case .retaken(_, let end):
            guard case .retaking(let later) = state else { return [] }
            return hands[hand].retaken(end, later, now)
        case .restartFound(_, let end):
            leaveOutPause(now)
            return state == .finding ? hands[hand].found(end, stopping: cause, now) : []
        case .restartEnded(_, let end):
            leaveOutPause(now)
            return state == .restarting ? hands[hand].restartEnded(end, now) : []
        case .probed(_, let end): return state == .probing ? hands[hand].probed(end, now) : []
        case .undrained(_, let end):
            guard case .returning(let why) = state else { return [] }
            return hands[hand].undrained(end, why, now)
        case .warmed(_, let end): return state == .warming ? hands[hand].warmed(end, now) : []
        case .held(_, let end):
            guard case .holding(let cause) = state else { return [] }
            return hands[hand].held(end, cause)
        case .drainLost(_, let reason): return hands[hand].lost(reason)
        case .begin, .resumed, .looked, .watched, .judgedBad, .standbyProved, .switched, .stopRequested, .abortRequested, .pauseRequested,
            .continueRequested:
            return []
        }
    }

    func out(besides backend: BackendReference) -> [BackendReference] {
        hands.filter { $0.isOut && $0.backend != backend }.map(\.backend)
    }

    /// Takes those that are through out of the hand.
    private mutating func settleHands(_ now: MonotonicTime) -> [Action] {
        var actions: [Action] = []
        while let settled = hands.firstIndex(where: { if case .settled = $0.state { true } else { false } }) {
            actions += settle(hands.remove(at: settled), now)
        }
        return actions
    }

    private mutating func settle(_ hand: NodeStep, _ now: MonotonicTime) -> [Action] {
        guard case .settled(let end) = hand.state else { return [] }
        nodes[hand.index].times = hand.times
        switch end {
        case .done:
            nodes[hand.index].fate = hand.direction == .forward ? .restarted : .rolledBack
            if hand.direction == .forward { restartedOrder.append(hand.index) }
            return []
        case .postponed(let reason):
            wave.insert(hand.index, at: 0)
            shortOf = reason
            return []
        case .doneButStopped(let cause):
            nodes[hand.index].fate = hand.direction == .forward ? .restarted : .rolledBack
            return halt(cause, now)
        case .stopped(let fate, let cause):
            // One that was to go back and could not has the new release still.
            nodes[hand.index].fate = hand.direction == .rollback && fate == .undone ? .restarted : fate
            return halt(cause, now)
        }
    }

    /// The first reason counts; what may still be undone is.
    mutating func halt(_ cause: Verdict.Cause, _ now: MonotonicTime) -> [Action] {
        if phase == .rollingBack { backwards = [] }
        guard self.cause == nil else { return [] }
        self.cause = cause
        return hands.indices.flatMap { hands[$0].stop(cause, hurry: false, now) }
    }

    private mutating func stop(_ now: MonotonicTime) -> [Action] {
        stopsAsked += 1
        let told = stopsAsked == 1 && !hands.isEmpty ? [Action.tell(nil, .stopping)] : []
        guard stopsAsked > 1 || cause != nil else { return told + halt(.stopRequested, now) }
        backwards = []
        let cause = cause ?? .stopRequested
        return told + hands.indices.flatMap { hands[$0].stop(cause, hurry: stopsAsked > 1, now) }
    }

    private mutating func resume(_ now: MonotonicTime) -> [Action] {
        (isPaused, pausedSince) = (false, nil)
        // Nobody has asked this process yet: its first Ctrl-C is one.
        stopsAsked = 0
        lookedAt = nil
        let told = [Action.tell(nil, .resuming)]
        switch phase {
        case .idle: return begin()
        case .provingStandby: return told + [.proveStandby(timeout: order.limits.ready)]
        case .switching(let pool): return told + [.switchTraffic(to: pool)]
        case .stepping, .rollingBack: return told + hands.indices.flatMap { hands[$0].resume(now) }
        case .watchingSwitch: return told + watchSwitch()
        case .watching: return told + watch()
        case .lookingAfterAll: return told + [.look(.afterAll, without: [], after: .zero)]
        case .ended: return []
        }
    }
}

// What is next.
extension RolloutMachine {
    private mutating func advance(_ now: MonotonicTime) -> [Action] {
        switch phase {
        case .idle, .switching, .ended: return []
        case .provingStandby: return cause == nil ? [] : finish(now)
        case .watching, .watchingSwitch: return cause == nil ? [] : finish(now)
        case .lookingAfterAll: return cause == nil && !isLookedAfterAll ? [] : finish(now)
        case .rollingBack: return hands.isEmpty ? rollBackNext(now) : []
        case .stepping:
            guard cause == nil else { return hands.isEmpty ? finish(now) : [] }
            return step()
        }
    }

    private mutating func step() -> [Action] {
        guard !wave.isEmpty || !hands.isEmpty else { return waveDone() }
        guard !isPaused, lookedAt == nil, hands.count < atOnce, let index = wave.first else { return [] }
        lookedAt = index
        let backend = plan.steps[index].backend
        // What the load forbids is asked again and again, but for the first time at once.
        return [.look(.before(backend), without: out(besides: backend) + [backend], after: shortOf == nil ? .zero : RolloutMachine.recheck)]
    }

    private mutating func waveDone() -> [Action] {
        if isWaveOpen {
            phase = .watching
            return watch()
        }
        guard !rest.isEmpty else {
            phase = .lookingAfterAll
            return [.look(.afterAll, without: [], after: .zero)]
        }
        let size = isFirstWave && policy.canary > 0 ? policy.canary : policy.batch
        wave = Array(rest.prefix(isOnStandby ? rest.count : size))
        rest.removeFirst(wave.count)
        isWaveOpen = true
        return step()
    }

    private func watch() -> [Action] {
        let restarted = restartedOrder.map { plan.steps[$0].backend }
        return (isBaking ? [.tell(nil, .watching(for: policy.bake))] : []) + [.watch(restarted, for: isBaking ? policy.bake : .zero)]
    }

    /// The first wave is, or will be, watched for a time.
    var isBaking: Bool { isFirstWave && policy.canary > 0 && policy.bake > .zero }

    private mutating func watched(_ end: JudgeEnd) -> [Action] {
        guard phase == .watching else { return [] }
        switch end {
        case .good(let text):
            defer { (phase, isWaveOpen, isFirstWave) = (.stepping, false, false) }
            return isBaking ? [.tell(nil, .judged(text))] : []
        case .bad(let reason):
            cause = cause ?? .badRelease(reason: reason)
            return []
        }
    }

    private mutating func judgedBad(_ reason: String, _ now: MonotonicTime) -> [Action] {
        guard cause == nil, !restartedOrder.isEmpty || isOnStandby, phase != .rollingBack else { return [] }
        // What is judged has no traffic any more.
        if case .switching = phase { return [] }
        badPool = serving
        return [.tell(nil, .judged(reason))] + halt(.badRelease(reason: reason), now)
    }

    /// How many may be in hand at once. The idle pool of a hot standby serves nobody.
    private var atOnce: Int { isOnStandby ? plan.steps.count : min(policy.unavailableMax, max(policy.batch, wave.count)) }

    static let recheck = Duration.seconds(1)
}
