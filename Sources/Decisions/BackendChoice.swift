// Which backend a new connection goes to. Pure: a table in, an index out. Called once per connection attempt.
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
    /// Smooth weighted round-robin as a precomputed sequence of indices; see `roundRobinSchedule`.
    var scheduleCount: Int { get }
    func scheduled(_ position: Int) -> Int
}

package enum BackendChoice {
    /// Takes the schedule's next entry that was not tried; `cursor` belongs to one worker and one pool.
    @inlinable package static func roundRobin<Table: ChoiceTable>(_ table: Table, cursor: inout UInt32) -> Int? {
        for _ in 0..<table.scheduleCount {
            let index = table.scheduled(Int(cursor % UInt32(table.scheduleCount)))
            cursor &+= 1
            if !table.isTried(index) { return index }
        }
        return nil
    }

    /// The fewest connections per weight. Ties go round: the search starts one further each time.
    @inlinable package static func leastConnections<Table: ChoiceTable>(_ table: Table, cursor: inout UInt32) -> Int? {
        let count = table.count
        guard count > 0 else { return nil }
        let start = Int(cursor % UInt32(count))
        cursor &+= 1
        var best: Int?
        var bestConnections = 0
        var bestWeight = 1
        for step in 0..<count {
            let index = start + step < count ? start + step : start + step - count
            guard !table.isTried(index) else { continue }
            let connections = table.connections(index)
            let weight = table.weight(index)
            // (connections + 1) / weight, compared without dividing: with the new one included, an idle
            // backend of twice the weight still comes first.
            if best == nil || (connections + 1) * bestWeight < (bestConnections + 1) * weight {
                best = index
                bestConnections = connections
                bestWeight = weight
            }
        }
        return best
    }

    /// The order in which smooth weighted round-robin (nginx, `ngx_http_upstream_get_round_robin_peer`) visits
    /// backends with these weights, over one whole period: {5, 1, 1} gives a a b a c a a, never five in a row.
    package static func roundRobinSchedule(weights: [Int]) -> [Int] {
        guard let divisor = weights.reduce(nil, { gcd($0 ?? $1, $1) }) else { return [] }
        let shares = weights.map { $0 / divisor }
        let total = shares.reduce(0, +)
        var current = [Int](repeating: 0, count: shares.count)
        return (0..<total).map { _ in
            var best = 0
            for index in shares.indices {
                current[index] += shares[index]
                if current[index] > current[best] { best = index }
            }
            current[best] -= total
            return best
        }
    }

    private static func gcd(_ left: Int, _ right: Int) -> Int {
        right == 0 ? left : gcd(right, left % right)
    }
}
