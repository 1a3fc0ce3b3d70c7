// What keeps lbd from starting, said clearly; and what its other ways to be called answer.
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct Starting {
    let lab = Lab.current

    @Test("a bind address in use: an end with the address in the message, and nothing left behind")
    func addressInUse() throws {
        let taken = try TestServer.echo(lab)
        var configuration = ConfigurationText([("web-1", try TestServer.echo(lab))])
        configuration.listeners = [.init(), .init(name: "other", bind: "\(taken.endpoint)")]
        let end = try start(configuration, "lbd")
        #expect(end.status != nil && end.status != 0, "\(end)")
        #expect(end.errors.contains("\(taken.endpoint)"), "\(end)")
        #expect(end.errors.lowercased().contains("in use"), "\(end)")
        #expect(access(lab.path("lbd.sock"), F_OK) != 0, "the control socket was left behind")
    }

    /// SO_REUSEPORT would let a second lbd share the port silently and take half of the connections.
    @Test("a second lbd does not share the first one's port")
    func portOfAnother() throws {
        let server = try TestServer.named("web-1", lab)
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]))
        var second = ConfigurationText([("web-1", server)])
        second.listeners[0].bind = try "\(balancer.endpoint())"
        second.stateDirectory = "other"
        let end = try start(second, "second")
        #expect(end.status != nil && end.status != 0, "\(end)")
        #expect(try end.errors.contains("\(balancer.endpoint())"), "\(end)")
        #expect(try balancer.census(10) == ["web-1": 10])
    }

    @Test("a second lbd on the same state-directory refuses to start, and the first goes on")
    func stateDirectoryInUse() throws {
        let server = try TestServer.named("web-1", lab)
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]))
        let end = try start(ConfigurationText([("web-1", server)]), "second")
        #expect(end.status != nil && end.status != 0, "\(end)")
        #expect(end.errors.contains("run"), "the folder is not named: \(end)")
        #expect(try balancer.census(10) == ["web-1": 10])
        #expect(try balancer.status().pid == balancer.process)
    }

    /// Fault: exit status 1, and not a word on the terminal or in the journal.
    @Test("with a log file too: what keeps lbd from starting is on standard error and in the file, and nothing else is on standard error")
    func saidBesideTheFile() throws {
        let server = try TestServer.named("web-1", lab)
        var configuration = ConfigurationText([("web-1", server)])
        configuration.log = "{ level: info, file: first.log }"
        let balancer = try Balancer(lab, configuration)
        configuration.log = "{ level: info, format: json, file: second.log }"
        let second = try start(configuration, "second")
        #expect(second.status == 1 && second.errors.contains("critical lbd cannot run: ") && second.errors.contains("run"), "\(second)")
        #expect(second.errors.split(separator: "\n").count == 1 && !second.errors.contains("{"), "\(second)")
        #expect(try LogFile.text(lab.path("second.log")).contains("cannot run: "))
        configuration.stateDirectory = "other"
        configuration.listeners[0].bind = try "\(balancer.endpoint())"
        let third = try start(configuration, "third")
        #expect(try third.status == 1 && third.errors.contains("\(balancer.endpoint())"), "\(third)")
        #expect(try balancer.stop().status == 0)
        #expect(balancer.program.errors == "", "the log of one that has started is in its file alone")
    }

    @Test("damaged wishes keep lbd from starting: told with the file and what to do, without the parser's own words")
    func damagedWishes() throws {
        let configuration = ConfigurationText([("web-1", try TestServer.echo(lab))])
        #expect(mkdir(lab.path("run"), 0o750) == 0)
        try lab.write("run/wishes.json", "{ garbage")
        let end = try start(configuration, "lbd")
        #expect(end.status == 1, "\(end)")
        #expect(end.errors.contains("wishes.json is damaged") && end.errors.contains("remove it"), "\(end)")
        #expect(!end.errors.contains("Error") && !end.errors.contains("Context"), "\(end)")
    }

    /// Each connection would wait for an address that never comes.
    @Test("a source that is no address of this host: an end that names pool and address")
    func sourceOfAnother() throws {
        let end = try start(ConfigurationText([("web-1", try TestServer.echo(lab))], ["source: 192.0.2.1"]), "lbd")
        #expect(end.status == 1, "\(end)")
        #expect(end.errors.contains("pool 'web': source 192.0.2.1"), "\(end)")
    }

    @Test("the control socket is for its user and group only")
    func controlSocketMode() throws {
        let balancer = try Balancer(lab, ConfigurationText([("web-1", try TestServer.echo(lab))]))
        var status = stat()
        #expect(stat(balancer.control, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o660)
    }

    @Test("threads: the workers and one more", arguments: [1, 3])
    func threads(workers: Int) throws {
        var configuration = ConfigurationText([("web-1", try TestServer.named("web-1", lab))])
        configuration.workers = workers
        let balancer = try Balancer(lab, configuration)
        #expect(try balancer.census(20) == ["web-1": 20])
        #expect(try balancer.lbctl("drain", "web/web-1", "--wait").status == 0)
        try ProcessTable.awaitThreads(workers + 1, of: balancer.process)
        #expect(try balancer.status().workers == workers)
    }

    @Test("--help, --version and --options answer and exit 0", arguments: ["lbd", "lbctl"])
    func help(program: String) throws {
        let path = try Installed.product(program)
        for flag in ["--help", "--version"] {
            let end = try lab.run([path, flag])
            #expect(end.status == 0 && !end.output.isEmpty, "\(program) \(flag): \(end)")
        }
        guard program == "lbd" else { return }
        let options = try lab.run([path, "--options"])
        #expect(options.status == 0)
        for option in ["idle-timeout", "connect-timeout", "state-directory", "balance", "stop-deadline"] {
            #expect(options.output.contains(option), "\(option) is not among the options")
        }
    }

    @Test("bad usage exits 64", arguments: [["lbd", "--no-such-flag"], ["lbctl", "no-such-verb"], ["lbctl", "drain"]])
    func badUsage(words: [String]) throws {
        let end = try lab.run([Installed.product(words[0])] + words.dropFirst())
        #expect(end.status == 64, "\(end)")
        #expect(!end.errors.isEmpty && end.output.isEmpty, "\(end)")
    }

    /// Starts an lbd that is to fail.
    private func start(_ configuration: ConfigurationText, _ name: String) throws -> ProgramEnd {
        let file = try lab.write("\(name).yaml", configuration.yaml(control: "\(name).sock"))
        return try lab.run([Installed.product("lbd"), "--config", file], within: .seconds(10))
    }
}
