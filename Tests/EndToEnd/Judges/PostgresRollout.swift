// Three PostgreSQL servers with the same rows are restarted one after the other, and pgbench loses no transaction.
import Glibc
import Model
import SystemCalls
import Testing

/// A daemon with a copy of a cluster in `LAB/NAME`, restarted by pg_ctl as an operator would.
private struct PostgresReplica {
    let name: String
    let endpoint: Endpoint
    private let folder: String

    /// Starts it, and fills it with pgbench's tables.
    init(_ lab: Lab, _ name: String, copyOf cluster: String) throws {
        self.name = name
        folder = lab.path(name)
        let control = try PostgresReplica.script(lab)
        try lab.run(["cp", "-a", cluster, folder]).succeeded()
        endpoint = try FreePort.starting { port in
            try lab.write("\(name).port", "\(port)")
            try lab.run([control, name, "start"]).succeeded()
            return .loopback(port)
        }
        // Killed, it would leave a segment of shared memory behind.
        lab.atEnd {
            do { try lab.run([control, name, "stop"]).succeeded() } catch { Issue.record(error, "while \(name) was stopped") }
        }
        _ = try PostgresServer.run("pgbench", ["-i", "-q"], at: endpoint, lab)
    }

    func process() throws -> pid_t? {
        let text = String(decoding: try Files.read("\(folder)/postmaster.pid", bytesMax: 1000), as: UTF8.self)
        return text.split(separator: "\n").first.flatMap { pid_t($0) }
    }

    /// A script `postgres NAME start|stop|restart`, which returns when that is done; its path.
    static func script(_ lab: Lab) throws -> String {
        let control = (PostgresServer.user + ["\(PostgresServer.programs)/pg_ctl"]).joined(separator: " ")
        let settings = PostgresServer.settings.map { "-c \($0)" }.joined(separator: " ")
        return try lab.write("postgres", """
            #!/bin/sh
            exec \(control) -D "\(lab.folder)/$1" -l "\(lab.folder)/$1/log" -o "-p $(cat "\(lab.folder)/$1.port") \(settings)" -s -w -m fast "$2"

            """)
    }
}

@Suite(.lab(.heavy)) struct PostgresRollout {
    let lab = Lab.current
    private static let health = "health: { check: connect, interval: 200ms, timeout: 1s, rise: 2, fall: 2 }"

    /// pgbench with a connection for each transaction, again and again: what a client of a pool does whose protocol tells
    /// nobody outside when a session may move.
    @Test("three servers, read-only: no failed transaction during a whole rollout, every server is new")
    func readOnly() throws {
        let lab = lab
        let cluster = try PostgresServer.cluster(lab)
        let servers = try ["db-1", "db-2", "db-3"].map { try PostgresReplica(lab, $0, copyOf: cluster) }
        let before = try servers.map { try $0.process() }
        let balancer = try Balancer(lab, ConfigurationText(
            backends: servers.map { ($0.name, "\($0.endpoint)") }, [PostgresRollout.health]))
        try balancer.becomesAvailable()
        let endpoint = try balancer.endpoint()
        let stopping = StopFlag()
        let benches = Background {
            var ends: [ProgramEnd] = []
            while !stopping.isRaised {
                ends.append(try PostgresServer.run("pgbench", ["-n", "-S", "-C", "-c", "4", "-t", "25"], at: endpoint, lab))
            }
            return ends
        }
        lab.atEnd { stopping.raise() }
        try awaitLoad(balancer, benches)
        for _ in 0..<Scale.of(1, full: 5) {
            let end = try balancer.lbctl("rollout", "run", "web", "--restart", "\(PostgresReplica.script(lab)) {backend} restart", within: .seconds(120))
            #expect(end.status == 0, "\(end)")
        }
        try awaitLoad(balancer, benches)
        stopping.raise()
        for end in try benches.result() {
            #expect(try end.line("number of transactions actually") == "number of transactions actually processed: 100/100", "\(end)")
            #expect(try end.line("number of failed") == "number of failed transactions: 0 (0.000%)", "\(end)")
        }
        for (server, old) in zip(servers, before) { #expect(try server.process() != old, "\(server.name) was not restarted") }
        #expect(try balancer.verifyLastRollout().status == 0)
        #expect(try balancer.status().pools[0].backends.allSatisfy { $0.wish == .ready && $0.connectFailures == 0 })
    }

    /// Waits until every server has taken some more connections than now.
    private func awaitLoad(_ balancer: Balancer, _ benches: Background<[ProgramEnd]>) throws {
        let now = try balancer.status().pools[0].backends.map(\.connectionsTotal)
        try eventually(within: .seconds(30), "load on every server") {
            // It ends by itself at its first failure only.
            if benches.isFinished { _ = try benches.result() }
            let later = try balancer.status().pools[0].backends.map(\.connectionsTotal)
            return zip(now, later).allSatisfy { $1 >= $0 + 10 }
        }
    }
}
