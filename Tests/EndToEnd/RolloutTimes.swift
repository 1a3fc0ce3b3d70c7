// How long a rollout takes: hardly more than its nodes take to become empty and to boot, and no longer than was predicted.
import Foundation
import Glibc
import Model
import Testing

@Suite(.lab(.heavy)) struct RolloutTimes {
    let lab = Lab.current
    private static let names = ["web-1", "web-2", "web-3", "web-4"]

    /// Guards against a wait that ends by a poll or by the next regular probe, two of which are four seconds here. A machine
    /// that is busy just then makes it longer: the best of three counts.
    @Test("four nodes: drains and boots, and 0.5 s a node besides")
    func overhead() throws {
        let balancer = try pool(health: "health: { check: connect, interval: 2s, timeout: 1s, rise: 2, fall: 2 }")
        let most = Duration.milliseconds(500) * RolloutTimes.names.count
        var tries: [(overhead: Duration, told: String)] = []
        repeat {
            try lab.write("boots", "")
            try rollOut(balancer, by: timedRestart())
            let times = try JournalTimes(balancer)
            let boots = try String(contentsOfFile: lab.path("boots"), encoding: .utf8).split(separator: "\n").compactMap { Int64($0) }
            #expect(boots.count == RolloutTimes.names.count)
            let overhead = times.whole - times.drains - .nanoseconds(boots.reduce(0, +))
            tries.append((overhead, "\(overhead.spoken) besides drains and boots; \(times)"))
        } while tries.count < 3 && tries.allSatisfy { $0.overhead > most }
        let isQuick = tries.contains { $0.overhead <= most }
        #expect(isQuick, "\(tries.map(\.told).joined(separator: "\n"))")
    }

    /// Guards against predictions that nobody can plan by: the first knows of no restart, the later ones of those before.
    @Test("a prediction is told before each rollout, and at least four of five take no longer than its P90")
    func prediction() throws {
        let balancer = try pool(health: "health: { check: connect, interval: 200ms, timeout: 1s, rise: 2, fall: 2 }")
        let wrk = try Wrk(lab, balancer.endpoint(), connections: 5)
        let slow = try SlowClient(balancer.endpoint())
        try eventually(within: .seconds(20), "load on every backend") {
            try balancer.status().pools[0].backends.allSatisfy { $0.connectionsTotal > 100 }
        }
        var runs: [(predicted: Plan, times: JournalTimes)] = []
        for _ in 0..<Scale.of(1, full: 5) {
            let plan = try balancer.lbctl("rollout", "plan", "web", "--restart", "\(Nginx.restartScript(lab)) {backend}", "-o", "json").succeeded()
            let predicted = try JSONDecoder().decode(Plan.self, from: Data(plan.output.utf8))
            try rollOut(balancer, by: Nginx.restartScript(lab))
            runs.append((predicted, try JournalTimes(balancer)))
        }
        let told = runs.map { "P50 \($0.predicted.p50) s, P90 \($0.predicted.p90) s, took \($0.times)" }.joined(separator: "\n")
        for run in runs {
            #expect(0 < run.predicted.p50 && run.predicted.p50 <= run.predicted.p90, "\(told)")
            #expect(run.predicted.forecast.contains { $0.hasPrefix("predicted: ") } && run.times.forecast.contains { $0.hasPrefix("predicted: ") })
        }
        let covered = runs.count { $0.times.whole <= .seconds($0.predicted.p90) }
        #expect(covered >= Scale.of(0, full: 4), "\(told)")
        #expect(try wrk.stop().socketErrors == 0)
        #expect(try slow.stop() > 0)
    }

    /// What `plan -o json` tells of the duration, in seconds.
    private struct Plan: Decodable {
        let p50: Double
        let p90: Double
        let forecast: [String]
    }

    private func pool(health: String) throws -> Balancer {
        let servers = try RolloutTimes.names.map { try Nginx(lab, $0) }
        let balancer = try Balancer(lab, ConfigurationText(backends: servers.map { ($0.name, "\($0.endpoint)") }, [health]))
        try balancer.becomesAvailable()
        return balancer
    }

    /// Notes how long a boot took, in nanoseconds: what starting the command costs is not the boot's.
    private func timedRestart() throws -> String {
        try lab.write("timed-restart", """
            #!/bin/sh
            from=$(date +%s%N)
            "\(try Nginx.restartScript(lab))" "$1" || exit 1
            echo $(($(date +%s%N) - from)) >> "\(lab.folder)/boots"

            """)
    }

    private func rollOut(_ balancer: Balancer, by script: String) throws {
        try balancer.lbctl("rollout", "run", "web", "--restart", "\(script) {backend}", within: .seconds(120)).succeeded()
    }
}
