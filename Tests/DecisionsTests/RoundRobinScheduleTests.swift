// The schedule of smooth weighted round-robin. Faults: bursts, and a period that weights make megabytes long.
import Decisions
import Testing

struct RoundRobinScheduleTests {
    @Test func knownSchedule() {
        #expect(RoundRobinSchedule.entries(weights: [5, 1, 1]) == [0, 0, 1, 0, 2, 0, 0])
        #expect(RoundRobinSchedule.entries(weights: []) == [])
        #expect(RoundRobinSchedule.entries(weights: [7]) == [0])
    }

    @Test func equalWeightsNeedOneEntryEach() {
        #expect(RoundRobinSchedule.entries(weights: [100, 100, 100]) == [0, 1, 2])
        #expect(RoundRobinSchedule.entries(weights: [200, 100]).count == 3)
    }

    /// Smoothness: at every point each backend has had its share to within one connection; a burst of 5 to one
    /// backend is what overloads it.
    @Test(arguments: [[5, 1, 1], [3, 2, 7], [10, 20, 30, 40], [256, 255, 1]])
    func neverFarFromItsShare(_ weights: [Int]) {
        let schedule = RoundRobinSchedule.entries(weights: weights)
        var had = Array(repeating: 0, count: weights.count)
        for (position, index) in schedule.enumerated() {
            had[index] += 1
            for backend in weights.indices {
                let share = Double(position + 1) * Double(weights[backend]) / Double(weights.reduce(0, +))
                #expect(abs(Double(had[backend]) - share) <= Double(weights.count) / 2)
            }
        }
    }

    /// 300 backends of 256 and one of 3: 76,803 entries, halved they fit. Proportions of the heavy ones stay, and
    /// the light one is not forgotten.
    @Test func isBounded() {
        let weights = Array(repeating: 256, count: 300) + [3]
        let schedule = RoundRobinSchedule.entries(weights: weights)
        #expect(schedule.count <= RoundRobinSchedule.entriesMax)
        let had = counts(schedule, of: weights.count)
        #expect(had.dropLast().allSatisfy { $0 == had[0] } && had[0] > 50 * had[300] && had[300] > 0)
    }
}
