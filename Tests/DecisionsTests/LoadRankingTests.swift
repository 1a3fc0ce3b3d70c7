// Least-connections by a ranking that each worker repairs as it goes. Faults: ties that always fall on the first,
// a backend that emptied behind our back and is never seen again, workers that march in step, a retry that goes to
// the backend that has just refused, cost that grows with the pool.
import Decisions
import TestSupport
import Testing

struct LoadRankingTests {
    private func choice(_ table: TestTable, start: UInt64 = 0) -> Int? {
        var ranking = LoadRanking(table, workers: 1, start: start)
        return ranking.choose(table)
    }

    @Test func fewestPerWeight() {
        #expect(choice(TestTable(weights: [1, 1, 1], held: [4, 2, 3])) == 1)
        // 5 of weight 4 weigh less than 2 of weight 1.
        #expect(choice(TestTable(weights: [4, 1], held: [5, 2])) == 0)
        // 2 of weight 2 weigh as much as 1 of weight 1.
        #expect(Set((0..<4 as Range<UInt64>).map { choice(TestTable(weights: [2, 1], held: [2, 1]), start: $0) }) == [0, 1])
        #expect(choice(TestTable(weights: [])) == nil)
        #expect(choice(TestTable(weights: [9])) == 0)
    }

    /// Connections that end at once: everyone stays idle, and everyone gets its share.
    @Test(arguments: [1, 3, 20, 100])
    func tiesGoRound(_ count: Int) {
        let table = TestTable(weights: Array(repeating: 1, count: count))
        var ranking = LoadRanking(table, workers: 1, start: 5)
        let choices = (0..<10 * count).compactMap { _ in
            let index = ranking.choose(table)
            if let index { ranking.noteReturned(index, connections: 0) }
            return index
        }
        #expect(counts(choices, of: count) == Array(repeating: 10, count: count))
    }

    /// Connections that stay: each backend ends with its share to within one.
    @Test func fillsByWeight() {
        var table = TestTable(weights: [1, 2, 5])
        var ranking = LoadRanking(table, workers: 1, start: 0)
        for _ in 0..<800 {
            guard let index = ranking.choose(table) else { break }
            table.held[index] += 1
        }
        #expect(zip(table.held, [100, 200, 500]).allSatisfy { abs($0 - $1) <= 1 }, "\(table.held)")
    }

    /// One worker knows everything: never one with more per weight than another, whatever stands and whoever was
    /// tried, also after the tried ones stood aside.
    @Test func isTheLeastOfTheUntried() {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        for _ in 0..<300 {
            let count = Int.random(in: 1...40, using: &random)
            var table = TestTable(
                weights: (0..<count).map { _ in Int.random(in: 1...256, using: &random) },
                held: (0..<count).map { _ in Int.random(in: 0...50, using: &random) })
            var ranking = LoadRanking(table, workers: 1, start: random.next())
            for _ in 0..<20 {
                table.tried = Set((0..<count).filter { _ in Int.random(in: 0..<4, using: &random) == 0 })
                let load = { [table] in Double(table.held[$0]) / Double(table.weights[$0]) }
                let least = (0..<count).filter { !table.tried.contains($0) }.map(load).min()
                let chosen = ranking.choose(table)
                #expect(chosen.map(load) == least, "SEED=\(SeededGenerator.seed)")
                #expect(chosen.map { !table.tried.contains($0) } ?? true)
                if let chosen { table.held[chosen] += 1 }
                let returning = Int.random(in: 0..<count, using: &random)
                guard table.held[returning] > 0 else { continue }
                table.held[returning] -= 1
                ranking.noteReturned(returning, connections: table.held[returning])
            }
        }
    }

    /// One client after the other, each gone before the next: all get their share, not the heaviest everything.
    @Test func idleBackendsTakeTurnsByWeight() {
        let table = TestTable(weights: [1, 1, 2])
        var ranking = LoadRanking(table, workers: 1, start: 0)
        var chosen = [0, 0, 0]
        for _ in 0..<400 {
            guard let index = ranking.choose(table) else { break }
            chosen[index] += 1
            ranking.noteReturned(index, connections: 0)
        }
        #expect(zip(chosen, [100, 100, 200]).allSatisfy { abs($0 - $1) <= 1 }, "\(chosen)")
    }

