// The one table that joins what the operator wishes with what the probes found.
import Model

extension Availability {
    /// `isEmpty`: no connection in any state holds the backend, and every worker has acknowledged the
    /// routing that takes it out, so that none can newly arrive. `isWarming`: it has come back, and its slow start goes on.
    package init(wish: Wish, finding: ProbeFinding, isEmpty: Bool, isWarming: Bool = false) {
        switch (wish, finding) {
        case (.ready, .up): self = isWarming ? .warming : .available
        case (.ready, .unknown): self = .unknown
        case (.ready, .down): self = .down
        case (.drain, .up), (.drain, .unknown), (.drain, .down): self = isEmpty ? .drained : .draining
        case (.maintenance, .up), (.maintenance, .unknown), (.maintenance, .down): self = .maintenance
        }
    }

    /// Whether new connections may be sent there at all; `unknown` only in need (see `eligible`).
    package var isUsable: Bool {
        switch self {
        case .available, .warming: true
        case .unknown, .draining, .drained, .down, .maintenance: false
        }
    }

    /// Which backends of a pool take new connections, as indices into `pool`, in its order.
    ///
    /// Backups only while no other is available; unknown ones only while none at all is available.
    /// Draining backends are never a fallback: an empty answer means that the pool refuses.
    package static func eligible(in pool: [(availability: Availability, backup: Bool)]) -> [Int] {
        let pick = { (wanted: (Availability) -> Bool, backup: Bool) in
            pool.indices.filter { wanted(pool[$0].availability) && pool[$0].backup == backup }
        }
        let choices = [
            pick(\.isUsable, false), pick(\.isUsable, true),
            pick({ $0 == .unknown }, false), pick({ $0 == .unknown }, true),
        ]
        return choices.first { !$0.isEmpty } ?? []
    }
}
