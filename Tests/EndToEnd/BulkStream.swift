// Bulk streams: one that is very long, what it costs in fruitless calls, and readers that die in the midst of it.
import Glibc
import Model
import SystemCalls
import Testing

/// Class 4: not subscribed again after EAGAIN, a stream stalled after tens of GB (HAProxy f6975aa92); a pipe kept after
/// a failed send, so that the stream never ended (760d26a86).
@Suite(.lab(.heavy)) struct BulkStream {
    let lab = Lab.current

    enum Direction: String, CaseIterable, Sendable { case up, down }

    @Test("one long stream arrives whole", arguments: Scale.workers, Direction.allCases)
    func long(workers: Int, direction: Direction) throws {
        let pattern = try Pattern()
        let balancer = try Balancer(lab, ConfigurationText([("web-1", try server(pattern))], workers: workers))
        let baseline = try Baseline(balancer)
        try transfer(Scale.of(1 << 30, full: 20 << 30), direction, pattern, balancer, within: Scale.of(.seconds(60), full: .seconds(600)))
        try baseline.isBack(balancer)
    }

    /// A relay that asks before it knows pays a call for each answer 'not yet'.
    @Test("fewer than three calls per MiB are answered with EAGAIN", arguments: Direction.allCases)
    func fruitlessCalls(direction: Direction) throws {
        let size = 128 << 20
        let trace = lab.path("trace")
        let pattern = try Pattern()
        let balancer = try Balancer(
            lab, ConfigurationText([("web-1", try server(pattern))], workers: 1),
            under: ["strace", "-D", "-f", "-qq", "-e", "trace=splice,recvfrom,sendto", "-e", "signal=none", "-o", trace])
        try transfer(size, direction, pattern, balancer, within: .seconds(60))
        try balancer.stop()
        let lines = String(decoding: try Files.read(trace, bytesMax: 1 << 30), as: UTF8.self).split(separator: "\n")
        #expect(lines.count { $0.contains("splice(") } > size >> 20, "strace saw too little: \(lines.count) calls")
        let fruitless = lines.count { $0.contains("EAGAIN") }
        #expect(fruitless < 3 * (size >> 20), "\(fruitless) of \(lines.count) calls for \(size >> 20) MiB")
    }

    /// A process that is killed closes its sockets with data unread, as `close` does here: the kernel sends a reset.
    @Test("a reader that dies in the midst of it gives its pipe back", arguments: Scale.workers, Direction.allCases)
    func readerKilled(workers: Int, direction: Direction) throws {
        let pattern = try Pattern()
        let balancer = try Balancer(lab, ConfigurationText([("web-1", try server(pattern))], workers: workers))
        let baseline = try Baseline(balancer)
        // One stream keeps its pipe all the time, so that the pool stays open.
        let steady = try balancer.connect()
        try steady.send("down \(1 << 40)\n")
        _ = try pattern.receive(from: steady, max: 4 << 20)
        for _ in 0..<Scale.of(10, full: 100) {
            _ = try concurrently(8) { _ in
                let client = try balancer.connect()
                switch direction {
                case .down:
                    try client.send("down \(1 << 40)\n")
                    _ = try pattern.receive(from: client, max: 2 << 20)
                    client.close()
                case .up:
                    // The server reads so much and closes.
                    try client.send("part \(2 << 20)\n")
                    do { try pattern.send(1 << 30, over: client) } catch let error as SystemError where error.isReset { return }
                    throw HarnessError("nobody noticed that the reader was gone")
                }
            }
            try balancer.backend("web-1") { $0.connections == 1 }
            let pipes = try ProcessTable.descriptorKinds(balancer.process)["pipe", default: 0] - baseline.descriptors["pipe", default: 0]
            #expect(pipes <= 2 * 2 * 9, "\(pipes) ends of pipes for at most 9 connections with two directions each")
        }
        steady.close()
        try baseline.isBack(balancer)
    }

    /// `up N`: reads N bytes to their end and says so. `down N`: sends N bytes. `part N`: reads N of them and dies.
    private func server(_ pattern: Pattern) throws -> TestServer {
        try TestServer(lab) { peer in
            let words = try peer.line().split(separator: " ")
            guard words.count == 2, let count = Int(words[1]) else { throw HarnessError("not a request: \(words)") }
            switch words[0] {
            case "up": try peer.send("\(pattern.receive(from: peer))")
            case "part": _ = try pattern.receive(from: peer, max: count)
            default: try pattern.send(count, over: peer)
            }
        }
    }

    private func transfer(_ size: Int, _ direction: Direction, _ pattern: Pattern, _ balancer: Balancer, within limit: Duration) throws {
        let client = try balancer.connect()
        try client.send("\(direction.rawValue) \(size)\n")
        switch direction {
        case .up:
            try pattern.send(size, over: client)
            client.halfClose()
            let (answer, ending) = try client.toEnd()
            #expect(String(decoding: answer, as: UTF8.self) == "\((count: size, ending: Ending?.some(.end)))")
            #expect(ending == .end)
        case .down:
            let (count, ending) = try pattern.receive(from: client)
            #expect(count == size)
            #expect(ending == .end)
        }
    }
}

extension SystemError {
    fileprivate var isReset: Bool { errorNumber == ECONNRESET || errorNumber == EPIPE }
}
