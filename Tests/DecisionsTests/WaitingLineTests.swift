// First come first served. Faults: somebody overtakes, somebody who left is served, rows that are never used again,
// a place that names the next one in the same row.
import Decisions
import TestSupport
import Testing

struct WaitingLineTests {
    @Test func servesInTheOrderOfComing() {
        var line = WaitingLine<Int>()
        for number in 0..<5 { _ = line.join(number) }
        _ = line.joinAtHead(9)
        var served: [Int] = []
        while let next = line.serve() { served.append(next.waiter) }
        #expect(served == [9, 0, 1, 2, 3, 4])
        #expect(line.isEmpty)
    }

    @Test func whoIsNotToBeServedIsPassedOverUnlessAllAre() {
        var line = WaitingLine<Int>()
        for number in 0..<5 { _ = line.join(number) }
        let odd = line.serve(looksMax: 3) { $0 % 2 == 1 }?.waiter
        let beyond = line.serve(looksMax: 2) { $0 == 4 }?.waiter
        let none = line.serve(looksMax: 9) { _ in false }?.waiter
        #expect(odd == 1 && beyond == 0 && none == 2)
        let rest = [line.serve()?.waiter, line.serve()?.waiter]
        #expect(rest == [3, 4] && line.isEmpty)
    }

    @Test func whoLeftIsNotServedAndLeavesOnce() {
        var line = WaitingLine<Int>()
        let places = (0..<3).map { line.join($0) }
        let (left, leftAgain) = (line.leave(places[1]), line.leave(places[1]))
        #expect(left && !leftAgain)
        let newcomer = line.join(3)
        #expect(newcomer.row == places[1].row, "the row is used again")
        let leftForAnother = line.leave(places[1])
        #expect(!leftForAnother && line.count == 3)
        let first = line.serve()?.place
        let leftAfterServed = line.leave(places[0])
        #expect(first == places[0] && !leftAfterServed)
        let none = line.remove(countMax: 0) { $0 == 2 }
        #expect(none.isEmpty)
        let removed = line.remove(countMax: 9) { $0 == 2 }
        let last = line.serve()?.waiter
        #expect(removed == [2] && last == 3 && line.isEmpty)
    }

    /// Against an array, whatever happens; and no more rows than ever waited at once.
    @Test func isAQueueWhateverHappens() {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        var line = WaitingLine<Int>()
        var model: [(number: Int, place: WaitingPlace)] = []
        var gone: [WaitingPlace] = []
        for number in 0..<20_000 {
            switch Int.random(in: 0..<5, using: &random) {
            case 0 where model.count < 50, 1 where model.count < 50: model.append((number, line.join(number)))
            case 2:
                let served = line.serve()
                #expect(served?.waiter == model.first?.number && served?.place == model.first?.place, "SEED=\(SeededGenerator.seed)")
                if !model.isEmpty { gone.append(model.removeFirst().place) }
            case 3 where !model.isEmpty:
                let index = Int.random(in: model.indices, using: &random)
                let hasLeft = line.leave(model[index].place)
                #expect(hasLeft, "SEED=\(SeededGenerator.seed)")
                gone.append(model.remove(at: index).place)
            default:
                let hasLeft = gone.randomElement(using: &random).map { line.leave($0) } ?? false
                #expect(!hasLeft, "SEED=\(SeededGenerator.seed)")
            }
            #expect(line.count == model.count)
        }
        #expect((model.map(\.place) + gone).allSatisfy { $0.row < 50 })
    }
}
