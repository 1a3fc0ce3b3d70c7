// A weighted draw in constant time: Walker's alias method, built as by M. Vose ("A linear algorithm for generating
// random numbers with a given distribution", 1991), in whole numbers.
//
// Each of n columns has the area 1/n. The lower part of a column is its own backend's, the rest its alias's: one
// draw takes a column, and a place in it.

package enum AliasTable {
    @frozen package struct Column: Equatable, Sendable {
        /// The column's own part of 2³²; the whole column where the alias is the backend itself.
        @usableFromInline let own: UInt32
        @usableFromInline let alias: UInt16
    }

    package static func columns(weights: [Int]) -> [Column] {
        precondition(weights.count <= Int(UInt16.max), "a pool has at most \(UInt16.max) backends")
        let total = weights.reduce(0, +)
        // Areas in units of 1 / (n x total): a full column has `total`, all of them together n x total.
        var areas = weights.map { $0 * weights.count }
        var columns = weights.indices.map { Column(own: .max, alias: UInt16($0)) }
        var small = areas.indices.filter { areas[$0] < total }
        var large = areas.indices.filter { areas[$0] >= total }
        while let poor = small.popLast(), let rich = large.last {
            columns[poor] = Column(own: UInt32((areas[poor] << 32) / total), alias: UInt16(rich))
            areas[rich] -= total - areas[poor]
            if areas[rich] < total { small.append(large.removeLast()) }
        }
        return columns
    }

    /// The index that 64 random bits mean: the high half takes the column, the low half the place in it.
    @inlinable package static func pick(bits: UInt64, count: Int, column: (Int) -> Column) -> Int {
        let index = Int(((bits >> 32) &* UInt64(count)) >> 32)
        let column = column(index)
        return UInt32(truncatingIfNeeded: bits) < column.own ? index : Int(column.alias)
    }
}
