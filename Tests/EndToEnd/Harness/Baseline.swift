// What an lbd without connections holds, and that it holds no more when they are gone again.
import Model
import Testing

struct Baseline {
    let descriptors: [String: Int]
    let residentKiB: Int

    /// The last control conversation may still have its descriptor for a moment: the least of several looks counts.
    init(_ balancer: Balancer) throws {
        var least = try ProcessTable.descriptorKinds(balancer.process)
        for _ in 0..<10 {
            observe(for: .milliseconds(20))
            least.merge(try ProcessTable.descriptorKinds(balancer.process)) { min($0, $1) }
        }
        descriptors = least
        residentKiB = try ProcessTable.residentKiB(balancer.process)
    }

    /// Waits until nothing is open any more: no connection is counted, no descriptor is left, no peer's end was
    /// overlooked.
    func isBack(
        _ balancer: Balancer, within limit: Duration = .seconds(10), _ note: String = "", at location: SourceLocation = #_sourceLocation
    ) throws {
        var now: [String: Int] = [:]
        try eventually(within: limit, "descriptors \(descriptors) as before; there are \(now) \(note)", at: location) {
            let status = try balancer.status()
            guard status.listeners.allSatisfy({ $0.connections == 0 }) else { return false }
            guard status.pools.allSatisfy({ $0.backends.allSatisfy { $0.connections == 0 } }) else { return false }
            now = try ProcessTable.descriptorKinds(balancer.process)
            return now == descriptors
        }
        #expect(try ProcessTable.closeWaits(balancer.process) == 0, "peers' ends were overlooked \(note)", sourceLocation: location)
    }
}

extension Balancer {
    /// Waits until no thread wakes more often than `max` times a second, then makes sure that it stays so.
    func rests(
        max: Int = 20, within limit: Duration = .seconds(10), settling: Duration = .milliseconds(500), for time: Duration = .seconds(1),
        at location: SourceLocation = #_sourceLocation
    ) throws {
        var seen = [0]
        try eventually(within: limit, "every thread of lbd to rest; wake-ups a second: \(seen)", at: location) {
            seen = try wakeupsASecond(over: settling)
            return seen.allSatisfy { $0 <= max }
        }
        seen = try wakeupsASecond(over: time)
        #expect(seen.allSatisfy { $0 <= max }, "wake-ups a second: \(seen)", sourceLocation: location)
    }

    /// By thread, the busiest first.
    private func wakeupsASecond(over time: Duration) throws -> [Int] {
        let before = try ProcessTable.wakeupsOfThreads(process)
        let started = ContinuousClock.now
        observe(for: time)
        let seconds = (ContinuousClock.now - started) / .seconds(1)
        let after = try ProcessTable.wakeupsOfThreads(process)
        return after.map { Int((Double($0.value - (before[$0.key] ?? 0)) / seconds).rounded()) }.sorted(by: >)
    }

    /// The share of one processor that lbd uses over `time`, 0…1.
    func processorShare(over time: Duration) throws -> Double {
        let (before, started) = (try ProcessTable.processorTime(process), ContinuousClock.now)
        observe(for: time)
        return (try ProcessTable.processorTime(process) - before) / (ContinuousClock.now - started)
    }
}
