// Whether a standby pool carries what another pool was measured to carry at most, besides what is its own.
import EventLoop
import Model
import Rollout

struct StandbyCapacity: Sendable {
    let proof: CapacityProof
    /// Over which the peak was measured.
    let window: Duration

    /// `connections`: of the pool as they are now; measured is once a second. The standby's own load counts as it is now: its
    /// peak may be of the time when it served this pool.
    init(_ standby: Policy.Standby, _ measured: PoolMeasurement, instead pool: PoolMeasurement, connections: Int) {
        let load = pool.peak.orMore(Load(connections: Double(connections))) + measured.load
        proof = CapacityProof(standby: measured.nodes, up: standby.backends, load: load)
        window = pool.window
    }

    /// Why the traffic must not go there; nil: it may.
    func refusal(requiresProof: Bool) -> String? {
        switch proof.outcome {
        case .proved: nil
        case .notProvable: requiresProof ? proof.headline(window) : nil
        case .refused: proof.headline(window)
        }
    }
}
