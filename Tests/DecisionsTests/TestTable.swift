// Backends as the choice sees them, out of arrays.
import Decisions

struct TestTable: ChoiceTable {
    let weights: [Int]
    var held: [Int]
    var tried: Set<Int>
    var full: Set<Int> = []
    var heldBack: Set<Int> = []
    private let schedule: [Int]
    private let columns: [AliasTable.Column]
    private let positions: [UInt16]

    /// `names`: where source-hash is used.
    init(weights: [Int], held: [Int]? = nil, tried: Set<Int> = [], names: [String]? = nil) {
        self.weights = weights
        self.held = held ?? weights.map { _ in 0 }
        self.tried = tried
        schedule = RoundRobinSchedule.entries(weights: weights)
        columns = AliasTable.columns(weights: weights)
        positions = names.map { MaglevTable.positions(names: $0, weights: weights) } ?? []
    }

    var count: Int { weights.count }
    func weight(_ index: Int) -> Int { weights[index] }
    func connections(_ index: Int) -> Int { held[index] }
    func isTried(_ index: Int) -> Bool { tried.contains(index) }
    func isFull(_ index: Int) -> Bool { full.contains(index) }
    func isHeldBack(_ index: Int) -> Bool { heldBack.contains(index) }
    func notFull(from index: Int) -> Int? { (0..<count).lazy.map { (index + $0) % count }.first { !full.contains($0) } }
    var scheduleCount: Int { schedule.count }
    func scheduled(_ position: Int) -> Int { schedule[position] }
    func column(_ index: Int) -> AliasTable.Column { columns[index] }
    func hashed(_ position: Int) -> Int { Int(positions[position]) }
}

/// How often each of `0 ..< backends` was chosen.
func counts(_ choices: [Int], of backends: Int) -> [Int] {
    choices.reduce(into: Array(repeating: 0, count: backends)) { $0[$1] += 1 }
}
