// What the machine makes of the pool as it is: whether one more may go out, whether one that was restarted has fallen.
import Decisions
import Model

extension RolloutMachine {
    mutating func looked(before backend: BackendReference, _ end: LookEnd, _ now: MonotonicTime) -> [Action] {
        if phase == .rollingBack { return lookedBackwards(backend, end, now) }
        guard phase == .stepping, let index = lookedAt, plan.steps[index].backend == backend else { return [] }
        lookedAt = nil
        // What was asked for meanwhile goes first.
        guard cause == nil, !isPaused else { return [] }
        switch end {
        case .failed(let reason): return halt(.failed(backend, .looking, reason: reason, output: ""), now)
        case .pool(let pool, let capacity):
            if let cause = hindrance(to: index, in: pool) { return halt(cause, now) }
            return considered(capacity, for: index, now)
        }
    }

    private mutating func considered(_ capacity: Capacity, for index: Int, _ now: MonotonicTime) -> [Action] {
        guard !isOnStandby else { return begin(index, .forward, now) }
        switch capacity {
        case .carries: return begin(index, .forward, now)
        case .notProvable(let text):
            guard !policy.requiresProof else { return halt(.refused(text), now) }
            return begin(index, .forward, now)
        case .fails(let text):
            // Before anything was touched it is a refusal; from then on the load is waited for.
            guard nodes.contains(where: { $0.fate != .untouched }) || !hands.isEmpty || shortOf != nil else {
                return halt(.refused(text), now)
            }
            defer { shortOf = text }
            return shortOf == text ? [] : [.tell(plan.steps[index].backend, .waitingForCapacity(text))]
        }
    }

    mutating func begin(_ index: Int, _ direction: Direction, _ now: MonotonicTime) -> [Action] {
        shortOf = nil
        wave.removeAll { $0 == index }
        var hand = NodeStep(index, of: plan.steps[index], direction, limits: order.limits, now: now)
        let actions = hand.begin(now)
        hands.append(hand)
        return actions
    }

    /// Two rollouts may both have seen a whole pool before they drained: then both see it here, and put theirs back.
    mutating func looked(whenEmpty backend: BackendReference, _ end: LookEnd, _ now: MonotonicTime) -> [Action] {
        guard let hand = hands.firstIndex(where: { $0.backend == backend && $0.state == .looking }) else { return [] }
        switch end {
        case .failed(let reason):
            return hands[hand].putBack(.undone(.failed(backend, .looking, reason: reason, output: "")), now)
        case .pool(let pool, let capacity):
            guard hands[hand].direction == .forward else { return hands[hand].confirm(now) }
            if let cause = missing(besides: hands[hand].index, in: pool) { return hands[hand].putBack(.undone(cause), now) }
            if !isOnStandby, case .fails(let text) = capacity { return hands[hand].putBack(.postponed(text), now) }
            return hands[hand].confirm(now)
        }
    }

    mutating func looked(afterAll end: LookEnd) -> [Action] {
        guard phase == .lookingAfterAll else { return [] }
        switch end {
        case .failed(let reason):
            cause = cause ?? .failed(plan.steps[plan.steps.count - 1].backend, .looking, reason: reason, output: "")
        case .pool(let pool, _):
            // On a standby too: traffic is not sent back to one that has fallen.
            cause = cause ?? fallen(in: pool)
        }
        isLookedAfterAll = true
        return []
    }

    private mutating func hindrance(to index: Int, in pool: PoolSnapshot) -> Verdict.Cause? {
        let step = plan.steps[index]
        guard !isOnStandby else { return Obstacle(toIdle: step, in: pool).map { .refused($0.description) } }
        if let cause = missing(besides: index, in: pool) { return cause }
        return Obstacle(to: step, in: pool).map { .refused($0.description) }
    }

    /// Nobody may be missing beyond what is allowed, but for those that were so when it was planned.
    private mutating func missing(besides index: Int, in pool: PoolSnapshot) -> Verdict.Cause? {
        guard !isOnStandby else { return nil }
        if let cause = fallen(in: pool) { return cause }
        let backend = plan.steps[index].backend
        let ours = out(besides: backend)
        let restarted = restartedOrder.map { plan.steps[$0].backend }
        let others = pool.others(than: backend).filter { other in
            let reference = BackendReference(pool: pool.name, backend: other.name)
            guard !ours.contains(reference), !other.availability.isUsable else { return false }
            // Those that were not chosen stay so.
            return restarted.contains(reference) || !plan.out.contains(reference) || plan.notChosen.contains(reference)
        }
        let count = others.count + ours.count + 1
        guard let first = others.first, count > policy.unavailableMax else { return nil }
        noteOut(in: pool)
        let number = count == 2 && policy.unavailableMax == 1 ? "two" : "\(count)"
        let allowed = policy.unavailableMax == 1 ? "" : ", and \(policy.unavailableMax) may be"
        return .refused("\(pool.name)/\(first.name) is \(first.standing): with \(backend) there would be \(number) out at once\(allowed)")
    }

    /// One that was restarted, should take connections, and does not.
    private mutating func fallen(in pool: PoolSnapshot) -> Verdict.Cause? {
        let fallen = restartedOrder.map { plan.steps[$0].backend }.first { backend in
            pool[backend].map { $0.wish == .ready && !$0.availability.isUsable } ?? false
        }
        guard let fallen, let now = pool[fallen] else { return nil }
        noteOut(in: pool)
        return .failed(fallen, .serving, reason: "is \(now.standing) now", output: "")
    }

    /// For the verdict: which of the restarted ones take no connections any more.
    private mutating func noteOut(in pool: PoolSnapshot) {
        for index in restartedOrder {
            guard let now = pool[plan.steps[index].backend], !now.availability.isUsable else { continue }
            nodes[index].fate = .outAgain(now.standing)
        }
    }
}
