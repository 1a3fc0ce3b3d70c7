// What a running rollout has still ahead of it, as a prediction takes it.
import Model

package struct Remainder: Equatable, Sendable {
    package struct Item: Equatable, Sendable {
        package let backend: BackendReference
        package let phase: Prediction.Phase
    }

    /// One after the other; those of each go on at the same time. Without those that are done.
    package let batches: [[Item]]
    /// How long the first wave is watched, where that is not over.
    package let bake: Duration
    package let isBaking: Bool
    /// How long those that are done took: what the others go by.
    package let done: [StepTimes]
}

extension RolloutMachine {
    /// Nil: it is being stopped or over, and how long that takes nobody predicts.
    package func remainder(now: MonotonicTime) -> Remainder? {
        guard phase != .ended, cause == nil else { return nil }
        let ahead = { (index: Int) in Remainder.Item(backend: plan.steps[index].backend, phase: .ahead) }
        let inHand = hands.map { Remainder.Item(backend: $0.backend, phase: $0.phase(now)) }.filter { $0.phase != .done }
        var batches = (inHand + wave.map(ahead)).chunks(of: remainderAtOnce(wave.count))
        var (left, isFirst) = (rest[...], isFirstWave && !isWaveOpen)
        while !left.isEmpty {
            let size = isIdle ? left.count : isFirst && policy.canary > 0 ? policy.canary : policy.batch
            batches += left.prefix(size).map(ahead).chunks(of: remainderAtOnce(min(size, left.count)))
            (left, isFirst) = (left.dropFirst(size), false)
        }
        return Remainder(
            batches: batches, bake: isBaking ? policy.bake : switchBakes, isBaking: phase == .watching && isBaking || phase == .watchingSwitch,
            done: nodes.filter { $0.fate == .restarted }.map(\.times))
    }

    /// Of all switches that are ahead, and of the one that is being watched.
    private var switchBakes: Duration {
        guard let standby else { return .zero }
        let isFirstAhead = switch phase {
        case .idle, .provingStandby: true
        case .switching(let pool): pool == standby.pool
        case .watchingSwitch: isOnStandby
        case .stepping, .watching, .lookingAfterAll, .rollingBack, .ended: false
        }
        return standby.bake * ((isFirstAhead ? 1 : 0) + (standby.switchesBack ? 1 : 0))
    }

    /// The pool that is restarted serves nobody, or will not then.
    private var isIdle: Bool {
        switch policy.strategy {
        case .rolling: false
        case .hotStandby: true
        }
    }

    private func remainderAtOnce(_ wave: Int) -> Int { isIdle ? plan.steps.count : min(policy.unavailableMax, max(policy.batch, wave)) }
}

extension NodeStep {
    /// As a prediction knows them.
    fileprivate func phase(_ now: MonotonicTime) -> Prediction.Phase {
        let waited = waiting.duration(to: now)
        return switch state {
        case .asking: .ahead
        case .draining, .looking, .confirming: .draining(waited)
        case .restarting, .finding, .retaking(.finding): .restarting(waited)
        case .probing, .versioning, .retaking(.probing), .retaking(.versioning): .readying(waited)
        case .warming, .returning(.restarted), .retaking(.returning): .warming(waited)
        case .returning(.undone), .returning(.postponed), .holding, .retaking(.holding), .settled: .done
        }
    }
}

extension Array {
    package func chunks(of size: Int) -> [[Element]] {
        stride(from: 0, to: count, by: Swift.max(1, size)).map { Array(self[$0..<Swift.min(count, $0 + Swift.max(1, size))]) }
    }
}
