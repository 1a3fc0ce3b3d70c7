// Bytes on their way: all of them, in order, without delay, and nobody starved by somebody else's.
import Glibc
import Model
import Synchronization
import Testing

@Suite(.lab) struct Relay {
    let lab = Lab.current

    @Test("urgent bytes arrive in line", arguments: Scale.workers, ["auto", "on", "off"])
    func urgent(workers: Int, splice: String) throws {
        let balancer = try Balancer(lab, ConfigurationText([("web-1", try TestServer.echo(lab))], ["splice: \(splice)"], workers: workers))
        for _ in 0..<20 {
            let client = try balancer.connect()
            try client.send("before ")
            try client.sendUrgent("!")
            try client.send(" after")
            client.halfClose()
            let (bytes, ending) = try client.toEnd()
            #expect(String(decoding: bytes, as: UTF8.self) == "before ! after")
            #expect(ending == .end)
        }
    }

    /// Nagle's algorithm and delayed acknowledgements together hold a second small write back for 40 ms.
    @Test("small writes are passed on at once")
    func noDelay() throws {
        let server = try TestServer(lab) { peer in
            while true {
                _ = try peer.receive(exactly: 2)
                try peer.send("x")
                try peer.send("y")
            }
        }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]))
        let client = try balancer.connect()
        let took = try (0..<100).map { _ in
            let started = ContinuousClock.now
            try client.send("a")
            try client.send("b")
            _ = try client.receive(exactly: 2)
            return ContinuousClock.now - started
        }
        let median = took.sorted()[50]
        #expect(median < .milliseconds(20), "the median of a hundred questions took \(median)")
    }

    /// Acknowledgements wait for bytes that carry them, and after a FIN none may come for as long as the client likes.
    @Test("a backend that ends first is acknowledged at once, and sends nothing twice")
    func acknowledged() throws {
        let sentAgain = Outbox<UInt32>()
        let server = try TestServer(lab) { peer in
            _ = try peer.receive(exactly: 8)
            try peer.send("answer")
            peer.halfClose()
            _ = try peer.toEnd()
            sentAgain.put(try peer.segmentsSentAgain())
        }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]))
        for _ in 0..<5 {
            let client = try balancer.connect()
            try client.send("question")
            #expect(try client.toEnd().ending == .end)
            // The kernel would repeat after two of its ticks.
            observe(for: .milliseconds(60))
            client.close()
            #expect(try sentAgain.take() == 0)
        }
    }

    @Test("one worker: bulk streams do not starve a conversation")
    func fairness() throws {
        let block = [UInt8](repeating: 0x43, count: 1 << 20)
        let done = StopFlag()
        let bulk = try TestServer(lab) { peer in while !done.isRaised { try peer.send(block) } }
        var configuration = ConfigurationText([("web-1", try TestServer.echo(lab))])
        configuration.workers = 1
        configuration.pools.append(.init(name: "bulk", backends: [("bulk-1", "\(bulk.endpoint)")]))
        configuration.listeners.append(.init(name: "bulk", pool: "bulk"))
        let balancer = try Balancer(lab, configuration)
        let bulkEndpoint = try balancer.endpoint("bulk")
        let readers = (0..<2).map { _ in
            Background {
                let peer = try Peer(connecting: bulkEndpoint)
                while !done.isRaised { _ = try peer.receive(max: 1 << 18) }
            }
        }
        try balancer.backend("bulk-1", pool: "bulk") { $0.bytesToClient > 64 << 20 }
        let client = try balancer.connect()
        let took = try (0..<50).map { _ in
            let started = ContinuousClock.now
            try client.send("ping")
            _ = try client.receive(exactly: 4)
            return ContinuousClock.now - started
        }
        done.raise()
        for reader in readers { try reader.result() }
        // Two processors, and four threads of this test that copy as fast as they can.
        #expect(took.sorted()[25] < .milliseconds(100), "the median answer took \(took.sorted()[25])")
    }
}
