// Real redis-server processes as backends: one process each, so that kill -9 takes all of it.
import Glibc
import Model
import SystemCalls
import Testing

struct Redis {
    let name: String
    let endpoint: Endpoint
    private let folder: String
    private let lab: Lab

    /// Starts a daemon with its pid file in `LAB/NAME`, and waits until it answers.
    init(_ lab: Lab, _ name: String) throws {
        self.lab = lab
        self.name = name
        folder = lab.path(name)
        let folder = folder
        endpoint = try FreePort.starting { port in
            try lab.write("\(name)/redis.conf", Redis.configuration(port, folder))
            try Redis.start(lab, folder)
            return .loopback(port)
        }
        try waitUntilItAnswers()
    }

    /// Starts it again on the same port.
    func start() throws {
        try Redis.start(lab, folder)
        try waitUntilItAnswers()
    }

    func process() throws -> pid_t {
        try eventually(within: .seconds(5), "redis's pid file in \(folder)") {
            guard access("\(folder)/redis.pid", R_OK) == 0 else { return nil }
            let text = String(decoding: try Files.read("\(folder)/redis.pid", bytesMax: 100), as: UTF8.self)
            return pid_t(text.split(separator: "\n").first ?? "")
        }
    }

    /// kill -9, and waits until the process is gone; the moment when it was.
    func kill() throws -> ContinuousClock.Instant {
        let process = try process()
        Glibc.kill(process, SIGKILL)
        try eventually(within: .seconds(5), "the end of redis \(process)") { !ProcessTable.isAlive(process) }
        return .now
    }

    /// One PING on a connection of its own; what came back.
    static func ping(at endpoint: Endpoint) throws -> String {
        let peer = try Peer(connecting: endpoint)
        try peer.send("PING\r\n")
        return try peer.line()
    }

    /// A script `restart-redis NAME PORT` for rollouts; its path. With `andStart: false` it stays down.
    static func restartScript(_ lab: Lab, andStart: Bool = true) throws -> String {
        let start = try "exec \(Installed.program("redis-server")) \"\(lab.folder)/$1/redis.conf\""
        return try lab.write("restart-redis", """
            #!/bin/sh
            # Stops one redis-server, waits until its process is gone, starts it again: restart-redis NAME PORT
            set -e
            pid=$(cat "\(lab.folder)/$1/redis.pid")
            \(Installed.program("redis-cli")) -p "$2" shutdown nosave
            while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
            \(andStart ? start : "exit 0")

            """)
    }

    private static func start(_ lab: Lab, _ folder: String) throws {
        let end = try lab.run(["redis-server", "\(folder)/redis.conf"])
        guard end.status == 0 else { throw HarnessError("redis-server did not start: \(end)") }
    }

    private func waitUntilItAnswers() throws {
        try eventually(within: .seconds(10), "redis to answer at \(endpoint)") {
            do { return try Redis.ping(at: endpoint) == "+PONG\r" } catch is SystemError { return false }
        }
    }

    private static func configuration(_ port: UInt16, _ folder: String) -> String {
        """
        bind 127.0.0.1
        port \(port)
        tcp-backlog 4096
        save ""
        appendonly no
        enable-debug-command local
        daemonize yes
        pidfile \(folder)/redis.pid
        logfile \(folder)/redis.log

        """
    }
}
