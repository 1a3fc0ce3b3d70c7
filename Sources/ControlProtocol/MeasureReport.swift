// What `measure` answers: what a pool and its backends carry, have carried at most, can carry, and what became of their
// connections. What a rollout proves, predicts and judges from.
import Model

package struct MeasureReport: Codable, Equatable, Sendable {
    package var pool: String
    /// Seconds over which peaks are kept, and how far back they really go.
    package var window: Double
    package var measured: Double
    package var load: LoadReport
    /// Of the pool as a whole: less than the sum of its backends'.
    package var peak: LoadReport
    /// Of connections that have ended: how many in each place of `LifetimeBuckets`, without the empty ones at the end.
    package var lifetimes: [UInt64]
    package var backends: [MeasuredBackend]

    package init(
        pool: PoolName, window: Duration, measured: Duration, load: Load, peak: Load, lifetimes: LifetimeCounts, backends: [MeasuredBackend]
    ) {
        self.pool = pool.text
        self.window = window.inSeconds
        self.measured = measured.inSeconds
        self.load = LoadReport(load)
        self.peak = LoadReport(peak)
        self.lifetimes = lifetimes.counts.withoutLastZeros
        self.backends = backends
    }

    package var lines: [String] {
        let head = "pool \(pool): the last \(Duration.seconds(measured).spoken) of at most \(Duration.seconds(window).spoken) are known"
        return [head] + StatusTable.table([["BACKEND", "LOAD", "PEAK", "CAPACITY"], ["(all)", load.text, peak.text, ""]] + backends.map {
            ["\(pool)/\($0.name)", $0.load.text, $0.peak.text, $0.limits]
        })
    }
}

package struct LoadReport: Codable, Equatable, Sendable {
    package var connections: Int
    package var connectsPerSecond: Double
    /// Both ways together.
    package var bytesPerSecond: Double

    init(_ load: Load) {
        connections = Int(load.connections)
        connectsPerSecond = (load.connectsPerSecond * 10).rounded() / 10
        bytesPerSecond = load.bytesPerSecond.rounded()
    }

    package var load: Load { Load(connections: Double(connections), connectsPerSecond: connectsPerSecond, bytesPerSecond: bytesPerSecond) }

    var text: String { "\(connections), \(connectsPerSecond)/s, \(Int(bytesPerSecond)) B/s" }
}

package struct MeasuredBackend: Codable, Equatable, Sendable {
    package var name: String
    package var availability: Availability
    package var weight: Int
    package var backup: Bool
    /// Kept by lbd; absent: no limit.
    package var connectionsMax: Int?
    /// As configured, of the backend or else of the pool; each absent where it is not known.
    package var capacity: CapacityReport
    package var load: LoadReport
    package var peak: LoadReport
    package var outcomes: OutcomesReport
    /// Of the connections that hold it, as `lifetimes`; only where they were asked for.
    package var ages: [UInt64]?

    package init(
        name: BackendName, availability: Availability, weight: Int, backup: Bool, connectionsMax: Int?, capacity: Capacity, load: Load, peak: Load,
        outcomes: ConnectionOutcomes, ages: LifetimeCounts?
    ) {
        self.name = name.text
        self.availability = availability
        self.weight = weight
        self.backup = backup
        self.connectionsMax = connectionsMax
        self.capacity = CapacityReport(capacity)
        self.load = LoadReport(load)
        self.peak = LoadReport(peak)
        self.outcomes = OutcomesReport(outcomes)
        self.ages = ages?.counts.withoutLastZeros
    }

    fileprivate var limits: String {
        let known: [String] = [
            connectionsMax.map { "connections-max \($0)" }, capacity.connections.map { "\($0) connections" },
            capacity.connectsPerSecond.map { "\($0) connects/s" }, capacity.bytesPerSecond.map { "\($0) B/s" },
        ].compactMap { $0 }
        return known.isEmpty ? "not known" : known.joined(separator: ", ")
    }
}

package struct CapacityReport: Codable, Equatable, Sendable {
    package var connections: Int?
    package var connectsPerSecond: Int?
    package var bytesPerSecond: Int?

    init(_ capacity: Capacity) {
        (connections, connectsPerSecond, bytesPerSecond) = (capacity.connections, capacity.connectsPerSecond, capacity.bytesPerSecond)
    }

    package var capacity: Capacity { Capacity(connections: connections, connectsPerSecond: connectsPerSecond, bytesPerSecond: bytesPerSecond) }
}

/// Counts from any beginning, those of histograms going round at 2^32: two of them have a difference (`ConnectionOutcomes`).
package struct OutcomesReport: Codable, Equatable, Sendable {
    package var connections: UInt64
    package var connectFailures: UInt64
    package var backendResets: UInt64
    package var firstBytes: [UInt64]
    package var earlyEnds: [UInt64]
    package var answers: [UInt64]

    init(_ outcomes: ConnectionOutcomes) {
        (connections, connectFailures, backendResets) = (outcomes.connections, outcomes.connectFailures, outcomes.backendResets)
        (firstBytes, earlyEnds, answers) = (outcomes.firstBytes, outcomes.earlyEnds, outcomes.answers)
    }

    /// Of a balancer with other buckets, what fits.
    package var outcomes: ConnectionOutcomes {
        var outcomes = ConnectionOutcomes()
        (outcomes.connections, outcomes.connectFailures, outcomes.backendResets) = (connections, connectFailures, backendResets)
        for (index, count) in firstBytes.enumerated() where index < outcomes.firstBytes.count { outcomes.firstBytes[index] = count }
        for (index, count) in earlyEnds.enumerated() where index < outcomes.earlyEnds.count { outcomes.earlyEnds[index] = count }
        for (index, count) in answers.enumerated() where index < outcomes.answers.count { outcomes.answers[index] = count }
        return outcomes
    }
}

extension LifetimeCounts {
    /// As `measure` reports them.
    package init(reported counts: [UInt64]) {
        self.init()
        for (index, count) in counts.enumerated() where index < self.counts.count { self.counts[index] = count }
    }

    package static func + (left: LifetimeCounts, right: LifetimeCounts) -> LifetimeCounts {
        var sum = left
        for index in sum.counts.indices { sum.counts[index] &+= right.counts[index] }
        return sum
    }

    /// Ages, of each bucket's connections its middle: what a prediction takes for them.
    package var middles: [Duration] {
        counts.indices.flatMap { bucket in
            let middle = (LifetimeBuckets.start(of: bucket) + LifetimeBuckets.start(of: bucket + 1)) / 2
            return Array(repeating: Duration.nanoseconds(middle), count: Int(counts[bucket]))
        }
    }
}

extension [UInt64] {
    fileprivate var withoutLastZeros: [UInt64] { Array(prefix((lastIndex { $0 > 0 } ?? -1) + 1)) }
}
