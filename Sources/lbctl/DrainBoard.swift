// What a waiting drain has said so far, and the one line that shows it.
import ControlProtocol
import Model

struct DrainBoard {
    /// Marks of the bar.
    private static let width = 20

    private struct Entry {
        var record: DrainRecord
        /// Connections when it was first seen, or more if there ever were.
        var most: Int
    }

    private var entries: [String: Entry] = [:]
    /// Connections that were named as those that it waits for.
    private var named: Set<String> = []

    /// Whether the record is news: something other than time has changed. `key`: balancer and backend.
    mutating func take(_ record: DrainRecord, key: String) -> Bool {
        let before = entries[key]
        entries[key] = Entry(record: record, most: max(record.connections, before?.most ?? 0))
        guard let last = before?.record else { return true }
        // A forecast changes with every look: only that there is one, and who is to blame, is news.
        return last.availability != record.availability || last.connections != record.connections
            || last.timeToEmpty?.never != record.timeToEmpty?.never
            || last.timeToEmpty?.toBlame.map(\.id) != record.timeToEmpty?.toBlame.map(\.id)
    }

    /// Whether the record says that there will be no end, and somebody is to blame who was not named yet.
    mutating func blames(_ record: DrainRecord, key: String) -> Bool {
        guard let time = record.timeToEmpty, time.never, !time.toBlame.isEmpty else { return false }
        let fresh = time.toBlame.prefix(3).map { "\(key) \($0.id)" }.filter { !named.contains($0) }
        named.formUnion(fresh)
        return !fresh.isEmpty
    }

    /// `[########------------] web/web-1: 7 connections open, empty in 30 s to 2 m 10 s, waited 3.2 s, 4 m 56 s left`
    var line: String {
        let open = entries.values.filter { $0.record.availability != .drained }
        let connections = open.reduce(0) { $0 + $1.record.connections }
        let most = entries.values.reduce(0) { $0 + $1.most }
        let waited = Duration.milliseconds(Int64((entries.values.map(\.record.waited).max() ?? 0) * 1000))
        let names = open.map(\.record.backend).sorted()
        let subject = names.count == 1 ? names[0] : "\(names.count) backends"
        let outlook = DrainBoard.outlook(open.map(\.record))
        // Said already where the deadline comes first.
        let left = outlook?.deadlineIsFirst == true ? "" : DrainBoard.left(open.map(\.record))
        return "[\(DrainBoard.bar(done: most - connections, of: most))] \(subject): \(connections) "
            + "\(connections == 1 ? "connection" : "connections") open"
            + (outlook.map { ", \($0.short)" } ?? "") + ", waited \(waited.spoken)\(left)"
    }

    /// Until lbd does something about them, or gives up.
    private static func left(_ open: [DrainRecord]) -> String {
        guard let left = open.compactMap(\.deadlineIn).max() else { return "" }
        guard left <= 0 else { return ", \(Duration.milliseconds(Int64(left * 1000)).spoken) left" }
        let ends = Set(open.compactMap(\.atDeadline))
        return ends == [.close] ? ", closing them" : ends == [.reset] ? ", resetting them" : ", the deadline has passed"
    }

    /// Of the one that takes longest.
    private static func outlook(_ open: [DrainRecord]) -> DrainOutlook? {
        open.filter { $0.timeToEmpty != nil }.max { ($0.timeToEmpty?.p90 ?? .infinity) < ($1.timeToEmpty?.p90 ?? .infinity) }?.outlook
    }

    private static func bar(done: Int, of all: Int) -> String {
        let marks = all > 0 ? width * done / all : width
        return String(repeating: "#", count: marks) + String(repeating: "-", count: width - marks)
    }
}
