// Ends keep their kind: a reset passes as a reset and after all data, a clean end as a clean end.
import Model
import Testing

@Suite(.lab) struct Reset {
    let lab = Lab.current
    private static let rounds = 20

    /// HAProxy and nginx turn every backend reset into a clean end: a truncated answer looks whole.
    @Test("the backend sends and resets: the client gets every byte, then the reset", arguments: Scale.workers, [19, 256 << 10, 4 << 20])
    func backendResets(workers: Int, size: Int) throws {
        let content = try Content.random(size)
        let balancer = try balancer(workers) { peer in
            try peer.send(content)
            try peer.flush()
            peer.reset()
        }
        for round in 1...Reset.rounds {
            let (bytes, ending) = try balancer.connect().toEnd()
            expectSame(bytes, content, round)
            #expect(ending == .reset, "round \(round)")
        }
        try balancer.backend("web-1") { $0.resets == Reset.rounds && $0.connections == 0 }
    }

    /// All of it lies in the kernel: nothing is left to do but to look whether it has been read.
    @Test("a reset that waits for a reader who has stopped lets every thread rest, and comes after all data", arguments: Scale.workers)
    func awaitsStoppedReader(workers: Int) throws {
        let content = try Content.random(1 << 20)
        let balancer = try balancer(workers) { peer in
            try peer.send(content)
            try peer.flush()
            peer.reset()
        }
        let client = try balancer.connect()
        try balancer.backend("web-1") { $0.resets == 1 }
        try balancer.rests()
        let (bytes, ending) = try client.toEnd()
        expectSame(bytes, content, 1)
        #expect(ending == .reset)
    }

    @Test("the client sends and resets: the backend gets every byte, then the reset", arguments: Scale.workers, [19, 256 << 10, 4 << 20])
    func clientResets(workers: Int, size: Int) throws {
        let content = try Content.random(size)
        let ends = Outbox<End>()
        let balancer = try balancer(workers) { peer in
            let (bytes, ending) = try peer.toEnd()
            ends.put(End(bytes: bytes, ending: ending))
        }
        for round in 1...Reset.rounds {
            let client = try balancer.connect()
            try client.send(content)
            try client.flush()
            client.reset()
            let end = try ends.take()
            expectSame(end.bytes, content, round)
            #expect(end.ending == .reset, "round \(round)")
        }
        try balancer.backend("web-1") { $0.connections == 0 }
    }

    /// A reset that lbd sends at once throws away what the client has not read yet (HAProxy dfefebcd7).
    @Test("a client that reads only after the backend's reset still gets every byte first", arguments: Scale.workers)
    func lateReader(workers: Int) throws {
        let content = try Content.random(128 << 10)
        let gone = Outbox<Void>()
        let balancer = try balancer(workers) { peer in
            try peer.send(content)
            try peer.flush()
            peer.reset()
            gone.put(())
        }
        for round in 1...Reset.rounds {
            let client = try balancer.connect()
            try gone.take()
            let (bytes, ending) = try client.toEnd()
            expectSame(bytes, content, round)
            #expect(ending == .reset, "round \(round)")
        }
    }

    /// While the reset waits for the client to read, the client dies: its socket's unsent queue never empties.
    @Test("a client that resets while the backend's reset waits for it: nothing is kept", arguments: Scale.workers)
    func clientLeavesMeanwhile(workers: Int) throws {
        let content = try Content.random(256 << 10)
        let gone = Outbox<Void>()
        let balancer = try balancer(workers) { peer in
            try peer.send(content)
            try peer.flush()
            peer.reset()
            gone.put(())
        }
        for _ in 1...Reset.rounds {
            let client = try balancer.connect()
            try gone.take()
            client.reset()
        }
        try balancer.backend("web-1", within: .seconds(10)) { $0.connections == 0 }
    }

    /// Class 3: a close with unread data is a reset; it must not overtake the answer.
    @Test("a backend that closes without having read the request: its answer arrives, then a reset", arguments: Scale.workers)
    func unreadRequest(workers: Int) throws {
        let balancer = try balancer(workers) { peer in
            guard !peer.isQuiet(for: .seconds(10)) else { throw HarnessError("no request came") }
            try peer.send("413 no, thank you\r\n")
            try peer.flush()
        }
        let request = try Content.random(8 << 10)
        for round in 1...Reset.rounds {
            let client = try balancer.connect()
            try client.send(request)
            let (bytes, ending) = try client.toEnd()
            #expect(String(decoding: bytes, as: UTF8.self) == "413 no, thank you\r\n", "round \(round)")
            #expect(ending == .reset, "round \(round)")
        }
    }

    @Test("a reset in the middle of an answer to a half-closed client is no clean end", arguments: Scale.workers)
    func resetAfterHalfClose(workers: Int) throws {
        let balancer = try balancer(workers) { peer in
            _ = try peer.toEnd()
            try peer.send("the first half of")
            try peer.flush()
            peer.reset()
        }
        for round in 1...Reset.rounds {
            let client = try balancer.connect()
            try client.send("question")
            client.halfClose()
            let (bytes, ending) = try client.toEnd()
            #expect(String(decoding: bytes, as: UTF8.self) == "the first half of", "round \(round)")
            #expect(ending == .reset, "round \(round)")
        }
    }

    @Test("a clean end stays clean both ways", arguments: Scale.workers, [0, 19, 256 << 10])
    func cleanEnd(workers: Int, size: Int) throws {
        let content = try Content.random(size)
        let ends = Outbox<End>()
        let balancer = try balancer(workers) { peer in
            try peer.send(content)
            peer.halfClose()
            let (bytes, ending) = try peer.toEnd()
            ends.put(End(bytes: bytes, ending: ending))
        }
        for round in 1...Reset.rounds {
            let client = try balancer.connect()
            try client.send(content)
            client.halfClose()
            let (bytes, ending) = try client.toEnd()
            expectSame(bytes, content, round)
            #expect(ending == .end, "client, round \(round)")
            let end = try ends.take()
            expectSame(end.bytes, content, round)
            #expect(end.ending == .end, "backend, round \(round)")
        }
        try balancer.backend("web-1") { $0.resets == 0 && $0.connections == 0 }
    }

    private struct End { let bytes: [UInt8], ending: Ending }

    /// Compared outside the macro, which would print both.
    private func expectSame(_ received: [UInt8], _ sent: [UInt8], _ round: Int, at location: SourceLocation = #_sourceLocation) {
        let isSame = received.count == sent.count && Content.isPrefix(received, of: sent)
        #expect(isSame, "round \(round): \(received.count) bytes came, \(sent.count) were sent", sourceLocation: location)
    }

    private func balancer(_ workers: Int, _ handler: @escaping @Sendable (Peer) throws -> Void) throws -> Balancer {
        try Balancer(lab, ConfigurationText([("web-1", try TestServer(lab, handler))], workers: workers))
    }
}
