// Which part of its weight each backend is to get of new connections while a rollout goes on, so that each client moves
// at most once: those that have to be moved go to backends that are restarted already, and not to one that is next.
//
// The floor: of n backends the clients of the first have nowhere else to go than to one that is still to be restarted, so
// they move twice; all others once: 1 + 1/n on average. A spare backend that is restarted already lowers it to 1.
// As far as the proof allows: a restarted backend takes more than its part only up to its limit, less a tenth for what
// arrives until the next look; where no limit is known, only up to what the proof has put on it.
import Model

package struct Preference: Equatable, Sendable {
    package enum Standing: Equatable, Sendable {
        /// With the new release, and in rotation.
        case restarted
        /// Its turn comes next.
        case next
        case ahead
        /// Drained, or down.
        case out
    }

    package struct Node: Equatable, Sendable {
        package let proof: CapacityProof.Node
        package let standing: Standing
        /// Over the last second or so.
        package let now: Load

        package init(_ proof: CapacityProof.Node, _ standing: Standing, now: Load) {
            self.proof = proof
            self.standing = standing
            self.now = now
        }
    }

    /// In percent of its weight, by backend; 0: only where no other can take it. None for those that are out.
    package let shares: [BackendReference: Int]

    /// Of a known limit.
    private static let usable = 0.9

    /// `load`: of the whole pool, by which the proof was made.
    package init(_ nodes: [Node], load: Load) {
        let inRotation = nodes.filter { $0.standing != .out }
        let restarted = inRotation.filter { $0.standing == .restarted }
        let allWeight = inRotation.reduce(0) { $0 + $1.proof.weight }
        let hasRoom = restarted.filter { node in
            node.now.connections < Preference.allowance(of: node, load, weight: allWeight) && node.now.bytesPerSecond < Preference.most(of: node, .bytesPerSecond)
        }
        let rest = Preference.share(ofOthersThan: hasRoom, inRotation, load)
        var shares: [BackendReference: Int] = [:]
        for node in inRotation {
            let isPreferred = hasRoom.contains { $0.proof.backend == node.proof.backend }
            shares[node.proof.backend] = isPreferred ? 100 : rest
        }
        for backend in Preference.thinned(nodes, load) { shares[backend] = 0 }
        self.shares = shares
    }

    /// Connections that a restarted one may have: more only come as they come.
    private static func allowance(of node: Node, _ load: Load, weight: Int) -> Double {
        if let limit = node.proof.limit(of: .connections) { return limit * usable }
        return max(1, load.connections * Double(node.proof.weight) / Double(max(1, weight)))
    }

    private static func most(of node: Node, _ quantity: LoadQuantity) -> Double {
        node.proof.limit(of: quantity).map { $0 * usable } ?? .infinity
    }

    /// What the preferred ones cannot take of the connects goes to the others.
    private static func share(ofOthersThan preferred: [Node], _ inRotation: [Node], _ load: Load) -> Int {
        let taken = preferred.reduce(0) { $0 + most(of: $1, .connectsPerSecond) }
        let arriving = inRotation.reduce(0) { $0 + $1.now.connectsPerSecond }
        guard !preferred.isEmpty, taken > 0 else { return 100 }
        guard arriving > taken else { return 0 }
        let weight = preferred.reduce(0) { $0 + $1.proof.weight }
        let others = inRotation.reduce(0) { $0 + $1.proof.weight } - weight
        guard others > 0 else { return 100 }
        let share = taken / arriving
        return min(100, Int(((1 - share) / share * Double(weight) / Double(others) * 100).rounded(.up)))
    }

    /// The next ones in line get nothing more, where the rest is proved to carry it without them.
    private static func thinned(_ nodes: [Node], _ load: Load) -> [BackendReference] {
        let next = nodes.filter { $0.standing == .next }.map(\.proof.backend)
        let out = nodes.filter { $0.standing == .out }.map(\.proof.backend)
        guard !next.isEmpty else { return [] }
        return CapacityProof(nodes.map(\.proof), out: out + next, load: load).outcome == .proved ? next : []
    }
}
