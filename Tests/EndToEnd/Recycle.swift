// A backend's socket that serves one connection after the other: nothing of the last one reaches the next.
import Model
import Testing

@Suite(.lab) struct Recycle {
    let lab = Lab.current

    @Test("after an end by FIN from both sides the socket serves the next connection, and is closed when none comes",
        arguments: [Endpoint.loopback(0), .loopbackIPv6Any])
    func serves(at endpoint: Endpoint) throws {
        let configuration = ConfigurationText([("web-1", try TestServer.echo(lab, at: endpoint))], workers: 1)
        let balancer = try Balancer(lab, configuration)
        let atRest = try socketsAtRest(balancer)
        let first = try balancer.connect()
        try talk(first)
        let used = try eventually(within: .seconds(5), "two sockets to be in use") {
            let used = try ProcessTable.sockets(balancer.process).subtracting(atRest)
            return used.count == 2 ? used : nil
        }
        try end(first, at: balancer)

        let second = try balancer.connect()
        try talk(second)
        let again = try ProcessTable.sockets(balancer.process).intersection(used)
        #expect(again.count == 1, "of \(used) there is \(again): the backend's socket was opened anew")
        try end(second, at: balancer)
        try eventually(within: .seconds(5), "the parked socket to be closed") {
            try ProcessTable.sockets(balancer.process) == atRest
        }
    }

    @Test("a socket whose connection was reset is never used again")
    func reset() throws {
        var configuration = ConfigurationText([("web-1", try TestServer.echo(lab))])
        configuration.workers = 1
        let balancer = try Balancer(lab, configuration)
        let atRest = try socketsAtRest(balancer)
        // Parked ones stay for a second. A machine that is busy elsewhere may be too late to see that, but not each time.
        let isClosedInTime = try (0..<5).contains { _ in
            let client = try balancer.connect()
            try talk(client)
            client.reset()
            let reset = ContinuousClock.now
            try balancer.backend("web-1") { $0.connections == 0 }
            while ContinuousClock.now - reset < .milliseconds(900) {
                if try ProcessTable.sockets(balancer.process) == atRest { return ContinuousClock.now - reset < .milliseconds(900) }
                observe(for: .milliseconds(5))
            }
            return false
        }
        #expect(isClosedInTime, "a socket stays open as one that is parked does")
    }

    /// Taken for connected, it would keep the client's bytes from every other backend.
    @Test("a recycled socket whose connect gets no answer is given up after connect-timeout, like a new one")
    func unanswered() throws {
        let hole = try BlackHole()
        let backends = [("web-1", "\"\(try TestServer.echo(lab).endpoint)\""), ("web-2", "\"\(hole.endpoint)\"")]
        var configuration = ConfigurationText(backends: backends, ["connect-timeout: 150ms"])
        configuration.workers = 1
        let balancer = try Balancer(lab, configuration)
        for _ in 0..<20 {
            let client = try balancer.connect()
            try talk(client)
            try end(client, at: balancer)
        }
        #expect(try balancer.backend("web-2").connectionsTotal == 0)
        #expect(try balancer.backend("web-2").connectFailures > 5, "the pool's other backend was never tried")
    }

    /// Once the conversation that asked for the listener's port has ended.
    private func socketsAtRest(_ balancer: Balancer) throws -> Set<String> {
        _ = try balancer.endpoint()
        var last: Set<String> = []
        return try eventually(within: .seconds(5), "the balancer to be at rest") {
            let before = last
            last = try ProcessTable.sockets(balancer.process)
            return last == before ? last : nil
        }
    }

    private func talk(_ client: Peer) throws {
        try client.send("ping")
        #expect(try client.receive(exactly: 4) == Array("ping".utf8))
    }

    private func end(_ client: Peer, at balancer: Balancer) throws {
        client.halfClose()
        let (rest, ending) = try client.toEnd()
        #expect(rest.isEmpty && ending == .end)
        try balancer.backend("web-1") { $0.connections == 0 }
    }
}
