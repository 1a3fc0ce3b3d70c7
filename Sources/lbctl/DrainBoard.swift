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

    /// Whether the record is news: something other than time has changed. `key`: balancer and backend.
    mutating func take(_ record: DrainRecord, key: String) -> Bool {
        let before = entries[key]
        entries[key] = Entry(record: record, most: max(record.connections, before?.most ?? 0))
        guard let last = before?.record else { return true }
        return last.availability != record.availability || last.connections != record.connections
    }

    /// `[########------------] web/web-1: 7 connections open, waited 3.2 s, 4 m 56 s left`
    func line(deadline: Duration?) -> String {
        let open = entries.values.filter { $0.record.availability != .drained }
        let connections = open.reduce(0) { $0 + $1.record.connections }
        let most = entries.values.reduce(0) { $0 + $1.most }
        let waited = Duration.milliseconds(Int64((entries.values.map(\.record.waited).max() ?? 0) * 1000))
        let names = open.map(\.record.backend).sorted()
        let subject = names.count == 1 ? names[0] : "\(names.count) backends"
        let left = deadline.map { ", \(max(.zero, $0 - waited).spoken) left" } ?? ""
        return "[\(DrainBoard.bar(done: most - connections, of: most))] \(subject): \(connections) "
            + "\(connections == 1 ? "connection" : "connections") open, waited \(waited.spoken)\(left)"
    }

    private static func bar(done: Int, of all: Int) -> String {
        let marks = all > 0 ? width * done / all : width
        return String(repeating: "#", count: marks) + String(repeating: "-", count: width - marks)
    }
}
