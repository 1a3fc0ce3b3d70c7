// Who gets the next connection. Faults: ties that always fall on the first, a retry that goes to the backend that
// has just refused, two choices that are one and the same, a trap without backends.
import Decisions
import TestSupport
import Testing

struct RoundRobinTests {
    @Test(arguments: [[1, 1], [5, 1, 1], [3, 2, 7], [256, 1], [256, 255, 1], [10, 20, 30, 40]])
    func exactOverAPeriodFromAnyStart(_ weights: [Int]) {
        let table = TestTable(weights: weights)
        for start in [UInt32(0), 3, 1000] {
            var cursor = start
            let choices = (0..<weights.reduce(0, +)).compactMap { _ in BackendChoice.roundRobin(table, cursor: &cursor) }
            #expect(counts(choices, of: weights.count) == weights)
        }
    }

    @Test func skipsTheTriedAndEndsWhenAllAre() {
        var cursor: UInt32 = 0
        let two = TestTable(weights: [3, 1], tried: [0])
        #expect((0..<8).allSatisfy { _ in BackendChoice.roundRobin(two, cursor: &cursor) == 1 })
        #expect(BackendChoice.roundRobin(TestTable(weights: [3, 1], tried: [0, 1]), cursor: &cursor) == nil)
        #expect(BackendChoice.roundRobin(TestTable(weights: []), cursor: &cursor) == nil)
    }

    /// The cursor wraps after 4 billion connections: no trap, no backend left out.
    @Test func cursorWraps() {
        var cursor = UInt32.max - 1
        let table = TestTable(weights: [1, 1])
        let choices = (0..<6).compactMap { _ in BackendChoice.roundRobin(table, cursor: &cursor) }
        #expect(choices.count == 6 && Set(choices) == [0, 1])
    }
}

struct RandomTests {
    @Test(arguments: [[1], [1, 1, 1], [5, 1, 1], [10, 20, 30, 40], [256, 1]])
    func sharesFollowWeights(_ weights: [Int]) {
        var generator = SplitMix64(seed: SeededGenerator.seed)
        let table = TestTable(weights: weights)
        let draws = 40_000
        let had = counts((0..<draws).compactMap { _ in BackendChoice.random(table, using: &generator) }, of: weights.count)
        for (index, weight) in weights.enumerated() {
            let share = Double(weight) / Double(weights.reduce(0, +))
            let sigma = (Double(draws) * share * (1 - share)).squareRoot()
            #expect(abs(Double(had[index]) - Double(draws) * share) <= 5 * sigma + 1, "SEED=\(SeededGenerator.seed) \(had)")
        }
    }

    /// Also where the one that was tried has nearly all the chances.
    @Test func skipsTheTriedAndEndsWhenAllAre() {
        var generator = SplitMix64(seed: SeededGenerator.seed)
        let table = TestTable(weights: [256, 1, 1], tried: [0])
        let had = counts((0..<200).compactMap { _ in BackendChoice.random(table, using: &generator) }, of: 3)
        #expect(had[0] == 0 && had[1] + had[2] == 200)
        #expect(BackendChoice.random(TestTable(weights: [256, 1], tried: [0, 1]), using: &generator) == nil)
        #expect(BackendChoice.random(TestTable(weights: []), using: &generator) == nil)
    }
}

struct TwoChoicesTests {
    /// Two different ones: the fullest of a pool can never be chosen, for whoever stands beside it is emptier.
    @Test(arguments: [[1, 1], [1, 1, 1, 1], [256, 1], [5, 1, 9]])
    func areTwoDifferentOnes(_ weights: [Int]) {
        var generator = SplitMix64(seed: SeededGenerator.seed)
        for full in weights.indices {
            let held = weights.indices.map { $0 == full ? 1_000_000 : 0 }
            let table = TestTable(weights: weights, held: held)
            let chosen = (0..<500).compactMap { _ in BackendChoice.twoChoices(table, using: &generator) }
            #expect(chosen.count == 500 && !chosen.contains(full), "SEED=\(SeededGenerator.seed)")
        }
    }

