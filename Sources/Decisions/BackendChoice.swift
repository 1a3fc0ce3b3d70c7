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
    /// Whether the backend is at its limit, as far as is known at once.
    func isFull(_ index: Int) -> Bool
    /// Whether the backend has come back lately and has had its share for now: passed over, as long as there is another.
    func isHeldBack(_ index: Int) -> Bool
    /// The first at or after `index`, going round, that is not full, found without asking each; nil: all are.
    func notFull(from index: Int) -> Int?
    /// Smooth weighted round-robin as a sequence of indices; see `RoundRobinSchedule`.
    var scheduleCount: Int { get }
    func scheduled(_ position: Int) -> Int
    /// Of `random` and `two-choices`; see `AliasTable`.
    func column(_ index: Int) -> AliasTable.Column
    /// Of `source-hash`: the backend at a position of Maglev's table, 0 ..< `MaglevTable.size`.
    func hashed(_ position: Int) -> Int
}

extension ChoiceTable {
    @inlinable func isPassedOver(_ index: Int) -> Bool { isFull(index) || isTried(index) || isHeldBack(index) }

    /// The first untried one at or after `index`, going round, that is not full and not `excluded`: where a method's
    /// own looks have met nobody. A connection has tried few, so that this ends after as many looks, as many as are held
    /// back, and two more.
    @inlinable func remaining(from index: Int, besides excluded: Int? = nil) -> Int? {
        guard count > 0 else { return nil }
        var looked = 0
        var next = index < count ? index : 0
        while looked < count, let found = notFull(from: next) {
            if found != excluded, !isTried(found), !isHeldBack(found) { return found }
            looked += found >= next ? found - next + 1 : found + count - next + 1
            next = found + 1 < count ? found + 1 : 0
        }
        return nil
    }
}

/// Where backends have limits, a method passes over the full ones as over those that were tried: for a bounded number
/// of looks by its own rule, then by `remaining`. So a choice costs no more where 999 of 1,000 are full.
package enum BackendChoice {
    /// Takes the schedule's next entry that was not tried; `cursor` belongs to one worker and one pool.
    @inlinable package static func roundRobin(_ table: some ChoiceTable, cursor: inout UInt32) -> Int? {
        var index = 0
        for _ in 0..<min(table.scheduleCount, looksMax) {
            index = table.scheduled(Int(cursor % UInt32(table.scheduleCount)))
            cursor &+= 1
            if !table.isPassedOver(index) { return index }
        }
        return table.remaining(from: index + 1)
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
        guard table.count > 0 else { return nil }
        var position = Int(hash % UInt64(MaglevTable.size))
        for _ in 0..<looksMax {
            let index = table.hashed(position)
            if !table.isPassedOver(index) { return index }
            position = position + 1 == MaglevTable.size ? 0 : position + 1
        }
        // By the hash again, by another part of it: so that these too spread, and the same on every balancer.
        return table.remaining(from: Int((hash >> 32) % UInt64(table.count)))
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
            if index != excluded, !table.isPassedOver(index) { return index }
        }
        return table.remaining(from: index + 1, besides: excluded)
    }

    @inlinable static var drawsMax: Int { 4 }
    /// Of a schedule or of Maglev's table.
    @inlinable static var looksMax: Int { 64 }
}
