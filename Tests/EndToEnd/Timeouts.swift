// Time limits on a connection, and what a client sees of a backend that cannot be reached: another backend.
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct Timeouts {
    let lab = Lab.current

    @Test("a connection without a byte either way is closed after idle-timeout, with a clean end on both sides")
    func idle() throws {
        let ended = Outbox<Ending>()
        let server = try TestServer(lab) { peer in
            let (_, ending) = try peer.toEnd()
            ended.put(ending)
        }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)], ["idle-timeout: 500ms"]))
        let client = try balancer.connect()
        let started = ContinuousClock.now
        let (_, ending) = try client.toEnd()
        let took = ContinuousClock.now - started
        #expect(ending == .end)
        #expect(try ended.take() == .end)
        #expect(took > .milliseconds(450) && took < .milliseconds(500) + Scale.lateness, "took \(took.spoken)")
        try balancer.backend("web-1") { $0.connections == 0 }
    }

    @Test("bytes in one direction alone keep a connection from being idle")
    func activity() throws {
        let server = try TestServer(lab) { peer in _ = try peer.toEnd() }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)], ["idle-timeout: 3s"]))
        let client = try balancer.connect()
        for _ in 0..<15 {
            try client.send("x")
            #expect(client.isQuiet(for: .milliseconds(300)), "closed while the client was sending")
        }
    }

    /// A leak of half-open connections otherwise: the client is gone and the backend never answers.
    @Test("one direction ended and nothing comes the other way: closed after half-closed-timeout")
    func halfClosed() throws {
        let goOn = Outbox<Void>()
        let server = try TestServer(lab) { peer in
            _ = try peer.toEnd()
            try goOn.take()
        }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)], ["half-closed-timeout: 500ms"]))
        let client = try balancer.connect()
        try client.send("question")
        client.halfClose()
        let started = ContinuousClock.now
        let (bytes, _) = try client.toEnd()
        let took = ContinuousClock.now - started
        #expect(bytes.isEmpty)
        #expect(took > .milliseconds(450) && took < .milliseconds(500) + Scale.lateness, "took \(took.spoken)")
        try balancer.backend("web-1") { $0.connections == 0 }
        goOn.put(())
    }

    @Test("a backend that refuses is replaced by another before the client learns of it")
    func refusedRetry() throws {
        let server = try TestServer.named("web-2", lab)
        let refusing = try ClosedPort()
        let balancer = try Balancer(lab, ConfigurationText(backends: [
            ("web-1", "\(refusing.endpoint)"), ("web-2", "\(server.endpoint)"),
        ]))
        #expect(try balancer.census(50) == ["web-2": 50])
        let refused = try balancer.backend("web-1")
        #expect(refused.connectFailures > 0, "web-1 was never tried")
        #expect(refused.connections == 0)
    }

    /// A payment made twice: the retry is for connects that failed, not for requests that were heard.
    @Test("a request that has reached a backend is never sent to another", arguments: [true, false])
    func neverTwice(withReset: Bool) throws {
        let heard = Outbox<String>()
        let handler: @Sendable (Peer) throws -> Void = { peer in
            heard.put(try peer.line())
            if withReset { peer.reset() } else { peer.close() }
        }
        let balancer = try Balancer(lab, ConfigurationText([
            ("web-1", try TestServer(lab, handler)), ("web-2", try TestServer(lab, handler)),
        ], ["connect-retries: 3"]))
        let endpoint = try balancer.endpoint()
        for round in 1...20 {
            // While lbd stands still the requests arrive before it has accepted: it reads them before it connects.
            if round.isMultiple(of: 2) { try ProcessTable.stop(balancer.process) }
            let clients = try (0..<10).map { _ in try Peer(connecting: endpoint) }
            let requests = (0..<10).map { "pay \(round).\($0)" }
            for (client, request) in zip(clients, requests) { try client.send(request + "\n") }
            kill(balancer.process, SIGCONT)
            for client in clients {
                let (bytes, ending) = try client.toEnd()
                #expect(bytes.isEmpty)
                #expect(ending == (withReset ? .reset : .end), "round \(round)")
            }
            #expect(try requests.map { _ in try heard.take() }.sorted() == requests)
            #expect(heard.count == 0, "in round \(round) something was heard twice")
        }
    }

    /// A client that speaks first: its first bytes are read before the connect, and written to a port that refuses.
    @Test("first bytes that a refusing backend did not take reach another, once")
    func firstBytesOnce() throws {
        let heard = Outbox<String>()
        let server = try TestServer(lab) { peer in
            peer.halfClose()
            heard.put(String(decoding: try peer.toEnd().bytes, as: UTF8.self))
        }
        let refusing = try ClosedPort()
        let balancer = try Balancer(lab, ConfigurationText(
            backends: [("web-1", "\(refusing.endpoint)"), ("web-2", "\(server.endpoint)")], ["balance: round-robin"]))
        let endpoint = try balancer.endpoint()
        for round in 1...20 {
            let client = try speakBeforeTheAccept("once \(round)\n", to: endpoint, balancer)
            client.halfClose()
            #expect(try client.toEnd().ending == .end)
            #expect(try heard.take() == "once \(round)\n")
        }
        #expect(try balancer.backend("web-1").connectFailures > 0, "web-1 was never tried")
    }

    /// The same where nobody takes them: the bytes were kept twice, and lbd ended.
    @Test("first bytes that nobody takes: the client is reset, and lbd lives")
    func firstBytesForNobody() throws {
        let ports = try (ClosedPort(), ClosedPort())
        let balancer = try Balancer(lab, ConfigurationText(backends: [
            ("web-1", "\(ports.0.endpoint)"), ("web-2", "\(ports.1.endpoint)"),
        ]))
        let endpoint = try balancer.endpoint()
        for round in 1...5 {
            let client = try speakBeforeTheAccept("hello\n", to: endpoint, balancer)
            let (bytes, ending) = try client.toEnd()
            #expect(bytes.isEmpty && ending == .reset, "round \(round)")
        }
        try balancer.backend("web-1") { $0.connections == 0 }
    }

    /// While lbd stands still the bytes arrive before it has accepted: it reads them before it connects.
    private func speakBeforeTheAccept(_ text: String, to endpoint: Endpoint, _ balancer: Balancer) throws -> Peer {
        try ProcessTable.stop(balancer.process)
        defer { kill(balancer.process, SIGCONT) }
        let client = try Peer(connecting: endpoint)
        try client.send(text)
        return client
    }

    /// HAProxy and nginx end it cleanly: the client takes a part for the whole.
    @Test("a reader that stops for longer than the timeout is reset: a part never looks like the whole", arguments: [true, false])
    func stalledReader(halfCloses: Bool) throws {
        let content = [UInt8](repeating: 0x78, count: 32 << 20)
        let server = try TestServer(lab) { peer in
            // The balancer gives up in the middle of this: that is the point.
            do { try peer.send(content) } catch { return }
            peer.close()
        }
        let balancer = try Balancer(lab, ConfigurationText(
            [("web-1", server)], ["idle-timeout: 500ms", "half-closed-timeout: 500ms"]))
        let client = try balancer.connect()
        if halfCloses { client.halfClose() }
        try balancer.backend("web-1", within: .seconds(10)) { $0.connectionsTotal == 1 && $0.connections == 0 }
        let (bytes, ending) = try client.toEnd()
        #expect(bytes.count < content.count)
        #expect(ending == .reset)
    }

    /// A Unix socket's full backlog answers EAGAIN at once: three tries within a microsecond prove nothing.
    @Test("a backend whose accept queue is full for a moment is waited for, and not blamed")
    func fullQueue() throws {
        let path = lab.path("full.sock")
        let listener = try Sockets.bindUnix(path, mode: 0o600)
        try Sockets.listen(listener.number, backlog: 0)
        let address = SocketAddress(.unix(path: path))
        var ours: [Int32] = []
        defer { for number in ours { close(number) } }
        repeat { ours.append(try Sockets.open(for: address).release()) } while Sockets.startConnect(ours.last!, to: address) == .connected
        let balancer = try Balancer(lab, ConfigurationText(backends: [("web-1", "unix:\(path)")]))
        let client = try balancer.connect()
        try client.send("hello\n")
        #expect(client.isQuiet(for: .milliseconds(300)))
        var accepted: [Int32] = []
        try eventually(within: .seconds(5), "the client's bytes at the backend") {
            let number = Sockets.accept(on: listener.number).accepted
            if number >= 0 { accepted.append(number) }
            return accepted.contains { Sockets.hasBytes($0) }
        }
        ours += accepted
        #expect(try balancer.backend("web-1").connectFailures == 0)
    }

    @Test("a backend that swallows connects is replaced by another after connect-timeout")
    func blackHoleRetry() throws {
        let server = try TestServer.named("web-2", lab)
        let hole = try BlackHole()
        let balancer = try Balancer(lab, ConfigurationText(
            backends: [("web-1", "\(hole.endpoint)"), ("web-2", "\(server.endpoint)")], ["connect-timeout: 300ms"]))
        let endpoint = try balancer.endpoint()
        let waits = try concurrently(20) { _ in
            let started = ContinuousClock.now
            let name = try Peer(connecting: endpoint).line()
            guard name == "web-2" else { throw HarnessError("reached '\(name)'") }
            return ContinuousClock.now - started
        }
        let delayed = waits.filter { $0 > .milliseconds(250) }
        #expect(!delayed.isEmpty, "web-1 was never tried")
        #expect(waits.max()! < .milliseconds(300) + Scale.lateness, "the longest wait was \(waits.max()!.spoken)")
        #expect(try balancer.backend("web-1").connectFailures > 0)
    }

    /// Class 5: a connect error that is asked for again and again without rest.
    @Test("no backend can be reached: the client is reset after the retries, and lbd rests")
    func nothingReachable() throws {
        let ports = try (ClosedPort(), ClosedPort())
        let balancer = try Balancer(lab, ConfigurationText(backends: [
            ("web-1", "\(ports.0.endpoint)"), ("web-2", "\(ports.1.endpoint)"),
        ]))
        let endpoint = try balancer.endpoint()
        for _ in 0..<20 {
            let started = ContinuousClock.now
            let (bytes, ending) = try Peer(connecting: endpoint).toEnd()
            #expect(bytes.isEmpty)
            #expect(ending == .reset)
            #expect(ContinuousClock.now - started < Scale.lateness)
        }
        let used = try ProcessTable.processorTime(balancer.process)
        observe(for: .seconds(1))
        #expect(try ProcessTable.processorTime(balancer.process) - used < .milliseconds(100))
    }

    @Test("while a client waits for a swallowed connect, and when it leaves, nothing is kept")
    func leavesWhileConnecting() throws {
        let hole = try BlackHole()
        let balancer = try Balancer(lab, ConfigurationText(
            backends: [("web-1", "\(hole.endpoint)")], ["connect-timeout: 4s", "connect-retries: 0"]))
        let before = try ProcessTable.descriptors(balancer.process)
        let clients = try (0..<20).map { _ in try balancer.connect() }
        try balancer.backend("web-1") { $0.connections == 20 }
        for client in clients { client.reset() }
        try balancer.backend("web-1", within: .seconds(15)) { $0.connections == 0 }
        try eventually(within: .seconds(5), "the descriptors of connects in the air to be closed") {
            try ProcessTable.descriptors(balancer.process) <= before
        }
    }
}
