// How lbd ends: SIGTERM lets connections finish, a deadline and a second signal do not; and how it starts after.
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct Stopping {
    let lab = Lab.current
    private let server: TestServer

    init() throws { server = try TestServer.named("web-1", lab) }

    @Test("SIGTERM closes the listeners, open connections finish, then lbd exits 0")
    func connectionsFinish() throws {
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]))
        let endpoint = try balancer.endpoint()
        let client = try balancer.connection(to: "web-1")
        try balancer.program.signal(SIGTERM)
        try expectRefused(endpoint)
        try client.send("are you there?\n")
        #expect(try client.line() == "are you there?")
        #expect(try balancer.program.isRunning())
        #expect(try balancer.status().stopping)
        client.close()
        let end = try balancer.program.end(within: Scale.lateness)
        #expect(end.status == 0, "\(end)")
        #expect(access(balancer.control, F_OK) != 0, "the control socket was left behind")
    }

    /// Class 15: epoll keeps a listener that another process holds too; the old process was woken by each of the new
    /// one's connections (HAProxy 561319bd1).
    @Test("closed listeners wake nobody, however many connect to the one that has the port now", arguments: Scale.workers)
    func closedListenersRest(workers: Int) throws {
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)], workers: workers))
        let endpoint = try balancer.endpoint()
        let client = try balancer.connection(to: "web-1")
        try balancer.program.signal(SIGTERM)
        try expectRefused(endpoint)
        _ = try TestServer.named("next", lab, at: endpoint)
        let stopping = StopFlag()
        let connecting = Background {
            var connected = 0
            while !stopping.isRaised {
                let name = try Peer(connecting: endpoint).line()
                guard name == "next" else { throw HarnessError("reached '\(name)'") }
                connected += 1
            }
            return connected
        }
        try balancer.rests(max: 8)
        stopping.raise()
        #expect(try connecting.result() > 100)
        client.close()
        #expect(try balancer.program.end().status == 0)
    }

    @Test("SIGTERM without connections: exits 0 at once")
    func nothingOpen() throws {
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]))
        #expect(try balancer.stop(within: Scale.lateness).status == 0)
    }

    /// A connection that lies in the accept queue when SIGTERM comes was promised to its client.
    @Test("connections opened up to the last moment before SIGTERM are served")
    func acceptQueueIsServed() throws {
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]))
        let endpoint = try balancer.endpoint()
        kill(balancer.process, SIGSTOP)
        let clients = try (0..<20).map { _ in try Peer(connecting: endpoint) }
        kill(balancer.process, SIGTERM)
        kill(balancer.process, SIGCONT)
        for client in clients { #expect(try client.line() == "web-1") }
        for client in clients { client.close() }
        #expect(try balancer.program.end().status == 0)
    }

    @Test("what is still open at stop-deadline is closed, with a clean end")
    func deadline() throws {
        var configuration = ConfigurationText([("web-1", server)])
        configuration.settings = ["stop-deadline: 1s"]
        let balancer = try Balancer(lab, configuration)
        let client = try balancer.connection(to: "web-1")
        let started = ContinuousClock.now
        try balancer.program.signal(SIGTERM)
        #expect(try client.toEnd().ending == .end)
        let end = try balancer.program.end(within: .seconds(5))
        let took = ContinuousClock.now - started
        #expect(took > .milliseconds(900) && took < .seconds(1) + Scale.lateness, "took \(took.spoken)")
        #expect(end.status == 0, "\(end)")
    }

    @Test("a second SIGTERM, SIGINT or SIGQUIT ends it at once", arguments: [[SIGTERM, SIGTERM], [SIGINT], [SIGQUIT]])
    func atOnce(signals: [Int32]) throws {
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]))
        let client = try balancer.connection(to: "web-1")
        if signals.count > 1 {
            try balancer.program.signal(signals[0])
            try eventually(within: .seconds(5), "lbd to be stopping") { try balancer.status().stopping }
        }
        let started = ContinuousClock.now
        try balancer.program.signal(signals.last!)
        try balancer.program.end(within: .seconds(5))
        #expect(ContinuousClock.now - started < Scale.lateness)
        _ = try client.toEnd()
    }

    /// What other programs take for a reload or a log rotation must not end a balancer.
    @Test("SIGHUP, SIGUSR1, SIGUSR2 and SIGPIPE do not end it", arguments: [SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE])
    func goesOn(signal: Int32) throws {
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]))
        let client = try balancer.connection(to: "web-1")
        try balancer.program.signal(signal)
        for _ in 0..<5 { #expect(try balancer.status().pid == balancer.process) }
        try client.send("still here\n")
        #expect(try client.line() == "still here")
        #expect(try balancer.census(5) == ["web-1": 5])
    }

    @Test("SIGHUP that was ignored at the start, as under nohup, stays so, and lbd says so once; else it says nothing of it")
    func hangUpIgnored() throws {
        var configuration = ConfigurationText([("web-1", server)])
        let balancer = try Balancer(lab, configuration, prelude: "trap '' HUP")
        let words = "SIGHUP is ignored, as whoever started lbd asked (nohup): use lbctl config reload"
        try eventually(within: .seconds(10), "the words") { balancer.program.errors.contains(words) }
        try balancer.program.signal(SIGHUP)
        #expect(try balancer.census(5) == ["web-1": 5])
        #expect(try balancer.stop().status == 0)
        #expect(balancer.program.errors.ranges(of: words).count == 1 && !balancer.program.errors.contains("SIGHUP received"))
        configuration.stateDirectory = "other"
        let other = try Balancer(lab, configuration, name: "other")
        #expect(try other.stop().status == 0)
        #expect(!other.program.errors.contains("SIGHUP is ignored"))
    }

    @Test("saved wishes survive a restart and a crash, and win over the file's", arguments: [SIGTERM, SIGKILL])
    func savedWishes(signal: Int32) throws {
        let second = try TestServer.named("web-2", lab)
        var configuration = ConfigurationText(backends: [
            ("web-1", "\(server.endpoint)"), ("web-2", "{ address: \"\(second.endpoint)\", wish: drain }"),
        ])
        configuration.settings = ["stop-deadline: 1s"]
        let balancer = try Balancer(lab, configuration)
        #expect(try balancer.backend("web-2").wish == .drain)
        #expect(try balancer.lbctl("drain", "web/web-1", "--owner", "alice", "--reason", "new disk").status == 0)
        #expect(try balancer.lbctl("undrain", "web/web-2", "--force").status == 0)
        let before = try balancer.backend("web-1")
        try balancer.program.signal(signal)
        try balancer.program.end()

        // The same file again: a lock or a control socket that a killed lbd left must not stand in the way.
        let next = try Balancer(lab, file: lab.path("lbd.yaml"))
        let drained = try next.backend("web-1")
        #expect(drained.wish == .drain)
        #expect(drained.drain == before.drain)
        #expect(drained.drain?.owner == "alice")
        #expect(try next.backend("web-2").wish == .ready)
        #expect(try next.census(10) == ["web-2": 10])
    }

    private func expectRefused(_ endpoint: Endpoint) throws {
        try eventually(within: .seconds(5), "\(endpoint) to refuse connections") {
            do {
                _ = try Peer(connecting: endpoint)
                return false
            } catch let error as SystemError {
                #expect(error.errorNumber == ECONNREFUSED)
                return true
            }
        }
    }
}
