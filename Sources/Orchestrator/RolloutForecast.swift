// Before a rollout begins: whether the others carry the load, and how long it will take.
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Rollout

package struct RolloutForecast: Sendable {
    package let proof: CapacityProof
    package let window: Duration
    package let prediction: Prediction

    /// `connections`: as they are now; measured is once a second. `restarts` and `readies`: how long they took in earlier rollouts. Nil where the balancers do not measure.
    @ControlPlane package init?(
        _ plan: Plan, _ policy: Policy, _ limits: RolloutLimits, at balancers: [Balancer], connections: Int, restarts: [Duration],
        readies: [Duration]
    ) async {
        guard let measured = await BalancerFleet(balancers: balancers).measured(plan.pool, ages: true) else { return nil }
        let waves = RolloutForecast.waves(plan.steps.map(\.backend), policy)
        let groups = waves.flatMap { wave in wave.chunks(of: policy.unavailableMax) }
        guard let proof = CapacityProof.weakest(measured.nodes, groups: groups, load: measured.peak.orMore(Load(connections: Double(connections)))) else { return nil }
        self.proof = proof
        window = measured.window
        prediction = Prediction(
            groups.map { $0.map { Prediction.Work($0, holders: measured.holders(of: $0)) } },
            measured.experience(restarts: restarts, readies: readies),
            Prediction.Terms(drainDeadline: limits.drain, watch: .zero))
    }

    package var lines: [String] { proof.lines(window: window) + prediction.lines }

    private static func waves(_ backends: [BackendReference], _ policy: Policy) -> [[BackendReference]] {
        let first = policy.canary > 0 ? Array(backends.prefix(policy.canary)) : []
        return (first.isEmpty ? [] : [first]) + Array(backends.dropFirst(first.count)).chunks(of: policy.batch)
    }
}

extension Array {
    fileprivate func chunks(of size: Int) -> [[Element]] {
        stride(from: 0, to: count, by: Swift.max(1, size)).map { Array(self[$0..<Swift.min(count, $0 + Swift.max(1, size))]) }
    }
}
