// What `top --once` prints for people.
import ControlProtocol
import Model
import Statistics

enum TopTable {
    struct Choice {
        var pool: String?
        var sort: TopSort?
        /// Nil: no connections.
        var connections: Int?
        var isWide = false
    }

    static func lines(_ observation: Observation, _ choice: Choice, at calendar: Timestamp) -> [String] {
        let pools = observation.pools.filter { choice.pool == nil || $0.name == choice.pool }
        let listeners = observation.listeners.filter { choice.pool == nil || $0.pool == choice.pool }
        return [TopText.title(observation.process, at: calendar) + "; " + TopText.load(observation)]
            + table(listeners)
            + pools.flatMap { pool in lines(pool, choice, at: calendar) }
            + (choice.connections.map { connections(observation, pools, most: $0) } ?? [])
    }

    private static func table(_ listeners: [ObservedListener]) -> [String] {
        guard !listeners.isEmpty else { return [] }
        return [""] + StatusTable.table([["LISTENER", "BIND", "POOL", "CONNECTIONS", "CONNS/S", "TOTAL", "REFUSED"]] + listeners.map {
            [$0.name.onScreen, $0.bind.onScreen, $0.pool.onScreen, "\($0.connections)", TopText.rate($0.rate), "\($0.connectionsTotal)", "\($0.refused)"]
        })
    }

    private static func lines(_ pool: ObservedPool, _ choice: Choice, at calendar: Timestamp) -> [String] {
        let head = ["BACKEND", "AVAILABILITY", "CONNECTIONS", "CONNS/S", "BYTES/S", "CONNECT", "FAILED", "RESETS", "TOTAL"]
            + (choice.isWide ? ["WISH", "PROBE", "WEIGHT", "MAX", "TO-BACKEND", "TO-CLIENT", "ADDRESS"] : []) + ["NOTE"]
        let backends = choice.sort?.sorted(pool.backends, TopPace()) ?? pool.backends
        return ["", "pool \(pool.name.onScreen) (\(pool.balance.onScreen))"]
            + StatusTable.table([head] + backends.map { row($0, pool, choice.isWide, at: calendar) })
            + (TopText.quantiles(pool).map { ["  \($0)"] } ?? [])
    }

    private static func row(_ backend: ObservedBackend, _ pool: ObservedPool, _ isWide: Bool, at calendar: Timestamp) -> [String] {
        let totals = backend.totals
        let wide = isWide
            ? [backend.wish.rawValue, backend.probe.rawValue, "\(backend.weight)", backend.connectionsMax.map { "\($0)" } ?? "-",
                "\(totals.bytesToBackend)", "\(totals.bytesToClient)", backend.address.onScreen]
            : []
        return ["\(pool.name)/\(backend.name)".onScreen, backend.availability.rawValue, "\(backend.connections)", TopText.rate(backend.rate),
            TopText.bytes(backend.byteRate), TopText.time(TopReport.connectTime(totals)), "\(totals.connectFailures)", "\(totals.backendResets)",
            "\(totals.connections)"] + wide
            + [backend.drain.map { TopText.drain($0, .unknown, at: calendar).onScreen } ?? ""]
    }

    private static func connections(_ observation: Observation, _ pools: [ObservedPool], most: Int) -> [String] {
        let indices = Set(pools.map(\.index))
        let listed = observation.connections.filter { indices.contains($0.pool) }
        let shown = TopConnectionSort.age.sorted(listed).prefix(most)
        let names = TopNames(observation)
        let rows = shown.map { connection in
            [connection.id.description, connection.client?.description ?? "-",
                names.pool(connection).onScreen + (names.backend(connection).map { "/\($0.onScreen)" } ?? ""), connection.phase.rawValue,
                TopText.time(connection.age), TopText.time(connection.idle), "\(connection.bytesToBackend)", "\(connection.bytesToClient)"]
        }
        let head = ["ID", "CLIENT", "BACKEND", "PHASE", "AGE", "IDLE", "TO-BACKEND", "TO-CLIENT"]
        return ["", ConnectionsReport.head(shown.count, of: listed.count)] + (rows.isEmpty ? [] : StatusTable.table([head] + rows))
            + remarks(observation)
    }

    /// Of connections that could not be listed.
    static func remarks(_ observation: Observation) -> [String] {
        (observation.unread > 0 ? ["\(counted(observation.unread, "connection")) changed while they were read, and are not listed"] : [])
            + (observation.unlisted > 0 ? ["\(counted(observation.unlisted, "connection")) beyond the table's room are counted, not listed"] : [])
    }
}
