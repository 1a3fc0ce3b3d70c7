// The status as a table for people: the same over the socket and from lbctl.
import Model

package enum StatusTable {
    /// Lines without trailing blanks. `wide` adds limits, failures, resets, bytes and the last probe's failure.
    package static func lines(_ report: StatusReport, wide: Bool = false) -> [String] {
        head(report, wide: wide) + report.pools.flatMap { lines($0, wide: wide) }
    }

    /// All but the pools.
    package static func head(_ report: StatusReport, wide: Bool = false) -> [String] {
        var lines = ["lbd \(report.version), pid \(report.pid), generation \(report.generation), \(report.connections) of \(report.connectionsMax) connections" + (report.stopping ? ", stopping" : "")]
        if let failure = report.reloadFailure {
            let more = failure.errors.count > 1 ? "; and \(failure.errors.count - 1) more: lbctl config check" : ""
            lines.append("reload by \(failure.by) at \(failure.at) failed, nothing was changed: \(failure.errors.first ?? "")\(more)")
        }
        if report.unsavedChanges > 0 { lines.append("\(counted(report.unsavedChanges, "change")) not in the file: lbctl config diff") }
        if !report.listeners.isEmpty {
            lines.append("")
            lines += table([["LISTENER", "BIND", "POOL", "CONNECTIONS"] + (wide ? ["MAX"] : []) + ["TOTAL", "REFUSED", "NOTE"]] + report.listeners.map {
                [$0.name, $0.bind, $0.pool, "\($0.connections)"] + (wide ? [limit($0.connectionsMax)] : [])
                    + ["\($0.connectionsTotal)", "\($0.refused)", note($0, report)]
            })
        }
        return lines
    }

    package static func lines(_ pool: PoolReport, wide: Bool = false) -> [String] {
        var head = ["", "pool \(pool.name) (\(pool.balance))" + (pool.removing ? ", being removed" : fullness(pool))]
        if let standing = pool.rollout, let words = line(of: standing) { head.append(words) }
        return head + table([header(wide)] + pool.backends.map { row($0, pool, wide) })
            + pool.leaving.map { "  \(pool.name)/\($0.name) leaves \($0.address): \(counted($0.connections, "connection")) left" }
    }

    /// One that runs, or that somebody is to look after.
    private static func line(of standing: RolloutStanding) -> String? {
        let progress = "rollout \(standing.id) \(standing.state.rawValue), \(standing.stepsDone) of \(standing.steps) done"
        switch standing.state {
        case .running, .paused, .stopping: return progress
        case .abandoned: return "\(progress), last heard of at \(standing.reportedAt)" + (standing.resume.map { ": \($0)" } ?? "")
        case .done, .stopped: return nil
        }
    }

    private static func header(_ wide: Bool) -> [String] {
        ["BACKEND", "ADDRESS", "WISH", "PROBE", "AVAILABILITY", "CONNECTIONS", "TOTAL", "WEIGHT"]
            + (wide ? ["MAX", "CONNECT-FAILURES", "RESETS", "BYTES-IN", "BYTES-OUT"] : []) + ["NOTE"]
    }

    private static func row(_ backend: BackendReport, _ pool: PoolReport, _ wide: Bool) -> [String] {
        ["\(pool.name)/\(backend.name)", backend.address, backend.wish.rawValue, backend.probe.rawValue,
            backend.availability.rawValue, "\(backend.connections)", "\(backend.connectionsTotal)", "\(backend.weight)"]
            + (wide ? [limit(backend.connectionsMax), "\(backend.connectFailures)", "\(backend.resets)", "\(backend.bytesToBackend)", "\(backend.bytesToClient)"] : [])
            + [note(backend, pool.shares, wide)]
    }

    private static func limit(_ most: Int?) -> String { most.map { "\($0)" } ?? "-" }

    /// Only where nobody is served, and where something happened for want of room.
    private static func fullness(_ pool: PoolReport) -> String {
        var outage = pool.eligible == 0 ? ", no available backend: new connections \(pool.whenNone.outcome)" : ""
        if pool.held > 0 || pool.holdTimeouts > 0 { outage += ", \(pool.held) held, \(pool.holdTimeouts) in vain" }
        if pool.diverted > 0 { outage += ", \(pool.diverted) diverted" }
        guard pool.queued > 0 || pool.refused > 0 else { return outage }
        return outage + ", \(pool.queued) queued, \(pool.refused) refused when full"
            + (pool.queueTimeouts > 0 ? " (\(pool.queueTimeouts) of them had waited in vain)" : "")
    }

    /// Why it accepts nobody, where it does not.
    private static func note(_ listener: ListenerReport, _ report: StatusReport) -> String {
        if listener.closing { return "removed" }
        if isFull(listener.connections, of: listener.connectionsMax) { return "full: the backlog waits" }
        if isFull(report.connections, of: report.connectionsMax) { return "the process is full: the backlog waits" }
        return listener.rateReached ? "at its rate: the rest waits in the backlog" : ""
    }

    private static func isFull(_ connections: Int, of most: Int?) -> Bool { most.map { connections >= $0 } ?? false }

    /// In a word each, `wide` in full; `explain` has it all.
    private static func note(_ backend: BackendReport, _ shares: SharesReport?, _ wide: Bool) -> String {
        var notes: [String] = []
        if backend.removing { notes.append("removed") }
        if isFull(backend.connections, of: backend.connectionsMax) { notes.append("full") }
        if let drain = backend.drain { notes.append(wide ? note(drain) : "by \(drain.owner)" + (drain.leaseUntil == nil ? "" : ", leased") + (drain.reason.map { ": \(short($0))" } ?? "")) }
        if let share = backend.share { notes.append("back lately: \(share) % of its share") }
        if let shares, let percent = shares.percents[backend.name] {
            notes.append("\(percent) % of its weight by \(shares.owner)" + (wide ? ", leased until \(shares.leaseUntil)" : ", leased") + (shares.reason.map { ": \(wide ? $0 : short($0))" } ?? ""))
        }
        if let failure = backend.probeFailure { notes.append(wide ? failure : short(failure)) }
        if backend.backup { notes.append("backup") }
        return notes.joined(separator: "; ")
    }

    private static func note(_ drain: DrainReport) -> String {
        "by \(drain.owner) since \(drain.since)" + (drain.leaseUntil.map { ", lease until \($0)" } ?? "")
            + (drain.atDeadline.flatMap { end in end == .keep ? nil : drain.deadline.map { ", \(end.rawValue) at \($0)" } } ?? "")
            + (drain.reason.map { ": \($0)" } ?? "")
    }

    private static func short(_ text: String) -> String { text.count > 40 ? text.prefix(37) + "..." : text }

    /// Left-aligned columns two blanks apart.
    package static func table(_ rows: [[String]]) -> [String] {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { $0.count > column ? width($0[column]) : 0 }.max() ?? 0 }
        return rows.map { row in
            var line: [UInt8] = []
            for (cell, most) in zip(row, widths) {
                line.append(contentsOf: cell.utf8)
                line.append(contentsOf: repeatElement(UInt8(ascii: " "), count: most - width(cell) + 2))
            }
            while line.last == UInt8(ascii: " ") { line.removeLast() }
            return String(decoding: line, as: UTF8.self)
        }
    }

    /// In characters. Nearly all cells are ASCII, and need not be looked at by their graphemes.
    private static func width(_ cell: String) -> Int {
        cell.utf8.allSatisfy { $0 < 0x80 } ? cell.utf8.count : cell.count
    }
}
