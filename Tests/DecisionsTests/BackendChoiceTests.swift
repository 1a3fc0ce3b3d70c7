// Who gets the next connection. Faults: weights that come in bursts (HAProxy's static form, before smooth round-robin),
// ties that always fall on the first, a retry that goes to the backend that has just refused, a trap without backends.
import Decisions
import TestSupport
import Testing

/// Backends as the choice sees them.
private struct Table: ChoiceTable {
    var weights: [Int]
    var held: [Int]
    var tried: Set<Int> = []
    let schedule: [Int]

    init(weights: [Int], held: [Int]? = nil, tried: Set<Int> = []) {
        self.weights = weights
        self.held = held ?? weights.map { _ in 0 }
        self.tried = tried
        schedule = BackendChoice.roundRobinSchedule(weights: weights)
    }

    var count: Int { weights.count }
    func weight(_ index: Int) -> Int { weights[index] }
    func connections(_ index: Int) -> Int { held[index] }
    func isTried(_ index: Int) -> Bool { tried.contains(index) }
    var scheduleCount: Int { schedule.count }
    func scheduled(_ position: Int) -> Int { schedule[position] }
}

private func counts(_ choices: [Int], of backends: Int) -> [Int] {
    choices.reduce(into: Array(repeating: 0, count: backends)) { $0[$1] += 1 }
}

struct RoundRobinTests {
    @Test func knownSchedule() {
        #expect(BackendChoice.roundRobinSchedule(weights: [5, 1, 1]) == [0, 0, 1, 0, 2, 0, 0])
        #expect(BackendChoice.roundRobinSchedule(weights: []) == [])
        #expect(BackendChoice.roundRobinSchedule(weights: [7]) == [0])
    }

    @Test func equalWeightsNeedOneEntryEach() {
        #expect(BackendChoice.roundRobinSchedule(weights: [100, 100, 100]) == [0, 1, 2])
        #expect(BackendChoice.roundRobinSchedule(weights: [200, 100]).count == 3)
    }

    @Test(arguments: [[1, 1], [5, 1, 1], [3, 2, 7], [256, 1], [256, 255, 1], [10, 20, 30, 40]])
    func exactOverAPeriodFromAnyStart(_ weights: [Int]) {
        let table = Table(weights: weights)
        for start in [UInt32(0), 3, 1000] {
            var cursor = start
            let choices = (0..<weights.reduce(0, +)).compactMap { _ in BackendChoice.roundRobin(table, cursor: &cursor) }
            #expect(counts(choices, of: weights.count) == weights)
        }
    }

    /// Smoothness: at every point each backend has had its share to within one connection; a burst of 5 to one
    /// backend is what overloads it.
    @Test(arguments: [[5, 1, 1], [3, 2, 7], [10, 20, 30, 40], [256, 255, 1]])
    func neverFarFromItsShare(_ weights: [Int]) {
        let schedule = BackendChoice.roundRobinSchedule(weights: weights)
        var had = Array(repeating: 0, count: weights.count)
        for (position, index) in schedule.enumerated() {
            had[index] += 1
            for backend in weights.indices {
                let share = Double(position + 1) * Double(weights[backend]) / Double(weights.reduce(0, +))
                #expect(abs(Double(had[backend]) - share) <= Double(weights.count) / 2)
            }
        }
    }

    @Test func skipsTheTriedAndEndsWhenAllAre() {
        var cursor: UInt32 = 0
        let two = Table(weights: [3, 1], tried: [0])
        #expect((0..<8).allSatisfy { _ in BackendChoice.roundRobin(two, cursor: &cursor) == 1 })
        #expect(BackendChoice.roundRobin(Table(weights: [3, 1], tried: [0, 1]), cursor: &cursor) == nil)
        #expect(BackendChoice.roundRobin(Table(weights: []), cursor: &cursor) == nil)
    }

    /// The cursor wraps after 4 billion connections: no trap, no backend left out.
    @Test func cursorWraps() {
        var cursor = UInt32.max - 1
        let table = Table(weights: [1, 1])
        let choices = (0..<6).compactMap { _ in BackendChoice.roundRobin(table, cursor: &cursor) }
        #expect(choices.count == 6 && Set(choices) == [0, 1])
    }
}

struct LeastConnectionsTests {
    @Test func fewestPerWeight() {
        var cursor: UInt32 = 0
        #expect(BackendChoice.leastConnections(Table(weights: [1, 1, 1], held: [4, 2, 3]), cursor: &cursor) == 1)
        // 5 of weight 4 weigh less than 2 of weight 1.
        #expect(BackendChoice.leastConnections(Table(weights: [4, 1], held: [5, 2]), cursor: &cursor) == 0)
        // Both idle: twice the weight comes first wherever the search starts.
        for _ in 0..<4 {
            #expect(BackendChoice.leastConnections(Table(weights: [1, 2], held: [0, 0]), cursor: &cursor) == 1)
        }
    }

    @Test func tiesGoRound() {
        var cursor: UInt32 = 0
        let table = Table(weights: [1, 1, 1])
        let choices = (0..<300).compactMap { _ in BackendChoice.leastConnections(table, cursor: &cursor) }
        #expect(counts(choices, of: 3) == [100, 100, 100])
    }

    /// Connections that stay: each backend ends with its share to within one.
    @Test func fillsByWeight() {
        var table = Table(weights: [1, 2, 5])
        var cursor: UInt32 = 0
        for _ in 0..<800 {
            guard let index = BackendChoice.leastConnections(table, cursor: &cursor) else { break }
            table.held[index] += 1
        }
        #expect(zip(table.held, [100, 200, 500]).allSatisfy { abs($0 - $1) <= 1 }, "\(table.held)")
    }

    /// Never one with more per weight than another, whatever stands and whoever was tried.
    @Test func isTheLeastOfTheUntried() {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        for _ in 0..<2000 {
            let count = Int.random(in: 1...8, using: &random)
            let table = Table(
                weights: (0..<count).map { _ in Int.random(in: 1...256, using: &random) },
                held: (0..<count).map { _ in Int.random(in: 0...50, using: &random) },
                tried: Set((0..<count).filter { _ in Bool.random(using: &random) }))
            var cursor = UInt32.random(in: 0...UInt32.max, using: &random)
            let chosen = BackendChoice.leastConnections(table, cursor: &cursor)
            let load = { Double(table.held[$0] + 1) / Double(table.weights[$0]) }
            let least = (0..<count).filter { !table.tried.contains($0) }.map(load).min()
            #expect(chosen.map(load) == least, "SEED=\(SeededGenerator.seed)")
            #expect(chosen.map { !table.tried.contains($0) } ?? true)
        }
    }

    @Test func emptyTable() {
        var cursor: UInt32 = 5
        #expect(BackendChoice.leastConnections(Table(weights: []), cursor: &cursor) == nil)
        #expect(BackendChoice.leastConnections(Table(weights: [1], tried: [0]), cursor: &cursor) == nil)
    }
}
