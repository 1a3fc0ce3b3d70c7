// How long the parts of a rollout took, by its journal: each answer's time since its order.
import Foundation
import Model
import Rollout
import Testing

struct JournalTimes: CustomStringConvertible {
    /// From the journal's first line to its last.
    let whole: Duration
    /// By the order's name: `drain`, `restart`, `probe`, … Orders of one rollout with one node in hand do not overlap.
    private let parts: [String: Duration]
    /// What was proved and predicted before it began, for people.
    let forecast: [String]

    /// Of the last rollout.
    init(_ balancer: Balancer) throws {
        let shown = try balancer.lbctl("rollout", "show", "-o", "json").succeeded().output
        let records = try shown.split(separator: "\n").map { try JSONDecoder().decode(JournalRecord.self, from: Data($0.utf8)) }
        guard case .begun(let begin) = records.first?.content, let first = records.first, let last = records.last, case .ended = last.content
        else { throw HarnessError("the journal has no beginning, or no end:\n\(shown)") }
        forecast = begin.proof
        whole = last.elapsed - first.elapsed
        var parts: [String: Duration] = [:]
        var ordered: (name: String, at: Duration)?
        for record in records {
            switch record.content {
            case .action(let event): ordered = (event.name, record.elapsed)
            case .input(let event):
                guard let order = ordered, event.name == order.name || (event.name, order.name) == ("looked", "look") else { continue }
                parts[order.name, default: .zero] += record.elapsed - order.at
            case .begun, .seen, .ended: continue
            }
        }
        self.parts = parts
    }

    /// From each order to drain until the node was empty.
    var drains: Duration { parts["drain"] ?? .zero }

    var description: String {
        "\(whole.spoken), of that " + parts.sorted { $0.value > $1.value }.map { "\($0.key) \($0.value.spoken)" }.joined(separator: ", ")
    }
}

extension Balancer {
    /// What `verify` says of the last rollout.
    func verifyLastRollout() throws -> ProgramEnd {
        let list = try lbctl("rollout", "list").succeeded().output
        guard let id = list.split(separator: "\n").dropFirst().first?.split(separator: " ").first else {
            throw HarnessError("no rollout is listed:\n\(list)")
        }
        return try lbctl("rollout", "verify", String(id))
    }
}
