// What several balancers measured, as one. Fault: a proof from one balancer's part of the load.
import ControlProtocol
import Model
import Orchestrator
import Rollout
import Testing

private func report(_ connections: Double, availability: Availability = .available, most: Int? = nil, ages: LifetimeCounts? = nil) throws -> MeasureReport {
    let load = Load(connections: connections, connectsPerSecond: 1, bytesPerSecond: 10)
    var outcomes = ConnectionOutcomes()
    outcomes.connections = 7
    outcomes.firstBytes[2] = 3
    let backends = try ["a", "b"].map {
        MeasuredBackend(
            name: try BackendName($0), availability: availability, weight: 1, backup: false, connectionsMax: most,
            capacity: Capacity(connections: 100), load: load, peak: load, outcomes: outcomes, ages: ages)
    }
    return MeasureReport(
        pool: try PoolName("web"), window: .seconds(600), measured: .seconds(connections), load: load + load, peak: load + load,
        lifetimes: LifetimeCounts([.seconds(1)]), backends: backends)
}

struct PoolMeasurementTests {
    @Test func loadsAddUpAndLimitsDoNotGetLost() throws {
        let one = try PoolMeasurement([report(30, most: 50, ages: LifetimeCounts([.seconds(5)])), report(40, availability: .down, most: 60)])
        let a = try BackendReference("web/a")
        #expect(one.peak.connections == 140 && one.window == .seconds(30))
        #expect(one.nodes.count == 2 && one.nodes[0].connectionsMax == 110 && one.nodes[0].capacity.connections == 100)
        #expect(one.nodes[0].availability == .down && one.nodes[0].peak.connections == 70)
        #expect(one.loads[a]?.connectsPerSecond == 2)
        #expect(one.outcomes[a]?.connections == 14 && one.outcomes[a]?.firstBytes[2] == 6)
        #expect(one.lifetimes.total == 2)
        let holders = one.holders(of: a)
        #expect(holders.count == 1 && abs(holders[0].inSeconds - 5) < 1)
        #expect(one.experience(restarts: [], readies: []).ages.total == 2)
        // One without a limit of its own at some balancer has none.
        #expect(try PoolMeasurement([report(30, most: 50), report(30)]).nodes[0].connectionsMax == nil)
    }
}
