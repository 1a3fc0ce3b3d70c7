// Which backend a client's hash belongs to: Maglev's lookup table (D. Eisenbud et al., "Maglev: A Fast and Reliable
// Software Network Load Balancer", NSDI 2016, section 3.4).
//
// Every backend has a preference list, which is a permutation of the table's positions that follows from its name
// alone. Backends take turns; at its turn each takes the first position on its list that is still free. So the
// shares are even, and when a backend comes or goes few positions change hands but its own. Heavier ones have
// proportionally more turns (as in Envoy's `MaglevTable`).
//
// The table follows from names and weights alone, in any order, so that every balancer with the same backends
// available sends a client to the same one. These must therefore never change without need: the size, both keys of
// the names, and the key of `ClientHash`.
import Model

package enum MaglevTable {
    /// The paper's own: a prime, 65 positions each for 1,000 backends, so shares are even to within 1.6 %. The same
    /// for every pool, small or large: one that followed the number of backends would move nearly all clients at
    /// once when a backend is added across a step. It costs 128 KiB a pool, and some milliseconds to fill.
    @inlinable package static var size: Int { 65_537 }

    private static let offsetKey = SipHash.Key("sluice offset v1")
    private static let skipKey = SipHash.Key("sluice skip v1.0")

    /// For each position an index into `names`, which are all different. Empty where `names` is.
    package static func positions(names: [String], weights: [Int]) -> [UInt16] {
        precondition(names.count == weights.count && names.count <= Int(UInt16.max), "a weight for each of at most \(UInt16.max) backends")
        guard let heaviest = weights.max() else { return [] }
        let order = names.indices.sorted { names[$0] < names[$1] }
        var turns = order.map { Turns(name: names[$0], weight: weights[$0]) }
        var taken = [Bool](repeating: false, count: size)
        var positions = [UInt16](repeating: 0, count: size)
        var free = size
        var round = 0
        while true {
            round += 1
            for place in turns.indices where turns[place].isDue(in: round, heaviest: heaviest) {
                let position = turns[place].preference { !taken[$0] }
                taken[position] = true
                positions[position] = UInt16(order[place])
                free -= 1
                if free == 0 { return positions }
            }
        }
    }

    /// One backend on its way through its preference list.
    private struct Turns {
        private let weight: Int
        private let skip: Int
        private var next: Int
        private var had = 0

        init(name: String, weight: Int) {
            let bytes = Array(name.utf8)
            self.weight = weight
            next = Int(SipHash.hash(bytes, key: offsetKey) % UInt64(size))
            skip = Int(SipHash.hash(bytes, key: skipKey) % UInt64(size - 1)) + 1
        }

        /// One turn a round for the heaviest, for the others as many as their weight is of its.
        mutating func isDue(in round: Int, heaviest: Int) -> Bool {
            guard round * weight >= (had + 1) * heaviest else { return false }
            had += 1
            return true
        }

        /// The first position on the rest of the list that will do. There is one: the list names all of them.
        mutating func preference(where isFree: (Int) -> Bool) -> Int {
            while true {
                let position = next
                next = next + skip < size ? next + skip : next + skip - size
                if isFree(position) { return position }
            }
        }
    }
}

/// The hash of a client's address: SipHash-2-4 over its bytes in network order, 4 of IPv4 and 16 of IPv6, with the
/// key "sluice source v1" (ASCII). An IPv4 client is the same one whether it comes as itself or mapped into IPv6.
package enum ClientHash {
    private static let key = SipHash.Key("sluice source v1")

    package static func of(_ address: IPAddress) -> UInt64 {
        switch address.family {
        case .ipv4: ofIPv4(word: UInt32(truncatingIfNeeded: address.low).byteSwapped)
        case .ipv6: ofIPv6(low: address.high.byteSwapped, high: address.low.byteSwapped)
        }
    }

    /// `word`: the four bytes as they lie in memory, first byte lowest.
    package static func ofIPv4(word: UInt32) -> UInt64 { SipHash.hash(word: word, key: key) }

    /// `low` and `high`: the first eight bytes and the last eight, first byte lowest.
    package static func ofIPv6(low: UInt64, high: UInt64) -> UInt64 {
        // ::ffff:a.b.c.d is ten zero bytes, two of 255, and the IPv4 address.
        if low == 0, high & 0xFFFF_FFFF == 0xFFFF_0000 { return ofIPv4(word: UInt32(high >> 32)) }
        return SipHash.hash(low: low, high: high, key: key)
    }
}