    @Test func equalOnesShareByWeight() {
        var generator = SplitMix64(seed: SeededGenerator.seed)
        // Loads (connections + 1) / weight are all 10.
        let table = TestTable(weights: [1, 2, 3, 4], held: [9, 19, 29, 39])
        let had = counts((0..<20_000).compactMap { _ in BackendChoice.twoChoices(table, using: &generator) }, of: 4)
        for (index, share) in [2000, 4000, 6000, 8000].enumerated() { #expect(abs(had[index] - share) < 400, "\(had)") }
    }

    /// 100 connections a backend: by chance alone the spread would be about 50; two choices hold it at a few.
    @Test func fillsEvenly() {
        var generator = SplitMix64(seed: SeededGenerator.seed)
        var table = TestTable(weights: Array(repeating: 1, count: 100))
        for _ in 0..<10_000 {
            guard let index = BackendChoice.twoChoices(table, using: &generator) else { break }
            table.held[index] += 1
        }
        #expect((table.held.max() ?? 0) - (table.held.min() ?? 0) <= 8, "SEED=\(SeededGenerator.seed)")
    }

    @Test func takesTheOneThatIsLeft() {
        var generator = SplitMix64(seed: SeededGenerator.seed)
        #expect(BackendChoice.twoChoices(TestTable(weights: [1]), using: &generator) == 0)
        #expect(BackendChoice.twoChoices(TestTable(weights: [256, 1], held: [0, 50], tried: [0]), using: &generator) == 1)
        #expect(BackendChoice.twoChoices(TestTable(weights: [256, 1], tried: [0, 1]), using: &generator) == nil)
        #expect(BackendChoice.twoChoices(TestTable(weights: []), using: &generator) == nil)
    }
}

/// Backends at their limit. Faults: a full one is chosen, one with room among many full ones is not found, a search
/// that looks at all of them.
struct FullBackendsTests {
    private static let methods: [String] = ["round-robin", "random", "two-choices", "source-hash", "least-connections"]

    private func choose(_ method: String, _ table: some ChoiceTable, _ seed: UInt64) -> Int? {
        var generator = SplitMix64(seed: seed)
        var cursor = UInt32(truncatingIfNeeded: seed)
        switch method {
        case "round-robin": return BackendChoice.roundRobin(table, cursor: &cursor)
        case "random": return BackendChoice.random(table, using: &generator)
        case "two-choices": return BackendChoice.twoChoices(table, using: &generator)
        case "source-hash": return BackendChoice.sourceHash(table, hash: generator.next())
        default:
            var ranking = LoadRanking(table, workers: 1, start: seed)
            return ranking.choose(table)
        }
    }

    @Test(arguments: methods)
    func onlyThoseWithRoomAreChosen(_ method: String) {
        let names = (0..<200).map { "b\($0)" }
        var table = TestTable(weights: Array(repeating: 1, count: 200), names: names)
        for full in [Set(0..<200).subtracting([117]), Set(0..<200).subtracting([0, 199]), Set(stride(from: 0, to: 200, by: 2))] {
            table.full = full
            for seed in 0..<300 as Range<UInt64> {
                let chosen = choose(method, table, seed)
                #expect(chosen.map { !full.contains($0) } == true, "\(method) \(seed)")
            }
        }
        table.full = Set(0..<200)
        #expect(choose(method, table, 7) == nil)
        table.full.remove(3)
        table.tried = [3]
        #expect(choose(method, table, 7) == nil, "who has room was tried")
    }

    /// A ranking that has seen all of them full learns of the one that has room again from the table.
    @Test func aRankingThatSawAllFullFindsTheOneWithRoom() {
        var table = TestTable(weights: Array(repeating: 1, count: 1000), held: Array(repeating: 2, count: 1000))
        table.full = Set(0..<1000)
        var ranking = LoadRanking(table, workers: 2, start: 0)
        #expect(ranking.choose(table) == nil)
        table.full.remove(640)
        table.held[640] = 1
        #expect(ranking.choose(table) == 640)
    }

    /// What a choice among 1,000 costs of which one has room: backends asked about.
    @Test(arguments: methods)
    func asksAboutFew(_ method: String) {
        let table = AskedTable(count: 1000, room: 700)
        var ranking = LoadRanking(table, workers: 2, start: 0)
        var cursor: UInt32 = 0
        var generator = SplitMix64(seed: SeededGenerator.seed)
        table.asked = 0
        for _ in 0..<100 {
            let chosen =
                switch method {
                case "round-robin": BackendChoice.roundRobin(table, cursor: &cursor)
                case "random": BackendChoice.random(table, using: &generator)
                case "two-choices": BackendChoice.twoChoices(table, using: &generator)
                case "source-hash": BackendChoice.sourceHash(table, hash: generator.next())
                default: ranking.choose(table)
                }
            #expect(chosen == 700)
        }
        #expect(table.asked <= 100 * 70, "\(table.asked) for 100 choices")
    }
}

/// Counts questions about single backends.
private final class AskedTable: ChoiceTable {
    let count: Int
    private let room: Int
    private let inner: TestTable
    var asked = 0

    init(count: Int, room: Int) {
        (self.count, self.room) = (count, room)
        inner = TestTable(weights: Array(repeating: 1, count: count), names: (0..<count).map { "b\($0)" })
    }

    func weight(_ index: Int) -> Int { 1 }
    func connections(_ index: Int) -> Int { 5 }
    func isTried(_ index: Int) -> Bool { false }
    func isFull(_ index: Int) -> Bool {
        asked += 1
        return index != room
    }
    func isHeldBack(_ index: Int) -> Bool { false }
    func notFull(from index: Int) -> Int? { room }
    var scheduleCount: Int { inner.scheduleCount }
    func scheduled(_ position: Int) -> Int { inner.scheduled(position) }
    func column(_ index: Int) -> AliasTable.Column { inner.column(index) }
    func hashed(_ position: Int) -> Int { inner.hashed(position) }
}
