// PostgreSQL behind lbd: pgbench loses no transaction, and the tables hold the same rows afterwards.
import Glibc
import Model
import SystemCalls
import Testing

/// A cluster of its own in the lab, without fsync, with passwords by SCRAM.
struct PostgresServer {
    let endpoint: Endpoint
    private let lab: Lab
    /// Debian's commands in /usr/bin are scripts that look for the system's own clusters.
    static let programs = "/usr/lib/postgresql/15/bin"
    private static let password = "secret"

    init(_ lab: Lab) throws {
        self.lab = lab
        let folder = try PostgresServer.cluster(lab)
        let user = PostgresServer.user
        let (endpoint, program) = try ForegroundServer.start(lab, "postgres") { port in
            user + ["\(PostgresServer.programs)/postgres", "-D", folder, "-p", "\(port)"] + PostgresServer.settings.flatMap { ["-c", $0] }
        }
        self.endpoint = endpoint
        // Killed, it would leave a segment of shared memory behind.
        lab.atEnd {
            do {
                try program.signal(SIGQUIT)
                try program.end()
            } catch { Issue.record(error, "while postgres was stopped") }
        }
        try eventually(within: .seconds(30), "postgres to be ready") {
            try lab.run(["\(PostgresServer.programs)/pg_isready", "-q", "-h", "127.0.0.1", "-p", endpoint.portText()]).status == 0
        }
    }

    static let settings = [
        "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "shared_buffers=32MB",
        "dynamic_shared_memory_type=mmap",
    ]

    /// What runs the server as somebody else: it refuses to be root.
    static var user: [String] {
        getuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : []
    }

    /// Makes one; its folder.
    static func cluster(_ lab: Lab) throws -> String {
        let folder = lab.path("cluster")
        let password = try lab.write("password", password + "\n")
        if getuid() == 0 {
            try lab.run(["chmod", "755", lab.folder]).succeeded()
            try lab.run(["install", "-d", "-o", "postgres", "-m", "700", folder]).succeeded()
        }
        let arguments = ["-D", folder, "-U", "judge", "--pwfile", password, "--no-sync", "--locale=C", "-E", "UTF8"]
        try lab.run(
            user + ["\(programs)/initdb", "--auth=scram-sha-256"] + arguments, within: .seconds(60)
        ).succeeded()
        return folder
    }

    /// Runs one of PostgreSQL's clients at an endpoint.
    func run(_ client: String, _ arguments: [String], at endpoint: Endpoint) throws -> ProgramEnd {
        try PostgresServer.run(client, arguments, at: endpoint, lab)
    }

    static func run(_ client: String, _ arguments: [String], at endpoint: Endpoint, _ lab: Lab) throws -> ProgramEnd {
        let address = ["-h", "127.0.0.1", "-p", try endpoint.portText(), "-U", "judge"]
        return try lab.run(
            ["\(programs)/\(client)"] + address + arguments + ["postgres"], within: .seconds(Scale.of(60, full: 600)),
            prelude: "export PGPASSWORD=\(password)"
        ).succeeded()
    }
}

@Suite(.lab(.heavy)) struct Postgres {
    let lab = Lab.current

    private struct Outcome: Equatable {
        /// What pgbench counted: processed and failed.
        var counts: [String]
        /// MD5 over the rows of each table.
        var checksums: String
    }

    /// Guards against bytes lost, doubled or mixed up between connections: the random choices of pgbench are
    /// seeded, so the rows depend on nothing else.
    @Test("pgbench: the same transactions, none failed, the same rows")
    func transactions() throws {
        let server = try PostgresServer(lab)
        let perClient = Scale.of(100, full: 2000)
        let direct = try Judge.compare(lab, server.endpoint) { endpoint, _ in
            _ = try server.run("pgbench", ["-i", "-q"], at: endpoint)
            let bench = ["-n", "-c", "8", "-j", "2", "--random-seed=42"]
            let kept = try server.run("pgbench", bench + ["-t", "\(perClient)", "-M", "prepared"], at: endpoint)
            let reconnecting = try server.run("pgbench", bench + ["-t", "5", "-C", "-S"], at: endpoint)
            return Outcome(
                counts: try [kept, reconnecting].flatMap { [try $0.line("number of transactions actually"), try $0.line("number of failed")] },
                checksums: try server.run("psql", ["-XAtq", "-c", Postgres.checksums], at: endpoint).output)
        }
        #expect(direct.counts == [
            "number of transactions actually processed: \(8 * perClient)/\(8 * perClient)", "number of failed transactions: 0 (0.000%)",
            "number of transactions actually processed: 40/40", "number of failed transactions: 0 (0.000%)",
        ])
        #expect(direct.checksums.split(separator: "\n").count == 4)
    }

    /// Rows of one query are much more than a socket's buffers hold.
    @Test("COPY of all rows out and in again: the same bytes")
    func copies() throws {
        let server = try PostgresServer(lab)
        _ = try server.run("pgbench", ["-i", "-q"], at: server.endpoint)
        try Judge.compare(lab, server.endpoint) { endpoint, name in
            let file = lab.path("\(name).copy")
            let table = "copied_\(name.filter { $0.isLetter || $0.isNumber })"
            let script = """
                \\copy (select * from pgbench_accounts order by aid) to '\(file)'
                create table \(table) (like pgbench_accounts);
                \\copy \(table) from '\(file)'
                select count(*), md5(string_agg(aid || ':' || abalance || filler, ',' order by aid)) from \(table);
                """
            let rows = try server.run("psql", ["-XAtq", "-f", lab.write("\(name).sql", script)], at: endpoint).output
            return [rows, try Content.sha256(file: file, lab)]
        }
    }

    private static let checksums = """
        select md5(string_agg(aid || ':' || bid || ':' || abalance, ',' order by aid)) from pgbench_accounts
        union all select md5(string_agg(tid || ':' || tbalance, ',' order by tid)) from pgbench_tellers
        union all select md5(string_agg(bid || ':' || bbalance, ',' order by bid)) from pgbench_branches
        union all select md5(string_agg(tid || ':' || aid || ':' || delta, ',' order by tid, aid, delta)) from pgbench_history
        """
}
