// The order in which smooth weighted round-robin visits backends, written down for one whole period.
//
// Smooth: {5, 1, 1} gives a a b a c a a, never five in a row (nginx, `ngx_http_upstream_get_round_robin_peer`).

package enum RoundRobinSchedule {
    /// What the routing block's 16-bit indices and a sensible amount of memory hold.
    package static let entriesMax = 65_535

    /// Steps that filling a schedule takes: some 10 ms of the control plane's time.
    private static let stepsMax = 1 << 24

    /// Indices of `weights`. Every backend is in it: of more than `entriesMax` there is no schedule.
    package static func entries(weights: [Int]) -> [Int] {
        let shares = boundedShares(weights)
        // The common case by far, and the same as what follows.
        if shares.allSatisfy({ $0 == 1 }) { return Array(shares.indices) }
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

    /// The smallest numbers in the same proportion. Where a schedule of them would be too long (1,000 backends of
    /// weights around 256 have 256,000 entries), they are made coarser by the least divisor that will do, rounded,
    /// and at least 1: large weights keep their proportion to within a few per cent, and the lightest ones get
    /// somewhat more than their share instead of nothing.
    private static func boundedShares(_ weights: [Int]) -> [Int] {
        let count = weights.count
        precondition(count <= entriesMax, "a pool has at most \(entriesMax) backends")
        let exact = reduced(weights)
        let bound = min(entriesMax, max(4 * count, stepsMax / max(1, count)))
        var shares = exact
        var divisor = 1
        while shares.reduce(0, +) > bound {
            divisor += 1
            shares = reduced(exact.map { max(1, ($0 + divisor / 2) / divisor) })
        }
        return shares
    }

    private static func reduced(_ weights: [Int]) -> [Int] {
        guard let divisor = weights.reduce(nil, { greatestCommonDivisor($0 ?? $1, $1) }) else { return [] }
        return weights.map { $0 / divisor }
    }

    private static func greatestCommonDivisor(_ left: Int, _ right: Int) -> Int {
        right == 0 ? left : greatestCommonDivisor(right, left % right)
    }
}
