// The way to a rollout's end: back to the release before, traffic to the standby and back, and the verdict.
import Model

extension RolloutMachine {
    /// Nothing is in hand any more.
    mutating func finish(_ now: MonotonicTime) -> [Action] {
        lookedAt = nil
        // Asked to stop in the last step: there is nothing left to be stopped.
        if phase == .stepping, cause == .stopRequested, nodes.allSatisfy({ $0.fate == .restarted }) {
            cause = nil
            phase = .lookingAfterAll
            return [.look(.afterAll, without: [], after: .zero)]
        }
        if phase == .watchingSwitch, !isOnStandby, case .badRelease = cause, let standby {
            // It served a moment ago; what was restarted goes back in its shelter.
            phase = .switching(to: standby.pool)
            return [.tell(nil, .switching(to: standby.pool)), .switchTraffic(to: standby.pool)]
        }
        // What was restarted is not what is bad where the standby is.
        if phase != .rollingBack, stopsAsked < 2, case .badRelease = cause, !isBadStandby {
            backwards = restartedOrder.reversed().filter { plan.steps[$0].rollback != nil && nodes[$0].fate != .rolledBack }
            phase = .rollingBack
            return rollBackNext(now)
        }
        if let home = wayHome {
            phase = .switching(to: home)
            return [.tell(nil, .switching(to: home)), .switchTraffic(to: home)]
        }
        phase = .ended
        return [.end(Verdict(plan: plan, cause: cause, nodes: nodes, standby: isOnStandby ? standby : nil))]
    }

    var standby: Policy.Standby? {
        switch policy.strategy {
        case .rolling: nil
        case .hotStandby(let standby): standby
        }
    }

    private var isBadStandby: Bool { isOnStandby && badPool == standby?.pool }

    /// To the pool that was restarted: as asked for, or because none of it has the new release after all.
    private var wayHome: PoolName? {
        guard isOnStandby, let standby else { return nil }
        if cause == nil { return standby.switchesBack ? plan.pool : nil }
        // Away from a bad one to whatever can serve.
        if isBadStandby { return nodes.contains { [.untouched, .undone, .rolledBack, .restarted].contains($0.fate) } ? plan.pool : nil }
        return nodes.allSatisfy { $0.fate == .untouched || $0.fate == .undone || $0.fate == .rolledBack } ? plan.pool : nil
    }
}

// Back to the release before: the newest first, by the same careful step, one at a time.
extension RolloutMachine {
    mutating func rollBackNext(_ now: MonotonicTime) -> [Action] {
        guard lookedAt == nil else { return [] }
        guard let index = backwards.first else { return finish(now) }
        // It stays the first until its step begins: a kill or a stop may come before the answer.
        lookedAt = index
        let backend = plan.steps[index].backend
        return [.look(.before(backend), without: [backend], after: .zero)]
    }

    mutating func lookedBackwards(_ backend: BackendReference, _ end: LookEnd, _ now: MonotonicTime) -> [Action] {
        guard let index = lookedAt, plan.steps[index].backend == backend else { return [] }
        lookedAt = nil
        // Given up meanwhile.
        guard backwards.first == index else { return [] }
        switch end {
        case .failed(let reason): return stayed(index, reason)
        case .pool(let pool, _):
            // The others may be as bad: what would leave the pool without anybody is refused, and nothing else.
            let step = plan.steps[index]
            if let obstacle = isOnStandby ? Obstacle(toIdle: step, in: pool) : Obstacle(to: step, in: pool) {
                return stayed(index, obstacle.description)
            }
            let left = leftOut
            guard isOnStandby || left.count < policy.unavailableMax else {
                return stayed(index, "\(left.map(\.description).joined(separator: ", ")) is out, and no more may be")
            }
            backwards.removeFirst()
            return begin(index, .rollback, now)
        }
    }

    /// Drained by us, and not to come back by themselves at once.
    private var leftOut: [BackendReference] {
        nodes.filter { node in
            switch node.fate {
            case .held, .leased, .unclear: true
            case .untouched, .restarted, .rolledBack, .outAgain, .drainLost, .undone: false
            }
        }.map(\.backend)
    }

    private mutating func stayed(_ index: Int, _ reason: String) -> [Action] {
        backwards = []
        return [.tell(plan.steps[index].backend, .notRolledBack(reason))]
    }
}

// All traffic to the standby, in one change, and back.
extension RolloutMachine {
    mutating func standbyProved(_ end: ProbeEnd) -> [Action] {
        guard phase == .provingStandby, let standby else { return [] }
        switch end {
        case .up:
            guard cause == nil else { return [] }
            phase = .switching(to: standby.pool)
            return [.tell(nil, .switching(to: standby.pool)), .switchTraffic(to: standby.pool)]
        case .failed(let reason):
            cause = cause ?? .refused("standby pool \(standby.pool) cannot take the traffic: \(reason)")
            return []
        }
    }

    mutating func switched(_ end: OrderEnd, _ now: MonotonicTime) -> [Action] {
        guard case .switching(let pool) = phase, let standby else { return [] }
        switch end {
        case .done:
            isOnStandby = pool != plan.pool
            let told = [Action.tell(nil, .switched(to: pool))]
            guard cause != nil || standby.bake == .zero else {
                phase = .watchingSwitch
                return told + watchSwitch()
            }
            guard isOnStandby else { return told + finish(now) }
            phase = .stepping
            return told
        case .lost(let reason), .failed(let reason):
            let from = pool == plan.pool ? standby.pool : plan.pool
            cause = cause ?? .switching(from: from, to: pool, listeners: standby.listeners, reason: reason)
            // Not tried a second time: whoever reads the verdict decides.
            phase = .ended
            return [.end(Verdict(plan: plan, cause: cause, nodes: nodes))]
        }
    }

    /// A standby that runs a bad release, or a pool that came back with one: by what becomes of its connections, compared with
    /// those of the pool that served before.
    func watchSwitch() -> [Action] {
        guard let standby else { return [] }
        let backends = isOnStandby ? standby.backends : plan.steps.map(\.backend)
        return [.tell(nil, .watchingPool(serving, for: standby.bake)), .watch(backends, for: standby.bake)]
    }

    mutating func switchWatched(_ end: JudgeEnd, _ now: MonotonicTime) -> [Action] {
        switch end {
        case .bad(let reason):
            cause = cause ?? .badRelease(reason: reason)
            return []
        case .good(let text):
            let told = [Action.tell(nil, .judged(text))]
            guard isOnStandby else { return told + finish(now) }
            phase = .stepping
            return told
        }
    }
}
