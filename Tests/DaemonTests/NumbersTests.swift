// Numbers given out and taken back. Faults: one given to two, one lost, one that is used again at once.
import TestSupport
import Testing

@testable import Daemon

struct NumbersTests {
    @Test func eachIsGivenOnce() {
        var numbers = Numbers(max: 3)
        #expect([numbers.take(), numbers.take(), numbers.take(), numbers.take()] == [0, 1, 2, nil])
        numbers.give(1)
        numbers.give(0)
        #expect(numbers.available == 2)
        // Who came back first goes first.
        #expect([numbers.take(), numbers.take(), numbers.take()] == [1, 0, nil])
    }

    @Test func noneIsLost() {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        var numbers = Numbers(max: 50)
        var out: Set<Int> = []
        for _ in 0..<20_000 {
            if Bool.random(using: &random), let number = numbers.take() {
                #expect(out.insert(number).inserted && number < 50)
            } else if let number = out.randomElement(using: &random) {
                out.remove(number)
                numbers.give(number)
            }
            #expect(numbers.available == 50 - out.count)
        }
    }
}
