// A capacity proof in words: for `plan`, for the refusal, and for the journal.
import Model

extension CapacityProof {
    /// `window`: over which the peak was measured.
    package func lines(window: Duration) -> [String] {
        [headline(window)] + parts.map { "  \($0.quantity.words): \(text($0))" } + doubts + remedy
    }

    /// In one line: why it is refused, or what it rests on.
    package func headline(_ window: Duration) -> String {
        let without = out.isEmpty ? "" : "without \(out.map(\.description).joined(separator: ", ")) "
        guard !carriers.isEmpty else { return "proof failed: \(without)nobody takes new connections" }
        let many = out.isEmpty ? "the \(carriers.count) of pool \(carriers[0].backend.pool)" : "the other \(carriers.count)"
        let others = carriers.count == 1 ? "\(carriers[0].backend)" : many
        let peak = "the highest load of the last \(window.spoken)"
        switch outcome {
        case .proved: return "proof: \(without)\(others) can carry \(peak)"
        case .refused: return "proof failed: \(without)\(others) cannot carry \(peak): \(parts.compactMap(shortfall).joined(separator: "; "))"
        case .notProvable: return "not provable: no capacity known for \(unknown.map(\.description).joined(separator: ", "))"
        }
    }

    /// Carriers of which a capacity that is asked for is not known.
    package var unknown: [BackendReference] {
        carriers.map(\.backend).filter { backend in
            parts.contains { if case .unknown(let who) = $0.finding { who.contains(backend) } else { false } }
        }
    }

    private func shortfall(_ part: Part) -> String? {
        guard case .short(let most, _) = part.finding else { return nil }
        let missing = part.load - most
        let share = most > 0 ? " (\(percent(missing / most)) more than they can)" : ""
        return "\(part.quantity.amount(missing)) \(part.quantity.words) too many\(share)"
    }

    private func text(_ part: Part) -> String {
        let load = part.quantity.amount(part.load)
        switch part.finding {
        case .carried(let most, _) where most == .infinity: return "\(load)"
        case .carried where carriers.allSatisfy({ $0.limit(of: part.quantity) == nil }): return "\(load), no more than they were seen to carry"
        case .carried(let most, let first):
            let reserve = part.quantity.amount(most - part.load)
            return "\(load) of \(part.quantity.amount(most)): reserve \(reserve) (\(percent(part.reserve ?? 0)))" + (first.map { ", \($0) would be the first at its limit" } ?? "")
        case .short(let most, let first):
            return "\(load), but they carry \(part.quantity.amount(most)): \(shortfall(part) ?? "")" + (first.map { ", \($0) would be the first at its limit" } ?? "")
        case .unknown(let who):
            let seen = who.compactMap { backend in carriers.first { $0.backend == backend } }
                .map { "\($0.backend) \(part.quantity.amount($0.peak[part.quantity]))" }
            return "\(load) in all; the highest that each was seen to carry: \(seen.joined(separator: ", "))"
        }
    }

    /// Where what was declared is less than what was seen, the latter counts, and somebody should know.
    private var doubts: [String] {
        parts.flatMap { part in
            carriers.compactMap { node -> String? in
                guard let declared = node.capacity[part.quantity], declared < node.peak[part.quantity] else { return nil }
                return "  \(node.backend) was seen to carry \(part.quantity.amount(node.peak[part.quantity])) \(part.quantity.words), more than its "
                    + "capacity of \(part.quantity.amount(declared)) says: that counts for it; is the capacity still right?"
            }
        }
    }

    private var remedy: [String] {
        switch outcome {
        case .proved, .refused: []
        case .notProvable:
            ["  to have it proved: give each backend connections-max, or the pool a capacity: lbctl pool set \(out.first?.pool.text ?? "POOL") capacity.connections=N"]
        }
    }

    private func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }
}

extension LoadQuantity {
    /// For people: three digits are enough.
    package func amount(_ value: Double) -> String {
        switch self {
        case .connections: "\(Int(value.rounded()))"
        case .connectsPerSecond: value < 100 ? tenths(value) : "\(Int(value.rounded()))"
        case .bytesPerSecond: scaled(value)
        }
    }

    private func tenths(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }

    private func scaled(_ value: Double) -> String {
        var (value, unit) = (value, 0)
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        while value >= 1024, unit + 1 < units.count { (value, unit) = (value / 1024, unit + 1) }
        return (value < 100 && unit > 0 ? tenths(value) : "\(Int(value.rounded()))") + " " + units[unit]
    }
}
