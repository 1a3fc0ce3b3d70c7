// What the balancers of a fleet have measured of one pool, as one: what is proved, predicted, preferred and judged from.
import ControlProtocol
import Model
import Rollout

package struct PoolMeasurement: Sendable {
    /// Of the window that the balancers keep, as far back as all of them go.
    package let window: Duration
    /// Of the pool as a whole. Balancers that peaked at different times make it too high, never too low.
    package let peak: Load
    package let load: Load
    package let nodes: [CapacityProof.Node]
    package let loads: [BackendReference: Load]
    package let outcomes: [BackendReference: ConnectionOutcomes]
    /// Of the connections that hold it; empty where they were not asked for.
    package let ages: [BackendReference: LifetimeCounts]
    package let lifetimes: LifetimeCounts

    /// One report a balancer, of the same pool; at least one.
    package init(_ reports: [MeasureReport]) throws(NameError) {
        window = .seconds(reports.map(\.measured).min() ?? 0)
        peak = reports.reduce(Load()) { $0 + $1.peak.load }
        load = reports.reduce(Load()) { $0 + $1.load.load }
        lifetimes = reports.reduce(LifetimeCounts()) { $0 + LifetimeCounts(reported: $1.lifetimes) }
        var nodes: [CapacityProof.Node] = []
        var index: [BackendReference: Int] = [:]
        var loads: [BackendReference: Load] = [:]
        var outcomes: [BackendReference: ConnectionOutcomes] = [:]
        var ages: [BackendReference: LifetimeCounts] = [:]
        for report in reports {
            for backend in report.backends {
                let reference = try BackendReference("\(report.pool)/\(backend.name)")
                let node = CapacityProof.Node(reference, backend)
                if let place = index[reference] { nodes[place] = nodes[place].joined(node) } else {
                    index[reference] = nodes.count
                    nodes.append(node)
                }
                loads[reference, default: Load()] = loads[reference, default: Load()] + backend.load.load
                outcomes[reference] = outcomes[reference, default: ConnectionOutcomes()] + backend.outcomes.outcomes
                if let counts = backend.ages { ages[reference] = ages[reference, default: LifetimeCounts()] + LifetimeCounts(reported: counts) }
            }
        }
        (self.nodes, self.loads, self.outcomes, self.ages) = (nodes, loads, outcomes, ages)
    }

    /// What a prediction goes by; `restarts` and `readies`: of earlier rollouts.
    package func experience(restarts: [Duration], readies: [Duration]) -> Prediction.Experience {
        Prediction.Experience(
            lifetimes: lifetimes, ages: ages.values.reduce(LifetimeCounts(), +), restarts: restarts, readies: readies)
    }

    package func holders(of backend: BackendReference) -> [Duration] { ages[backend]?.middles ?? [] }
}

extension CapacityProof.Node {
    fileprivate init(_ backend: BackendReference, _ measured: MeasuredBackend) {
        self.init(
            backend, weight: measured.weight, isBackup: measured.backup, availability: measured.availability,
            connectionsMax: measured.connectionsMax, capacity: measured.capacity.capacity, peak: measured.peak.load)
    }

    /// As this balancer sees it.
    private var takesConnections: Bool {
        switch availability {
        case .available, .warming: true
        case .unknown, .draining, .drained, .down, .maintenance: false
        }
    }

    /// At another balancer: each keeps a connections-max of its own, but the capacity is the backend's, whoever asks.
    fileprivate func joined(_ other: CapacityProof.Node) -> CapacityProof.Node {
        let most: Int? = if let own = connectionsMax, let others = other.connectionsMax { own + others } else { nil }
        return CapacityProof.Node(
            backend, weight: weight, isBackup: isBackup, availability: takesConnections ? other.availability : availability,
            connectionsMax: most, capacity: capacity.completed(by: other.capacity), peak: peak + other.peak)
    }
}
