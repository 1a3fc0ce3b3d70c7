// Weighted draws. Faults: a column's remainder given to the wrong backend, shares that rounding has lost.
import Decisions
import TestSupport
import Testing

struct AliasTableTests {
    /// The exact area of each backend, summed over the columns: its share, to within the rounding of 2⁻³² a column.
    @Test(arguments: [[1], [1, 1], [5, 1, 1], [256, 1], [1, 256, 255, 3], [10, 20, 30, 40], [7, 7, 7, 7, 7]])
    func areasAreShares(_ weights: [Int]) {
        let total = Double(weights.reduce(0, +))
        let steps: UInt64 = 4096
        var had = Array(repeating: 0, count: weights.count)
        let columns = AliasTable.columns(weights: weights)
        for column in 0..<UInt64(weights.count) {
            // The least high half that takes this column, and places spread evenly over it.
            let high = (column << 32 + UInt64(weights.count) - 1) / UInt64(weights.count)
            for step in 0..<steps {
                had[AliasTable.pick(bits: high << 32 | step << 20, count: weights.count) { columns[$0] }] += 1
            }
        }
        for (index, weight) in weights.enumerated() {
            let share = Double(had[index]) / Double(steps) / Double(weights.count)
            #expect(abs(share - Double(weight) / total) <= 1 / Double(steps), "\(weights)")
        }
    }

    @Test func everyColumnCanBeDrawn() {
        let columns = AliasTable.columns(weights: Array(repeating: 1, count: 1000))
        #expect(AliasTable.pick(bits: 0, count: 1000) { columns[$0] } == 0)
        #expect(AliasTable.pick(bits: .max << 32, count: 1000) { columns[$0] } == 999)
    }
}
