// From a balancer's report to the values that a rollout decides from.
import ControlProtocol
import Model
import Rollout

extension PoolSnapshot {
    package init(reading report: PoolReport) throws(Failure) {
        var backends: [BackendSnapshot] = []
        // What is being removed is nobody's to restart.
        for backend in report.backends where !backend.removing {
            do {
                backends.append(BackendSnapshot(
                    name: try BackendName(backend.name), address: try Endpoint(backend.address), wish: backend.wish,
                    availability: backend.availability, drainOwner: backend.drain?.owner))
            } catch {
                throw Failure(.failed, "the balancer reports a backend that this lbctl cannot read: \(backend.name.escapedForOneLine) at \(backend.address.escapedForOneLine): \(error)")
            }
        }
        let name: PoolName
        do { name = try PoolName(report.name) } catch { throw Failure(.failed, "the balancer reports a pool that this lbctl cannot read: \(error)") }
        self.init(name: name, backends: backends)
    }
}
