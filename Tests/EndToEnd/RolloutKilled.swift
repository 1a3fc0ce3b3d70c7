// Rollouts that are killed: whatever line their journal ends with, 'resume' goes on, and no client notices.
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab(.heavy)) struct RolloutKilled {
    let lab = Lab.current
    private static let names = ["web-1", "web-2", "web-3", "web-4"]
    private static let health = "health: { check: connect, interval: 200ms, timeout: 1s, rise: 2, fall: 2 }"

    @Test("kill -9 at one line of the journal after the other, then resume: no failed request, every node restarted exactly once")
    func everyLine() throws {
        let servers = try RolloutKilled.names.map { try Nginx(lab, $0) }
        let balancer = try Balancer(lab, ConfigurationText(
            backends: servers.map { ($0.name, "\($0.endpoint)") }, [RolloutKilled.health, "balance: least-connections"]))
        try balancer.becomesAvailable()
        let wrk = try Wrk(lab, balancer.endpoint(), connections: 20)
        let restart = try Nginx.restartScript(lab)
        let script = try lab.write("counted", "#!/bin/sh\necho \"$1\" >> \"\(lab.path("restarts"))\"\nexec \"\(restart)\" \"$1\"\n")

        // In short: during the first step, and during a later one.
        var line = Scale.of(18, full: 2)
        var killed = 0
        while true {
            try lab.write("restarts", "")
            let state = lab.path("state-\(line)")
            let run = try balancer.startLbctl(["rollout", "run", "web", "--restart", "\(script) {backend}", "--state", state])
            let hit = try kill(run, atLine: line, of: state)
            if hit {
                killed += 1
                let resumed = try balancer.lbctl("rollout", "resume", "--state", state, within: .seconds(120))
                #expect(resumed.status == 0, "killed at line \(line): \(resumed)")
            }
            #expect(try restarts() == RolloutKilled.names, "killed at line \(line)")
            let again = try balancer.lbctl("rollout", "resume", "--state", state)
            #expect(again.status == 0 && again.text.contains("no rollout is unfinished"), "\(again)")
            let backends = try balancer.status().pools[0].backends
            #expect(backends.allSatisfy { $0.wish == .ready && $0.drain == nil && $0.connectFailures == 0 }, "killed at line \(line)")
            guard hit, killed < Scale.of(2, full: .max) else { break }
            line += Scale.of(37, full: 1)
        }
        #expect(killed >= 2)
        let report = try wrk.stop()
        #expect(report.socketErrors == 0, "\(report.text)")
        #expect(report.badStatuses == 0, "\(report.text)")
    }

    /// False where it has ended before its journal had so many lines.
    private func kill(_ run: RunningProgram, atLine line: Int, of state: String) throws -> Bool {
        let isOver = try eventually(within: .seconds(120), "line \(line) of the journal, or the end") { () -> Bool? in
            if lines(of: state) >= line { return false }
            return try run.isRunning() ? nil : true
        }
        guard !isOver else {
            let end = try run.end()
            #expect(end.status == 0, "\(end)")
            return false
        }
        try run.signal(SIGKILL)
        return try run.end().status == nil
    }

    /// None as long as there is no journal.
    private func lines(of state: String) -> Int {
        do {
            guard let folder = try Files.names(in: state).first else { return 0 }
            return try Files.read("\(state)/\(folder)/journal.jsonl", bytesMax: 64 << 20).count { $0 == 0x0A }
        } catch { return 0 }
    }

    private func restarts() throws -> [String] {
        String(decoding: try Files.read(lab.path("restarts"), bytesMax: 10_000), as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
