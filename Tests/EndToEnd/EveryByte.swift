// Every byte of many connections at once, whatever they do: sizes, pauses, half-closes and resets at random moments.
import Model
import SystemCalls
import Testing

/// Compared byte by byte with what was sent: what a digest would tell, and where.
@Suite(.lab(.heavy)) struct EveryByte {
    let lab = Lab.current
    private static let connections = Scale.of(200, full: 2_000)
    private static let atOnce = 50
    private static let seed = SeededRandom.seedOfThisRun

    /// Both ends' parts of one connection: told apart by its number alone.
    private struct Course: Sendable {
        let number: Int
        let client: Script
        let server: Script

        init(_ number: Int, content: Int) {
            var random = SeededRandom(seed: EveryByte.seed &+ UInt64(number))
            self.number = number
            client = Script(&random, content: content, mayReset: true)
            server = Script(&random, content: content, mayReset: client.end == .finish)
        }
    }

    private struct Seen: Sendable {
        let number: Int
        let report: Script.Report
    }

    @Test("what arrives is what was sent, to the end or to the reset, and ends keep their kind", arguments: Scale.workers, ["auto", "on", "off"])
    func everyByte(workers: Int, splice: String) throws {
        _ = try Limits.raiseDescriptors()
        let content = try Content.random(4 << 20)
        let atServer = Outbox<Seen>()
        let server = try TestServer(lab) { peer in
            guard let number = Int(try peer.line()) else { throw HarnessError("no number") }
            let course = Course(number, content: content.count)
            var part = Performance(peer, course.server, against: course.client, content, SeededRandom(seed: UInt64(number)))
            atServer.put(Seen(number: number, report: try part.run()))
        }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)], ["splice: \(splice)"], workers: workers))
        let baseline = try Baseline(balancer)
        let endpoint = try balancer.endpoint()
        let numbers = (0..<EveryByte.connections)
        let atClient = try concurrently(EveryByte.atOnce, within: Scale.of(.seconds(120), full: .seconds(600))) { first in
            try stride(from: first, to: EveryByte.connections, by: EveryByte.atOnce).map { number in
                try EveryByte.clientsPart(Course(number, content: content.count), endpoint, content)
            }
        }.flatMap { $0 }
        let servers = try numbers.map { _ in try atServer.take() }
        for seen in atClient {
            guard let other = servers.first(where: { $0.number == seen.number }) else { throw HarnessError("no report of \(seen.number)") }
            judge(Course(seen.number, content: content.count), client: seen.report, server: other.report)
        }
        try baseline.isBack(balancer, "seed \(EveryByte.seed)")
        #expect(try balancer.status().listeners[0].connectionsTotal == UInt64(EveryByte.connections))
    }

    private static func clientsPart(_ course: Course, _ endpoint: Endpoint, _ content: [UInt8]) throws -> Seen {
        let peer = try Peer(connecting: endpoint)
        try peer.send("\(course.number)\n")
        try peer.flush()
        var part = Performance(peer, course.client, against: course.server, content, SeededRandom(seed: ~UInt64(course.number)))
        do { return Seen(number: course.number, report: try part.run()) } catch {
            throw HarnessError("SEED=\(seed), connection \(course.number): \(error)")
        }
    }

    private func judge(_ course: Course, client: Script.Report, server: Script.Report) {
        let note = "SEED=\(EveryByte.seed), \(course); client saw \(client), server saw \(server)"
        judge(what: course.server, reached: client, of: course.client, note)
        judge(what: course.client, reached: server, of: course.server, note)
    }

    /// One direction: what the receiver must have seen of what the sender did.
    private func judge(what sender: Script, reached report: Script.Report, of receiver: Script, _ note: String) {
        #expect(report.isContentRight, "wrong bytes; \(note)")
        guard receiver.end == .finish else { return }
        switch sender.end {
        case .finish:
            let isWhole = report.received == sender.count && report.ending == .end && !report.isToldOfReset
            #expect(isWhole, "not whole; \(note)")
        case .resetAfterAll:
            #expect(report.received == sender.count, "cut before the reset; \(note)")
            #expect(report.isToldOfReset, "the reset became a clean end; \(note)")
        case .resetAtOnce:
            #expect(report.isToldOfReset, "the reset became a clean end; \(note)")
        }
    }
}
