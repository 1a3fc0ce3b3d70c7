// Backends that are held back, under each method. Faults: one that has had its share is chosen all the same (by
// least-connections above all, as it has the fewest), one that nobody else could replace is not chosen, a ranking that
// forgets it for good.
import Decisions
import TestSupport
import Testing

struct HeldBackTests {
    private static let methods = ["round-robin", "random", "two-choices", "source-hash", "least-connections"]

    /// One worker's choices, one after the other, of four backends with 100 connections each but the last, which is back
    /// with none; it is held back to `growth` of the choices.
    private func census(_ method: String, growth: Double?, choices: Int) -> [Int] {
        var generator = SplitMix64(seed: SeededGenerator.seed)
        var cursor: UInt32 = 0
        var table = TestTable(weights: [1, 1, 1, 1], held: [100, 100, 100, 0], names: (0..<4).map { "web/web-\($0)" })
        var ranking = LoadRanking(table, workers: 1, start: 0)
        var credit = ReturnCredit(amount: 0)
        var had = [0, 0, 0, 0]
        for choice in 1...UInt64(choices) {
            let hash = generator.next()
            if let growth {
                let isShort = method == "source-hash"
                    ? !ReturnCredit.admits(hash: hash, share: Int(growth * 4 * 256)) : !credit.suffices(at: choice, growth: growth)
                table.heldBack = isShort ? [3] : []
            }
            let chosen =
                switch method {
                case "round-robin": BackendChoice.roundRobin(table, cursor: &cursor)
                case "random": BackendChoice.random(table, using: &generator)
                case "two-choices": BackendChoice.twoChoices(table, using: &generator)
                case "source-hash": BackendChoice.sourceHash(table, hash: hash)
                default: ranking.choose(table)
                }
            guard let chosen else { break }
            #expect(!table.heldBack.contains(chosen))
            if chosen == 3 { credit.take(at: choice, growth: growth ?? 1) }
            had[chosen] += 1
            table.held[chosen] += 1
        }
        return had
    }

    @Test(arguments: methods)
    func itGetsItsShareAndNoMore(_ method: String) {
        for share in [0.1, 0.5] {
            let had = census(method, growth: share / 4, choices: 4000)
            #expect(had.reduce(0, +) == 4000)
            let expected = 4000 * share / 4
            #expect(Double(had[3]) <= expected + 70 && Double(had[3]) >= expected * 0.8 - 20, "SEED=\(SeededGenerator.seed) \(method) \(share): \(had)")
        }
    }

    /// What they do without it: the flood that this is for.
    @Test func leastConnectionsFloods() {
        #expect(census("least-connections", growth: nil, choices: 100) == [0, 0, 0, 100])
        let had = census("least-connections", growth: 1.25 / 4, choices: 200)
        #expect(abs(had[3] - 62) <= 1 && had[0..<3].allSatisfy { (45...47).contains($0) }, "\(had)")
    }

    @Test(arguments: methods)
    func nobodyElseIsThere(_ method: String) {
        var table = TestTable(weights: [1, 1], names: ["a", "b"])
        table.full = [0]
        table.heldBack = [1]
        var generator = SplitMix64(seed: 1)
        var cursor: UInt32 = 0
        var ranking = LoadRanking(table, workers: 1, start: 0)
        for isHolding in [true, false, true, false] {
            table.heldBack = isHolding ? [1] : []
            let chosen =
                switch method {
                case "round-robin": BackendChoice.roundRobin(table, cursor: &cursor)
                case "random": BackendChoice.random(table, using: &generator)
                case "two-choices": BackendChoice.twoChoices(table, using: &generator)
                case "source-hash": BackendChoice.sourceHash(table, hash: generator.next())
                default: ranking.choose(table)
                }
            #expect(chosen == (isHolding ? nil : 1), "\(method)")
        }
    }

    /// Half of a thousand come back at once: a choice asks about few, and all of them get something.
    @Test func manyAreHeldBackAtOnce() {
        let count = 1000
        var table = TestTable(weights: Array(repeating: 1, count: count), held: (0..<count).map { $0 < 500 ? 50 : 0 })
        var credits = Array(repeating: ReturnCredit(amount: 0.5), count: count)
        var ranking = LoadRanking(table, workers: 1, start: 0)
        table.heldBack = Set(500..<count)
        let growth = 1.25 / Double(count)
        for choice in 1...8000 as ClosedRange<UInt64> {
            if choice % 50 == 0 {
                table.heldBack = Set((500..<count).filter { !credits[$0].suffices(at: choice, growth: growth) })
            }
            guard let chosen = ranking.choose(table) else { break }
            if chosen >= 500 {
                credits[chosen].take(at: choice, growth: growth)
                if !credits[chosen].suffices(at: choice, growth: growth) { table.heldBack.insert(chosen) }
            }
            table.held[chosen] += 1
        }
        let back = table.held[500...].reduce(0, +)
        #expect(back > 4000 && back < 5600, "\(back)")
        #expect(table.held[500...].allSatisfy { (6...13).contains($0) })
    }
}
