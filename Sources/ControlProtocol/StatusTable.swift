// The status as a table for people: the same over the socket and from lbctl.
import Model

package enum StatusTable {
    /// Lines without trailing blanks. `wide` adds limits, failures, resets, bytes and the last probe's failure.
    package static func lines(_ report: StatusReport, wide: Bool = false) -> [String] {
        var lines = ["lbd \(report.version), pid \(report.pid), generation \(report.generation), \(report.connections) of \(report.connectionsMax) connections" + (report.stopping ? ", stopping" : "")]
        if !report.listeners.isEmpty {
            lines.append("")
            lines += table([["LISTENER", "BIND", "POOL", "CONNECTIONS"] + (wide ? ["MAX"] : []) + ["TOTAL", "REFUSED", "NOTE"]] + report.listeners.map {
                [$0.name, $0.bind, $0.pool, "\($0.connections)"] + (wide ? [limit($0.connectionsMax)] : [])
                    + ["\($0.connectionsTotal)", "\($0.refused)", note($0, report)]
            })
        }
        for pool in report.pools {
            lines.append("")
            lines.append("pool \(pool.name) (\(pool.balance))" + (pool.removing ? ", being removed" : fullness(pool)))
            lines += table([header(wide)] + pool.backends.map { row($0, pool.name, wide) })
            lines += pool.leaving.map { "  \(pool.name)/\($0.name) leaves \($0.address): \(counted($0.connections, "connection")) left" }
        }
        return lines
    }

    private static func header(_ wide: Bool) -> [String] {
        ["BACKEND", "ADDRESS", "WISH", "PROBE", "AVAILABILITY", "CONNECTIONS", "TOTAL", "WEIGHT"]
            + (wide ? ["MAX", "CONNECT-FAILURES", "RESETS", "BYTES-IN", "BYTES-OUT"] : []) + ["NOTE"]
    }

    private static func row(_ backend: BackendReport, _ pool: String, _ wide: Bool) -> [String] {
        ["\(pool)/\(backend.name)", backend.address, backend.wish.rawValue, backend.probe.rawValue,
            backend.availability.rawValue, "\(backend.connections)", "\(backend.connectionsTotal)", "\(backend.weight)"]
            + (wide ? [limit(backend.connectionsMax), "\(backend.connectFailures)", "\(backend.resets)", "\(backend.bytesToBackend)", "\(backend.bytesToClient)"] : [])
            + [note(backend)]
    }

    private static func limit(_ most: Int?) -> String { most.map { "\($0)" } ?? "-" }

    /// Only where nobody is served, and where something happened for want of room.
    private static func fullness(_ pool: PoolReport) -> String {
        let outage = pool.eligible == 0 ? ", no available backend: new connections are reset" : ""
        guard pool.queued > 0 || pool.refused > 0 else { return outage }
        return outage + ", \(pool.queued) queued, \(pool.refused) refused when full"
            + (pool.queueTimeouts > 0 ? " (\(pool.queueTimeouts) of them had waited in vain)" : "")
    }

    /// Why it accepts nobody, where it does not.
    private static func note(_ listener: ListenerReport, _ report: StatusReport) -> String {
        if listener.closing { return "removed: gone when its last connection ends" }
        if isFull(listener.connections, of: listener.connectionsMax) { return "full: the backlog waits" }
        if isFull(report.connections, of: report.connectionsMax) { return "the process is full: the backlog waits" }
        return listener.rateReached ? "at its rate: the rest waits in the backlog" : ""
    }

    private static func isFull(_ connections: Int, of most: Int?) -> Bool { most.map { connections >= $0 } ?? false }

    private static func note(_ backend: BackendReport) -> String {
        var notes: [String] = []
        if backend.removing { notes.append("removed: gone when its last connection ends") }
        if isFull(backend.connections, of: backend.connectionsMax) { notes.append("full") }
        if let drain = backend.drain {
            let until = (drain.leaseUntil.map { ", lease until \($0)" } ?? "")
                + (drain.atDeadline.flatMap { end in end == .keep ? nil : drain.deadline.map { ", \(end.rawValue) at \($0)" } } ?? "")
            notes.append("drained by \(drain.owner) since \(drain.since)\(until)" + (drain.reason.map { ": \($0)" } ?? ""))
        }
        if let failure = backend.probeFailure { notes.append(failure) }
        if backend.backup { notes.append("backup") }
        return notes.joined(separator: "; ")
    }

    /// Left-aligned columns two blanks apart.
    package static func table(_ rows: [[String]]) -> [String] {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (cell, width) in zip(row, widths) {
                line += cell + String(repeating: " ", count: width - cell.count + 2)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
