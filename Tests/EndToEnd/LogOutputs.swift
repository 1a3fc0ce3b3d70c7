// Where the log goes, and that nobody waits for it. Faults: a full disk, a reader who stands still or is gone that stops
// traffic; lines lost and nobody told; lines torn; a rotated file that is written on.
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct LogOutputs {
    let lab = Lab.current

    /// Names that make access lines long.
    private let backend = String(repeating: "long-name-", count: 6)

    private func configuration(_ log: String) throws -> ConfigurationText {
        var configuration = ConfigurationText([(backend, try TestServer.named(backend, lab))])
        configuration.log = log
        return configuration
    }

    /// As the metrics tell.
    private static func dropped(at admin: String) throws -> Int {
        let peer = try Peer(connecting: .unix(path: admin))
        defer { peer.close() }
        try peer.send("GET /metrics HTTP/1.0\r\n\r\n")
        peer.halfClose()
        let text = String(decoding: try peer.toEnd().bytes, as: UTF8.self)
        guard let found = text.firstMatch(of: /\nlb_log_dropped_total ([0-9]+)/), let count = Int(found.1) else { throw HarnessError("no such metric: \(text)") }
        return count
    }

    private func serve(_ balancer: Balancer, _ count: Int, at location: SourceLocation = #_sourceLocation) throws {
        #expect(try balancer.census(count) == [backend: count], sourceLocation: location)
        #expect(try balancer.command("log level info").code == .done, sourceLocation: location)
    }

    @Test("standard error is a pipe that nobody reads: traffic and control go on, lines wait within bounds, the rest is counted and told")
    func standingReader() throws {
        let reader = try fifo()
        let balancer = try Balancer(lab, configuration("{ level: info, access: true, format: json }"), prelude: "exec 2>\(lab.path("fifo"))")
        // 64 KiB in the pipe and 1 MiB in lbd.
        let connections = 4000
        try serve(balancer, connections)
        let reading = Background { try Self.readUntil("lines were dropped: whoever reads the log is too slow", reader.number) }
        let text = try reading.result()
        // Told in its place: behind the lines that had waited, of which there is a megabyte.
        let dropped = LogFile.dropped(text, "whoever reads the log is too slow")
        #expect(text.utf8.count > 1 << 20 && dropped > 0 && dropped < connections)
        // Read no further: the pipe is full again soon, and the end does not wait for it.
        try serve(balancer, 400)
        #expect(try balancer.stop().status == 0)
    }

    @Test("standard error is a pipe whose reader has gone: nothing is disturbed")
    func goneReader() throws {
        do {
            let reader = try fifo()
            let balancer = try Balancer(lab, configuration("{ level: info, access: true }"), prelude: "exec 2>\(lab.path("fifo"))")
            try serve(balancer, 50)
            #expect(reader.number >= 0)
            _ = consume reader
            try serve(balancer, 200)
            try balancer.rests()
            #expect(try balancer.stop().status == 0)
        }
    }

    /// Else the next socket would get the number, and what is logged would go to a client.
    @Test("started without standard error: its number is nobody else's")
    func closedAtStart() throws {
        let balancer = try Balancer(lab, configuration("{ level: debug, access: true }"), prelude: "exec 2>&-")
        try serve(balancer, 50)
        #expect(ProcessTable.link("/proc/\(balancer.process)/fd/2") == "/dev/null")
        #expect(try balancer.stop().status == 0)
    }

    @Test("a log file that takes nothing: traffic goes on; when another takes its place it says how many lines are missing, and why")
    func fullDevice() throws {
        let balancer = try Balancer(lab, configuration("{ level: info, access: true, file: /dev/full }"))
        try serve(balancer, 200)
        try balancer.rests()
        #expect(try balancer.lbctl("config", "set", "log.file=lbd.log").status == 0)
        try eventually(within: .seconds(10), "the loss to be told") {
            LogFile.dropped(try LogFile.text(lab.path("lbd.log")), "the log could not be written: No space left on device") >= 200
        }
        #expect(try LogFile.torn(LogFile.text(lab.path("lbd.log"))) == [])
        #expect(balancer.program.errors == "")
    }

    @Test("a full disk: traffic goes on; with room again the line in hand is finished, and the loss told", .enabled(if: getuid() == 0))
    func fullDisk() throws {
        let disk = lab.path("disk")
        #expect(mkdir(disk, 0o755) == 0)
        guard try lab.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk]).status == 0 else { return }
        lab.atEnd { if umount2(disk, Int32(MNT_DETACH)) != 0 { Issue.record("\(disk) stays mounted") } }
        try lab.write("disk/ballast", [UInt8](repeating: 0, count: 448 << 10))
        var configuration = try configuration("{ level: info, access: true, file: disk/lbd.log }")
        let admin = lab.path("admin.sock")
        configuration.settings.append("admin: \"unix:\(admin)\"")
        let balancer = try Balancer(lab, configuration)
        try serve(balancer, 600)
        // Else there might be room by the time that a busy machine comes to write the lines.
        try eventually(within: .seconds(20), "lines that the disk does not take") { try LogOutputs.dropped(at: admin) > 0 }
        let count = { LogFile.lines(try LogFile.text(disk + "/lbd.log")).count { $0.contains("connection ended") } }
        let before = try count()
        #expect(before < 500)
        try Files.remove(disk + "/ballast")
        try eventually(within: .seconds(10), "the loss to be told") {
            LogFile.dropped(try LogFile.text(disk + "/lbd.log"), "the log could not be written: No space left on device") > 0
        }
        try serve(balancer, 10)
        // What had waited is written in parts.
        try eventually(within: .seconds(10), "each connection's line, or that it is missing") {
            try count() + LogFile.dropped(try LogFile.text(disk + "/lbd.log"), "No space left") >= 610
        }
        #expect(try balancer.stop().status == 0)
        #expect(try LogFile.torn(LogFile.text(disk + "/lbd.log")) == [])
    }

    @Test("SIGUSR1 after a rename: the new file begins, saying so, the old one is complete, no line is lost")
    func rotation() throws {
        let balancer = try Balancer(lab, configuration("{ level: info, access: true, format: json, file: lbd.log }"))
        try serve(balancer, 30)
        for round in 1...3 {
            try Files.move(lab.path("lbd.log"), to: lab.path("lbd.log.\(round)"))
            try balancer.program.signal(SIGUSR1)
            try eventually(within: .seconds(10), "the new file") {
                guard access(lab.path("lbd.log"), F_OK) == 0 else { return false }
                return try LogFile.text(lab.path("lbd.log")).contains("log file \(lab.path("lbd.log")) opened anew")
            }
            try serve(balancer, 30)
        }
        // Also when nothing was renamed.
        try balancer.program.signal(SIGUSR1)
        #expect(try balancer.stop().status == 0)
        let texts = try ["lbd.log.1", "lbd.log.2", "lbd.log.3", "lbd.log"].map { try LogFile.text(lab.path($0)) }
        let counts = try texts.map { try LogFile.access($0).count }
        #expect(counts.reduce(0, +) == 120, "\(counts)")
        #expect(texts[3].contains("SIGTERM received") && texts[0].contains("listens on") && balancer.program.errors == "")
    }

    @Test("SIGUSR1 when the file cannot be opened: the old one stays, and says why; without a file it says where it logs to")
    func rotationFails() throws {
        #expect(mkdir(lab.path("logs"), 0o755) == 0)
        let balancer = try Balancer(lab, configuration("{ level: info, file: logs/lbd.log }"))
        try Files.move(lab.path("logs"), to: lab.path("moved"))
        try balancer.program.signal(SIGUSR1)
        try eventually(within: .seconds(10), "the reason in the old file") {
            try LogFile.text(lab.path("moved/lbd.log")).contains("the log file cannot be opened: open \(lab.path("logs/lbd.log")): No such file")
        }
        let end = try balancer.lbctl("config", "set", "log.file=nowhere/lbd.log", "log.level=debug")
        #expect(end.status == 1 && end.errors.contains("log: open \(lab.path("nowhere/lbd.log")): No such file"), "\(end)")
        #expect(try balancer.command("config show").data.contains { $0.contains("level: info") }, "half of a refused change was made")
        #expect(try balancer.lbctl("config", "set", "log.file=").status == 0)
        try balancer.program.signal(SIGUSR1)
        try eventually(within: .seconds(10), "where it logs to") { balancer.program.errors.contains("SIGUSR1 received: lbd logs to standard error") }
    }

    @Test("a file that cannot be opened keeps lbd from starting")
    func noSuchFolder() throws {
        let file = try lab.write("lbd.yaml", configuration("{ file: nowhere/lbd.log }").yaml(control: "lbd.sock"))
        let end = try lab.run([Installed.product("lbd"), "--config", file])
        #expect(end.status == 1 && end.errors == "lbd: log: open \(lab.path("nowhere/lbd.log")): No such file or directory\n", "\(end)")
    }

    @Test("two balancers append to one file: every line is whole, and there")
    func sharedFile() throws {
        let log = "{ level: info, access: true, format: json, file: both.log }"
        let balancers = try (0..<2).map { number in
            var configuration = try configuration(log)
            configuration.stateDirectory = "run-\(number)"
            return try Balancer(lab, configuration, name: "lbd-\(number)")
        }
        let work = balancers.map { balancer in Background { try self.serve(balancer, 200) } }
        for job in work { try job.result() }
        for balancer in balancers { #expect(try balancer.stop().status == 0) }
        let lines = try LogFile.access(LogFile.text(lab.path("both.log")))
        #expect(lines.count == 400)
    }

    @Test("under systemd the journal gets priorities and no second time", arguments: ["text", "json"])
    func journal(format: String) throws {
        let balancer = try Balancer(
            lab, configuration("{ level: info, format: \(format) }"), prelude: "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)")
        #expect(try balancer.command("drain web/\(backend)").code == .done)
        try eventually(within: .seconds(10), "the outage") { balancer.program.errors.contains("has no available backend") }
        let lines = LogFile.lines(balancer.program.errors)
        if format == "text" {
            #expect(lines.allSatisfy { $0.hasPrefix("<6>info ") || $0.hasPrefix("<3>error ") } && lines.contains { $0.hasPrefix("<3>error pool web ") }, "\(lines)")
        } else {
            #expect(lines.allSatisfy { $0.hasPrefix("<6>{\"time\":") || $0.hasPrefix("<3>{\"time\":") }, "\(lines)")
        }
        // Of another stream it says nothing.
        var elsewhere = try configuration("{ level: info }")
        elsewhere.stateDirectory = "run-other"
        let other = try Balancer(lab, elsewhere, name: "other", prelude: "export JOURNAL_STREAM=1:1")
        #expect(LogFile.torn(other.program.errors) == [])
    }

    @Test("levels of single subsystems, at once: the others stay as they are")
    func levels() throws {
        let balancer = try Balancer(lab, configuration("{ level: error, format: json }"))
        #expect(try balancer.lbctl("log", "level", "info", "drains").status == 0)
        #expect(try balancer.command("drain web/\(backend)").code == .done)
        #expect(try balancer.command("undrain web/\(backend)").code == .done)
        try eventually(within: .seconds(10), "the wish") { balancer.program.errors.contains("wish drain -> ready") }
        let lines = LogFile.lines(balancer.program.errors)
        #expect(lines.allSatisfy { $0.contains("\"subsystem\":\"drains\"") || $0.contains("\"level\":\"error\"") }, "\(lines)")
        #expect(try balancer.command("config show").data.contains { $0.contains("drains: info") })
        #expect(try balancer.lbctl("log", "level", "info", "nonsense").status == 64)
        #expect(try balancer.command("log level info nonsense").message.contains("is no part of lbd: write listeners"))
    }

    // MARK: A pipe

    /// With one end open for reading, so that it can be opened for writing.
    private func fifo() throws -> Descriptor {
        guard mkfifo(lab.path("fifo"), 0o600) == 0 else { throw SystemError("mkfifo", errno) }
        return try Files.open(lab.path("fifo"), O_RDONLY | O_NONBLOCK)
    }

    /// What was read up to these words.
    private static func readUntil(_ words: String, _ number: Int32) throws -> String {
        var (text, buffer): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 64 << 10))
        while true {
            var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 30_000) == 1 else { throw HarnessError("nothing more came after \(text.count) bytes") }
            let count = read(number, &buffer, buffer.count)
            guard count > 0 else { throw HarnessError("the log ended after \(text.count) bytes") }
            text += buffer[..<count]
            let tail = String(decoding: text.suffix(count + 200), as: UTF8.self)
            if tail.contains(words) { return String(decoding: text, as: UTF8.self) }
        }
    }
}
