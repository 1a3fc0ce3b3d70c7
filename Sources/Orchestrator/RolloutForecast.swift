// Before a rollout begins: whether the others, or the standby, carry the load, and how long it will take.
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Rollout

package struct RolloutForecast: Sendable {
    package let proof: CapacityProof
    package let window: Duration
    package let prediction: Prediction

    /// `connections`: as they are now; measured is once a second. Nil where the balancers do not measure.
    @ControlPlane package init?(
        _ plan: Plan, _ policy: Policy, _ limits: RolloutLimits, at balancers: [Balancer], connections: Int, earlier: EarlierTimes
    ) async {
        let fleet = BalancerFleet(balancers: balancers)
        guard let measured = await fleet.measured(plan.pool, ages: true) else { return nil }
        let backends = plan.steps.map(\.backend)
        let groups: [[BackendReference]]
        switch policy.strategy {
        case .rolling:
            groups = RolloutForecast.waves(backends, policy).flatMap { wave in wave.chunks(of: policy.unavailableMax) }
            let load = measured.peak.orMore(Load(connections: Double(connections)))
            guard let proof = CapacityProof.weakest(measured.nodes, groups: groups, load: load) else { return nil }
            self.proof = proof
        case .hotStandby(let standby):
            // Nobody is served by them then: all at once.
            groups = [backends]
            guard let idle = await fleet.measured(standby.pool) else { return nil }
            proof = StandbyCapacity(standby, idle, instead: measured, connections: connections).proof
        }
        window = measured.window
        prediction = Prediction(
            groups.map { $0.map { Prediction.Work($0, holders: measured.holders(of: $0)) } },
            measured.experience(restarts: earlier.restarts(byHand: plan.isByHand), readies: earlier.readies),
            Prediction.Terms(drainDeadline: limits.drain, bake: RolloutForecast.bake(policy)))
    }

    package var lines: [String] { proof.lines(window: window) + prediction.lines }

    private static func bake(_ policy: Policy) -> Duration {
        switch policy.strategy {
        case .rolling: policy.canary > 0 ? policy.bake : .zero
        case .hotStandby(let standby): standby.bake * (standby.switchesBack ? 2 : 1)
        }
    }

    private static func waves(_ backends: [BackendReference], _ policy: Policy) -> [[BackendReference]] {
        let first = policy.canary > 0 ? Array(backends.prefix(policy.canary)) : []
        return (first.isEmpty ? [] : [first]) + Array(backends.dropFirst(first.count)).chunks(of: policy.batch)
    }
}