    /// What other workers take is seen at once where it matters: their favourite does not win here.
    @Test func anotherWorkersTakesAreSeen() {
        var table = TestTable(weights: Array(repeating: 1, count: 100), held: Array(repeating: 3, count: 100))
        table.held[40] = 0
        var ranking = LoadRanking(table, workers: 2, start: 0)
        table.held[40] = 10
        #expect((0..<50).allSatisfy { _ in ranking.choose(table) != 40 })
    }

    /// What other workers' connections gave back is seen within count / 8 choices, however much it is.
    @Test(arguments: [10, 100, 1000])
    func aBackendThatEmptiedIsFoundSoon(_ count: Int) {
        var table = TestTable(weights: Array(repeating: 1, count: count), held: Array(repeating: 50, count: count))
        var ranking = LoadRanking(table, workers: 2, start: 0)
        table.held[count / 2] = 0
        var choices = 0
        while ranking.choose(table) != count / 2 { choices += 1 }
        #expect(choices <= count / 8)
    }

    /// The cost: tickets read per choice, which are what a choice pays for.
    @Test(arguments: [1, 10, 100, 1000])
    func readsFewTickets(_ count: Int) {
        let table = CountingTable(count: count)
        var ranking = LoadRanking(table, workers: 2, start: 0)
        table.reads.add(-table.reads.value)
        for _ in 0..<1000 {
            if let index = ranking.choose(table) { ranking.noteReturned(index, connections: 0) }
        }
        #expect(table.reads.value <= 1000 * (min(count, 8) + 1))
    }
}

/// Idle backends that count how often they are asked.
private struct CountingTable: ChoiceTable {
    let count: Int
    let reads = Counter()
    func connections(_ index: Int) -> Int {
        reads.add(1)
        return 0
    }
    func weight(_ index: Int) -> Int { 1 }
    func isHeldBack(_ index: Int) -> Bool { false }
    func isTried(_ index: Int) -> Bool { false }
    func isFull(_ index: Int) -> Bool { false }
    func notFull(from index: Int) -> Int? { index }
    var scheduleCount: Int { 0 }
    func scheduled(_ position: Int) -> Int { 0 }
    func column(_ index: Int) -> AliasTable.Column { preconditionFailure("not asked for") }
    func hashed(_ position: Int) -> Int { 0 }
}

/// Connections that come to one of several workers and end at random, at a steady number.
struct LoadRankingSimulation {
    /// The mean over time of (most connections - fewest), among equal backends with `each` connections on average.
    /// `isExact`: chosen by looking at all, for comparison.
    private func spread(workers: Int, backends: Int, each: Int, isExact: Bool = false) -> (mean: Double, most: Int) {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        var table = TestTable(weights: Array(repeating: 1, count: backends))
        var rankings = (0..<workers).map { _ in LoadRanking(table, workers: workers, start: random.next()) }
        var open: [(worker: Int, backend: Int)] = []
        var samples = 0, sum = 0, most = 0
        for step in 0..<20 * backends + 2 * backends * each {
            let worker = Int.random(in: 0..<workers, using: &random)
            let index = isExact ? table.held.indices.min { table.held[$0] < table.held[$1] } : rankings[worker].choose(table)
            guard let index else { break }
            table.held[index] += 1
            open.append((worker, index))
            guard open.count > backends * each else { continue }
            open.swapAt(Int.random(in: open.indices, using: &random), open.count - 1)
            let ended = open.removeLast()
            table.held[ended.backend] -= 1
            rankings[ended.worker].noteReturned(ended.backend, connections: table.held[ended.backend])
            guard step % 50 == 0 else { continue }
            let now = (table.held.max() ?? 0) - (table.held.min() ?? 0)
            (samples, sum, most) = (samples + 1, sum + now, max(most, now))
        }
        return (Double(sum) / Double(samples), most)
    }

    @Test(arguments: [10, 100, 1000])
    func oneWorkerIsAsGoodAsLookingAtAll(_ backends: Int) {
        let ranking = spread(workers: 1, backends: backends, each: 5)
        #expect(ranking.mean <= 2 && ranking.most <= 2, "SEED=\(SeededGenerator.seed) \(ranking)")
    }

    @Test(arguments: [(2, 10), (2, 100), (2, 1000), (8, 100)])
    func severalWorkersStayClose(_ workers: Int, _ backends: Int) {
        let ranking = spread(workers: workers, backends: backends, each: 5)
        #expect(ranking.mean <= 3 && ranking.most <= 4, "SEED=\(SeededGenerator.seed) \(ranking)")
    }
}
