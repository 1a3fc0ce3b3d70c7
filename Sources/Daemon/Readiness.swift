// Whether lbd does its work for those who connect now, and if not, why: for /readyz.
import EventLoop
import Model

@ControlPlane struct Readiness {
    let table: PoolTable
    let listeners: Listeners
    let handler: CommandHandler

    struct Report: Encodable {
        let ready: Bool
        /// A sentence each; none: it is ready.
        let reasons: [String]
    }

    var report: Report {
        let reasons = reasons
        return Report(ready: reasons.isEmpty, reasons: reasons)
    }

    private var reasons: [String] {
        guard !handler.isStopping else { return ["lbd is stopping: no new connections are taken"] }
        guard !listeners.open.isEmpty else { return ["no listener is open"] }
        // Pools that nobody can come to are nobody's trouble.
        let reached = Set(listeners.open.map(\.configuration.pool))
        return table.pools.filter { reached.contains($0.configuration.name) }.compactMap(trouble)
    }

    private func trouble(of pool: Pool) -> String? {
        guard !hasBackend(pool) else { return nil }
        let configuration = pool.configuration
        guard case .divert(let other) = configuration.whenNone else {
            return "pool \(configuration.name) has no available backend\(states(pool)): new connections \(configuration.whenNone.outcome)"
        }
        guard let other = table.pool(other), !hasBackend(other) else { return nil }
        return "neither pool \(configuration.name)\(states(pool)) nor pool \(other.configuration.name)\(states(other)), where its connections go, has an available backend"
    }

    /// ` (2 down, 1 drained)`
    private func states(_ pool: Pool) -> String {
        guard !pool.backends.isEmpty else { return " (it has none at all)" }
        let states = Dictionary(grouping: pool.backends, by: \.availability).sorted { $0.key.rank < $1.key.rank }
        return " (\(states.map { "\($0.value.count) \($0.key == .maintenance ? "in " : "")\($0.key.rawValue)" }.joined(separator: ", ")))"
    }

    private func hasBackend(_ pool: Pool) -> Bool { pool.published?.isEmpty == false }
}
