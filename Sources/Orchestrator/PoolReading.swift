// From the balancers' reports to the values that a rollout decides from.
import ControlProtocol
import Model
import Rollout

extension PoolSnapshot {
    package init(reading report: PoolReport) throws(Failure) { try self.init(reading: [report]) }

    /// What several balancers say of one pool: a backend is as the one says that has least of it.
    package init(reading reports: [PoolReport]) throws(Failure) {
        guard let first = reports.first else { throw Failure(.failed, "no balancer reports the pool") }
        let name: PoolName
        do { name = try PoolName(first.name) } catch { throw Failure(.failed, "the balancer reports a pool that this lbctl cannot read: \(error)") }
        var backends: [BackendSnapshot] = []
        // What is being removed is nobody's to restart.
        for backend in first.backends where !backend.removing {
            let everywhere = try reports.map { report throws(Failure) in
                guard let same = report.backends.first(where: { $0.name == backend.name && !$0.removing }), same.address == backend.address else {
                    throw Failure(.refused, "the balancers do not agree about pool \(name): \(backend.name) at \(backend.address) is not at all of them")
                }
                return same
            }
            backends.append(try BackendSnapshot(reading: everywhere, of: backend))
        }
        for report in reports where report.backends.count(where: { !$0.removing }) != backends.count {
            throw Failure(.refused, "the balancers do not agree about pool \(name): one has more backends than another")
        }
        self.init(name: name, backends: backends)
    }
}

extension BackendSnapshot {
    fileprivate init(reading everywhere: [BackendReport], of backend: BackendReport) throws(Failure) {
        let worst = everywhere.max { $0.availability.severity < $1.availability.severity } ?? backend
        do {
            self.init(
                name: try BackendName(backend.name), address: try Endpoint(backend.address),
                wish: everywhere.map(\.wish).first { $0 != .ready } ?? .ready, availability: worst.availability,
                drainOwner: everywhere.lazy.compactMap(\.drain).first?.owner, connections: everywhere.reduce(0) { $0 + $1.connections },
                connectFailures: everywhere.reduce(0) { $0 + $1.connectFailures }, resets: everywhere.reduce(0) { $0 + $1.resets })
        } catch {
            throw Failure(.failed, "the balancer reports a backend that this lbctl cannot read: \(backend.name.escapedForOneLine) at \(backend.address.escapedForOneLine): \(error)")
        }
    }
}

extension Availability {
    /// How far from taking its share.
    fileprivate var severity: Int {
        switch self {
        case .available: 0
        case .warming: 1
        case .unknown: 2
        case .drained: 3
        case .draining: 4
        case .down: 5
        case .maintenance: 6
        }
    }
}
