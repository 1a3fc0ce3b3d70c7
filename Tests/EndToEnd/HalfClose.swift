// Half-closes: one direction ends, the other goes on to its last byte (Envoy #2067, HAProxy 3cf4e7afb).
import Model
import Testing

@Suite(.lab) struct HalfClose {
    let lab = Lab.current
    private static let size = 64 << 20

    @Test("the client ends first, the backend answers 64 MiB", arguments: Scale.workers)
    func clientFirst(workers: Int) throws {
        let content = try Content.random(HalfClose.size)
        let asked = Outbox<Asked>()
        let balancer = try balancer(workers) { peer in
            let (bytes, ending) = try peer.toEnd()
            asked.put(Asked(bytes: bytes, ending: ending))
            try peer.send(content)
        }
        let client = try balancer.connect()
        try client.send("all of it, please")
        client.halfClose()
        let answer = try client.toEnd()
        let request = try asked.take()
        #expect(String(decoding: request.bytes, as: UTF8.self) == "all of it, please")
        #expect(request.ending == .end)
        #expect(answer.ending == .end)
        try expectEqual(answer.bytes, content)
        try balancer.backend("web-1") { $0.connections == 0 }
    }

    @Test("the backend ends first, the client sends 64 MiB", arguments: Scale.workers)
    func backendFirst(workers: Int) throws {
        let content = try Content.random(HalfClose.size)
        let received = Outbox<Asked>()
        let balancer = try balancer(workers) { peer in
            try peer.send("I only listen\n")
            peer.halfClose()
            let (bytes, ending) = try peer.toEnd()
            received.put(Asked(bytes: bytes, ending: ending))
        }
        let client = try balancer.connect()
        let greeting = try client.toEnd()
        #expect(String(decoding: greeting.bytes, as: UTF8.self) == "I only listen\n")
        #expect(greeting.ending == .end)
        try client.send(content)
        client.halfClose()
        let result = try received.take()
        #expect(result.ending == .end)
        try expectEqual(result.bytes, content)
        try balancer.backend("web-1") { $0.connections == 0 }
    }

    @Test("both send 64 MiB at once and end when they have", arguments: Scale.workers)
    func bothAtOnce(workers: Int) throws {
        let down = try Content.random(HalfClose.size), up = try Content.random(HalfClose.size)
        let received = Outbox<Asked>()
        let balancer = try balancer(workers) { peer in
            let sending = Background {
                try peer.send(down)
                peer.halfClose()
            }
            let (bytes, ending) = try peer.toEnd()
            try sending.result()
            received.put(Asked(bytes: bytes, ending: ending))
        }
        let client = try balancer.connect()
        let sending = Background {
            try client.send(up)
            client.halfClose()
        }
        let answer = try client.toEnd()
        try sending.result()
        let request = try received.take()
        #expect(answer.ending == .end)
        #expect(request.ending == .end)
        try expectEqual(answer.bytes, down)
        try expectEqual(request.bytes, up)
    }

    /// Class 2 of the known faults: the FIN, passed on while the backend's connect was under way, killed it
    /// (HAProxy 72e529829).
    @Test("the client sends and ends before the backend has accepted", arguments: Scale.workers)
    func endsWhileConnecting(workers: Int) throws {
        let hole = try BlackHole()
        let balancer = try Balancer(
            lab, ConfigurationText(backends: [("web-1", "\(hole.endpoint)")], ["connect-timeout: 10s"], workers: workers))
        let client = try balancer.connect()
        try client.send("early")
        client.halfClose()
        #expect(client.isQuiet(for: .milliseconds(300)))
        let server = try hole.acceptNext()
        let (bytes, ending) = try server.toEnd()
        #expect(String(decoding: bytes, as: UTF8.self) == "early")
        #expect(ending == .end)
        try server.send("late")
        server.close()
        let answer = try client.toEnd()
        #expect(String(decoding: answer.bytes, as: UTF8.self) == "late")
        #expect(answer.ending == .end)
    }

    private struct Asked { let bytes: [UInt8], ending: Ending }

    private func balancer(_ workers: Int, _ handler: @escaping @Sendable (Peer) throws -> Void) throws -> Balancer {
        try Balancer(lab, ConfigurationText([("web-1", try TestServer(lab, handler))], workers: workers))
    }

    private func expectEqual(_ received: [UInt8], _ sent: [UInt8], at location: SourceLocation = #_sourceLocation) throws {
        #expect(received.count == sent.count, sourceLocation: location)
        let digests = try (Content.sha256(received, lab, "received"), Content.sha256(sent, lab, "sent"))
        #expect(digests.0 == digests.1, sourceLocation: location)
    }
}
