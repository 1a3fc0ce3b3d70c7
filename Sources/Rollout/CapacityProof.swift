// Whether the others can carry a pool's load while some of its backends are out, with what reserve, or by how much not.
//
// New connections spread by weight. A backend at its connections-max is passed over, so what it cannot take goes to the
// others; a `capacity` is not known to the balancer, so nothing overflows: the first backend beyond it is where the
// proof ends. What a backend was seen to carry it can carry, whether its capacity is known or not.
import Decisions
import Model

package struct CapacityProof: Equatable, Sendable {
    /// A backend as the proof sees it.
    package struct Node: Equatable, Sendable {
        package let backend: BackendReference
        package let weight: Int
        package let isBackup: Bool
        package let availability: Availability
        /// Kept by the balancer.
        package let connectionsMax: Int?
        package let capacity: Capacity
        /// The highest that it was seen to carry, each quantity by itself.
        package let peak: Load

        package init(
            _ backend: BackendReference, weight: Int = 1, isBackup: Bool = false, availability: Availability = .available,
            connectionsMax: Int? = nil, capacity: Capacity = Capacity(), peak: Load = Load()
        ) {
            self.backend = backend
            self.weight = weight
            self.isBackup = isBackup
            self.availability = availability
            self.connectionsMax = connectionsMax
            self.capacity = capacity
            self.peak = peak
        }
    }

    package enum Finding: Equatable, Sendable {
        /// They carry up to `most`; `first` is the first at its limit then.
        case carried(most: Double, first: BackendReference?)
        /// They carry `most` and no more.
        case short(most: Double, first: BackendReference?)
        case unknown([BackendReference])
    }

    /// What is found about one quantity.
    package struct Part: Equatable, Sendable {
        package let quantity: LoadQuantity
        /// To be carried.
        package let load: Double
        package let finding: Finding

        package init(quantity: LoadQuantity, load: Double, finding: Finding) {
            self.quantity = quantity
            self.load = load
            self.finding = finding
        }

        /// Of what they carry at most, the part that is left; negative where it is too little; nil: not known.
        package var reserve: Double? {
            switch finding {
            case .carried(let most, _), .short(let most, _): most > 0 ? (most - load) / most : load > 0 ? -1 : 0
            case .unknown: nil
            }
        }
    }

    package enum Outcome: String, Equatable, Sendable {
        case proved
        case refused
        case notProvable
    }

    package let out: [BackendReference]
    /// Those that take new connections meanwhile.
    package let carriers: [Node]
    /// What was asked: each quantity of which some capacity is known, or all where none is.
    package let parts: [Part]
    package let outcome: Outcome

    /// `load`: of the whole pool, the highest that is to be expected. `out`: those that are out at the same time.
    package init(_ nodes: [Node], out: [BackendReference], load: Load) {
        self.out = out
        let eligible = Availability.eligible(
            in: nodes.map { (availability: out.contains($0.backend) ? .draining : $0.availability, backup: $0.isBackup) })
        let carriers = eligible.map { nodes[$0] }
        let known = LoadQuantity.allCases.filter { quantity in carriers.contains { $0.limit(of: quantity) != nil } }
        let asked = known.isEmpty ? LoadQuantity.allCases : known
        let parts = asked.map { Part(quantity: $0, load: load[$0], finding: CapacityProof.finding($0, load[$0], carriers)) }
        self.carriers = carriers
        self.parts = parts
        outcome = carriers.isEmpty || parts.contains(where: \.isShort) ? .refused : parts.contains(where: \.isUnknown) ? .notProvable : .proved
    }

    /// Whether a standby pool carries it. `backends`: those that are proved to be up before they get any of it.
    package init(standby nodes: [Node], up backends: [BackendReference], load: Load) {
        let up = nodes.filter { backends.contains($0.backend) }.map {
            Node(
                $0.backend, weight: $0.weight, isBackup: $0.isBackup, connectionsMax: $0.connectionsMax, capacity: $0.capacity, peak: $0.peak)
        }
        self.init(up, out: [], load: load)
    }

    private static func finding(_ quantity: LoadQuantity, _ load: Double, _ carriers: [Node]) -> Finding {
        let promised = Spread(carriers.map { Spread.Share($0, quantity, bySight: false) })
        guard load <= promised.most else { return .short(most: promised.most, first: promised.first.map { carriers[$0].backend }) }
        let unknown = carriers.filter { $0.limit(of: quantity) == nil }.map(\.backend)
        guard !unknown.isEmpty else { return .carried(most: promised.most, first: promised.first.map { carriers[$0].backend }) }
        let seen = Spread(carriers.map { Spread.Share($0, quantity, bySight: true) })
        return load <= seen.most ? .carried(most: seen.most, first: seen.first.map { carriers[$0].backend }) : .unknown(unknown)
    }

    /// The weakest of several, one for each group of backends that are out together: what a whole rollout rests on.
    package static func weakest(_ nodes: [Node], groups: [[BackendReference]], load: Load) -> CapacityProof? {
        groups.map { CapacityProof(nodes, out: $0, load: load) }.min { $0.strength < $1.strength }
    }

    private var strength: (Int, Double) {
        let rank = switch outcome {
        case .refused: 0
        case .notProvable: 1
        case .proved: 2
        }
        return (rank, parts.compactMap(\.reserve).min() ?? 0)
    }
}

extension CapacityProof.Part {
    fileprivate var isShort: Bool {
        switch finding {
        case .short: true
        case .carried, .unknown: false
        }
    }

    fileprivate var isUnknown: Bool {
        switch finding {
        case .unknown: true
        case .carried, .short: false
        }
    }
}

extension CapacityProof.Node {
    /// The lowest limit that is known.
    package func limit(of quantity: LoadQuantity) -> Double? {
        [capacity[quantity], most(of: quantity)].compactMap { $0 }.min()
    }

    /// What the balancer itself enforces.
    fileprivate func most(of quantity: LoadQuantity) -> Double? {
        switch quantity {
        case .connections: connectionsMax.map(Double.init)
        case .connectsPerSecond, .bytesPerSecond: nil
        }
    }
}

/// A load that rises until the first backend is beyond what it can carry.
private struct Spread {
    struct Share {
        let weight: Double
        /// At this much the rest goes to others.
        let overflow: Double?
        /// Beyond this much it cannot carry.
        let bound: Double?

        /// `bySight`: of one whose capacity is not known, what it was seen to carry stands for it.
        init(_ node: CapacityProof.Node, _ quantity: LoadQuantity, bySight: Bool) {
            weight = Double(node.weight)
            overflow = node.most(of: quantity)
            let isKnown = node.limit(of: quantity) != nil
            // Seen beyond what its operator believes of it: then it can.
            let capacity = node.capacity[quantity].map { max($0, node.peak[quantity]) } ?? (bySight && !isKnown ? node.peak[quantity] : nil)
            bound = if let capacity, capacity < overflow ?? .infinity { capacity } else { nil }
        }
    }

    /// The highest load that all of them carry; infinite where one has no limit and no other is the first.
    let most: Double
    /// At its bound then.
    let first: Int?

    init(_ shares: [Share]) {
        let bounded = shares.indices.filter { shares[$0].bound != nil }
        first = bounded.min { shares[$0].bound! / shares[$0].weight < shares[$1].bound! / shares[$1].weight }
        let level = first.map { shares[$0].bound! / shares[$0].weight } ?? .infinity
        most = shares.reduce(0) { $0 + min($1.overflow ?? .infinity, $1.weight * level) }
    }
}
