// A changed health check is tried before it judges: one that no backend passes would take its whole pool down, and is
// more likely wrong than right.
import ControlProtocol
import Decisions
import EventLoop
import Model
import Probing

@ControlPlane struct HealthTrial {
    let table: PoolTable

    /// Enough to tell a wrong check from backends that are ill.
    private static let triedMax = 16
    /// No longer, whatever the check's own timeout, and its wait for a place: somebody waits for the answer.
    private static let patience = Duration.seconds(10)

    /// Throws where the pool's new check fails at each of its backends that are up. Nothing is changed, and no finding.
    /// `changed`: the pool as the change would leave it now; nil: it cannot be made. What others change while it is tried
    /// is tried with it.
    func check(_ changed: @ControlPlane () -> PoolConfiguration?) async throws(Failure) {
        var tried: PoolConfiguration?
        while let new = changed(), new != tried {
            try await check(new)
            tried = new
        }
    }

    private func check(_ new: PoolConfiguration) async throws(Failure) {
        guard let old = table.pool(new.name), !old.isRemoving, asksOtherwise(new, than: old.configuration) else { return }
        let backends = old.backends.filter { isUp($0, in: new) }.prefix(HealthTrial.triedMax)
        guard !backends.isEmpty, let reasons = await failures(of: new, at: Array(backends)) else { return }
        throw Failure(
            .refused, "pool \(new.name) is not changed: its new health check fails at \(backends.count == 1 ? "the one backend" : "each backend") that is up, "
                + "and would take it out of service: \(reasons.prefix(2).joined(separator: "; ")); force=yes (lbctl: --force) changes it all the same")
    }

    private func asksOtherwise(_ new: PoolConfiguration, than old: PoolConfiguration) -> Bool {
        guard new.health.check != .none else { return false }
        return new.health.check != old.health.check || new.health.timeout < old.health.timeout
            || (new.sendProxy, new.transport.source) != (old.sendProxy, old.transport.source)
    }

    private func isUp(_ backend: Backend, in pool: PoolConfiguration) -> Bool {
        guard backend.history.finding == .up, backend.wish != .maintenance, !backend.isRemoving else { return false }
        return pool.backends.contains { $0.name == backend.reference.backend && $0.address == backend.configuration.address }
    }

    /// Nil: one has passed, or could not be asked.
    private func failures(of pool: PoolConfiguration, at backends: [Backend]) async -> [String]? {
        let probes = backends.map { backend in
            start { await Prober.probe(pool.health.check, of: backend.target(of: pool), timeout: pool.health.timeout) }
        }
        // Whoever is not done by then has not failed.
        let impatience = start {
            if await pause(for: HealthTrial.patience) { for probe in probes { probe.cancel() } }
        }
        defer {
            impatience.cancel()
            for probe in probes { probe.cancel() }
        }
        var reasons: [String] = []
        for (backend, probe) in zip(backends, probes) {
            switch await probe.value {
            case .success, .inconclusive: return nil
            case .failure(let reason): reasons.append("\(backend.name): \(reason)")
            }
        }
        return reasons
    }
}
