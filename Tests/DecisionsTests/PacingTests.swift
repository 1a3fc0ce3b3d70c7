// How fast connections may be closed. Complaint 10: all closed at once, and their clients' reconnects bury the others.
import Decisions
import Model
import Testing

/// Time in steps of 20 ms; who is closed comes back `after` so many of them.
private struct World {
    var pacing: Pacing
    var left: Int
    var after: Int
    /// Connects a step that come anyway.
    var anyway: Double
    var coming: [Int] = []
    var connects = 0.0
    /// By step.
    var seen: [Double] = []

    mutating func run(steps: Int) {
        coming = [Int](repeating: 0, count: steps + after + 1)
        for step in 0..<steps where left > 0 || step < 100 {
            let arriving = anyway + Double(coming[step])
            connects += arriving
            seen.append(arriving)
            let now = MonotonicTime(nanoseconds: Int64(step) * 20_000_000)
            let closed = min(left, pacing.allowed(at: now, connects: UInt64(connects)))
            pacing.note(closed: closed)
            left -= closed
            coming[step + after + 1] += closed
        }
    }

    var busiestSecond: Double {
        seen.indices.map { seen[$0..<min($0 + 50, seen.count)].reduce(0, +) }.max() ?? 0
    }
}

struct PacingTests {
    @Test("the others see no more than their budget, however late the clients come back", arguments: [0, 5, 50, 200])
    func peak(after: Int) {
        var world = World(pacing: Pacing(busiest: 300, holders: 9000), left: 9000, after: after, anyway: 0)
        world.run(steps: 20_000)
        #expect(world.left == 0)
        #expect(world.busiestSecond <= 1.2 * 300, "\(world.busiestSecond)")
        #expect(world.seen.count < 50 * 60, "it takes \(world.seen.count / 50) s")
    }

    @Test("what arrives anyway leaves less for those who are closed")
    func traffic() {
        var world = World(pacing: Pacing(busiest: 300, holders: 1000), left: 1000, after: 1, anyway: 4)
        world.run(steps: 20_000)
        #expect(world.left == 0)
        #expect(world.busiestSecond <= 1.2 * 300, "\(world.busiestSecond)")
    }

    @Test("where the others are at their budget already it ends all the same")
    func busyAnyway() {
        var world = World(pacing: Pacing(busiest: 300, holders: 1000), left: 1000, after: 1, anyway: 6)
        world.run(steps: 20_000)
        #expect(world.left == 0)
        #expect(world.busiestSecond <= 1.2 * 300, "\(world.busiestSecond)")
    }

    @Test("a rate that the operator sets is kept, whatever else arrives")
    func given() {
        var world = World(pacing: Pacing(perSecond: 50), left: 500, after: 1, anyway: 100)
        world.run(steps: 20_000)
        #expect(world.left == 0)
        let seconds = Double(world.seen.count) / 50
        #expect(seconds > 9 && seconds < 12, "\(seconds)")
    }

    @Test("two that close at the operator's rate share it, whether or not their clients come back")
    func shared() {
        var both = [Pacing(perSecond: 50), Pacing(perSecond: 50)]
        var closed = 0
        for step in 0..<500 {
            for index in both.indices {
                let now = MonotonicTime(nanoseconds: Int64(step) * 20_000_000)
                let allowed = both[index].allowed(at: now, connects: step < 250 ? 0 : UInt64(closed), closers: 2)
                both[index].note(closed: allowed)
                closed += allowed
            }
        }
        #expect(closed > 480 && closed < 520, "\(closed) in ten seconds")
    }

    @Test("others that were idle get ten a second at least, and all is over in five minutes")
    func idle() {
        #expect(Pacing(busiest: 0, holders: 30).budget == 10)
        #expect(Pacing(busiest: 0, holders: 9000).budget == 30)
    }
}
