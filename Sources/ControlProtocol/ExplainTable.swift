// An explanation for people: the same over the socket and from lbctl.
import Model

extension ExplainReport {
    package var lines: [String] {
        var rows = [["  why", reasons.first ?? ""]] + reasons.dropFirst().map { ["", $0] }
        rows.append(["  holders", summary])
        if holders.connections > 0 {
            rows.append(["  age", spread(holders.byAge)])
            rows.append(["  idle", spread(holders.byIdle)])
            if !holders.byPeer.isEmpty { rows.append(["  peers", spread(holders.byPeer)]) }
        }
        rows.append([wish == .ready ? "  if drained" : "  empty", forecast])
        var lines = ["\(backend) (\(address)) is \(availability == .maintenance ? "in " : "")\(availability.rawValue)"] + StatusTable.table(rows)
        lines += listed("oldest", holders.oldest)
        // The same ones again would tell nothing.
        if Set(holders.idlest.map(\.id)) != Set(holders.oldest.map(\.id)) { lines += listed("idle for longest", holders.idlest) }
        return lines
    }

    private var summary: String {
        guard holders.connections > 0 else { return "none" }
        var parts = [counted(holders.connections, "connection")]
        if holders.halfClosed > 0 { parts.append("\(holders.halfClosed) half-closed") }
        if holders.ending > 0 { parts.append("\(holders.ending) ending, with bytes still on their way") }
        if holders.connecting > 0 { parts.append("\(holders.connecting) connecting") }
        parts.append("\(holders.bytesInLastMinute) bytes in the last minute")
        return parts.joined(separator: ", ")
    }

    private var forecast: String {
        guard holders.connections > 0 else { return timeToEmpty.text }
        let outlook = DrainOutlook(left: holders.connections, timeToEmpty, drain, deadlineIn: availability == .draining ? deadlineIn : nil)
        return outlook.text + " (judged by \(counted(Int(clamping: timeToEmpty.ended), "ended connection")) of the pool)"
    }

    private func spread(_ groups: [Group]) -> String {
        groups.filter { $0.connections > 0 }.map { "\($0.name): \($0.connections)" }.joined(separator: ", ")
    }

    private func listed(_ title: String, _ connections: [ConnectionReport]) -> [String] {
        guard !connections.isEmpty else { return [] }
        return ["", "\(title):"] + StatusTable.table([ConnectionReport.columns] + connections.map(\.row))
    }
}
