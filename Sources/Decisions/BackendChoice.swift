// Which backend a new connection goes to. Pure: a table in, an index out. Called once per connection attempt.
//
// No method looks at every backend, so that a choice costs the same among 1,000 as among 10. What a method needs
// for that is computed beforehand: `RoundRobinSchedule`, `AliasTable` and `MaglevTable` where the routing is
// published, `LoadRanking` (least-connections) by each worker for itself.
import Model

/// The eligible backends as the data plane sees them. Indices are 0 ..< count.
package protocol ChoiceTable {
    var count: Int { get }
    /// 1 to 256.
    func weight(_ index: Int) -> Int
    /// Connections that hold the backend now, over all workers.
    func connections(_ index: Int) -> Int
    /// Whether this connection has tried the backend already.
    func isTried(_ index: Int) -> Bool
    /// Smooth weighted round-robin as a sequence of indices; see `RoundRobinSchedule`.
    var scheduleCount: Int { get }
    func scheduled(_ position: Int) -> Int
    /// Of `random` and `two-choices`; see `AliasTable`.
    func column(_ index: Int) -> AliasTable.Column
    /// Of `source-hash`: the backend at a position of Maglev's table, 0 ..< `MaglevTable.size`.
    func hashed(_ position: Int) -> Int
}

package enum BackendChoice {
    /// Takes the schedule's next entry that was not tried; `cursor` belongs to one worker and one pool.
    @inlinable package static func roundRobin(_ table: some ChoiceTable, cursor: inout UInt32) -> Int? {
        for _ in 0..<table.scheduleCount {
            let index = table.scheduled(Int(cursor % UInt32(table.scheduleCount)))
            cursor &+= 1
            if !table.isTried(index) { return index }
        }
        return nil
    }

    /// Any backend, each with its weight's share of the chances.
    @inlinable package static func random(
        _ table: some ChoiceTable, using generator: inout some RandomNumberGenerator
    ) -> Int? {
        draw(table, besides: nil, using: &generator)
    }

    /// The less loaded of two different ones, which chance picks by weight (M. Mitzenmacher, "The power of two
    /// choices in randomized load balancing", 2001). What makes it good with many balancers in front of one pool:
    /// none of them has the least loaded one to itself, so they do not all run to it.
    @inlinable package static func twoChoices(
        _ table: some ChoiceTable, using generator: inout some RandomNumberGenerator
    ) -> Int? {
        guard let first = draw(table, besides: nil, using: &generator) else { return nil }
        guard let second = draw(table, besides: first, using: &generator) else { return first }
        let load = (table.connections(first) + 1) * table.weight(second)
        let otherLoad = (table.connections(second) + 1) * table.weight(first)
        return otherLoad < load ? second : first
    }

    /// The backend that belongs to the client's hash; where that one was tried, the next different one along the
    /// table, so that the clients of one that fails spread over all others.
    @inlinable package static func sourceHash(_ table: some ChoiceTable, hash: UInt64) -> Int? {
        // Without anybody left the table would be walked in vain, all of it.
        guard hasUntried(table) else { return nil }
        var position = Int(hash % UInt64(MaglevTable.size))
        for _ in 0..<MaglevTable.size {
            let index = table.hashed(position)
            if !table.isTried(index) { return index }
            position = position + 1 == MaglevTable.size ? 0 : position + 1
        }
        return nil
    }

    /// A connection has tried few, so this and `draw` end after as many looks and one more.
    @inlinable static func hasUntried(_ table: some ChoiceTable) -> Bool {
        for index in 0..<table.count where !table.isTried(index) { return true }
        return false
    }

    /// An untried one other than `excluded`, by weight. Where chance hits only others in a row (it does where one
    /// of few has nearly all the weight), the next one that will do.
    @inlinable static func draw(
        _ table: some ChoiceTable, besides excluded: Int?, using generator: inout some RandomNumberGenerator
    ) -> Int? {
        let count = table.count
        guard count > 0 else { return nil }
        var index = 0
        for _ in 0..<drawsMax {
            index = AliasTable.pick(bits: generator.next(), count: count) { table.column($0) }
            if index != excluded, !table.isTried(index) { return index }
        }
        for _ in 0..<count {
            index = index + 1 == count ? 0 : index + 1
            if index != excluded, !table.isTried(index) { return index }
        }
        return nil
    }

    @inlinable static var drawsMax: Int { 4 }
}
