// iperf3 behind lbd: a fixed number of bytes, up, down and over several streams.
import Foundation
import Model
import SystemCalls
import Testing

@Suite(.lab(.heavy)) struct Iperf {
    let lab = Lab.current

    private struct Report: Decodable {
        struct End: Decodable {
            var sum_sent: Sum?
            var sum_received: Sum?
        }
        struct Sum: Decodable { var bytes: Int }
        var end: End
        var error: String?
    }

    private struct Outcome: Equatable {
        var error: String?
        var isAllSent: Bool
        var isAllReceived: Bool
    }

    /// iperf3 ends a test by a word on its control connection, without waiting for what is under way: the receiver
    /// may miss what fits into the buffers between the two, at the server itself too. For each stream through lbd:
    /// twice the kernel's largest to receive and to send, and a pipe.
    private static func underWay() throws -> Int {
        let largest = try ["tcp_rmem", "tcp_wmem"].map { name in
            // Least, preset and largest.
            let text = String(decoding: try Files.read("/proc/sys/net/ipv4/\(name)", bytesMax: 4096), as: UTF8.self)
            guard let bytes = text.split(whereSeparator: \.isWhitespace).last.flatMap({ Int($0) }) else { throw HarnessError("\(name) is '\(text)'") }
            return bytes
        }
        return 2 * largest.reduce(0, +) + (4 << 20)
    }

    /// Guards against bulk that stalls, and against a control connection that waits behind it.
    @Test("a number of bytes up, down, and in four streams", arguments: [["-P", "1"], ["-R"], ["-P", "4"]])
    func bytes(flags: [String]) throws {
        let isReverse = flags.contains("-R")
        let streams = flags.contains("4") ? 4 : 1
        let underWay = try streams * Iperf.underWay()
        // So much that half of it has to arrive.
        let count = max(Scale.of(256 << 20, full: 2 << 30), isReverse ? 0 : 2 * underWay)
        // Several streams may each send a block beyond the limit, so no count is exact.
        let (server, _) = try ForegroundServer.start(lab, "iperf3") { ["iperf3", "-s", "-p", "\($0)"] }
        let direct = try Judge.compare(lab, server) { endpoint, _ in
            let client = ["iperf3", "-J", "-c", "127.0.0.1", "-p", try endpoint.portText(), "-n", "\(count)"]
            let end = try lab.run(client + flags, within: .seconds(Scale.of(60, full: 300)))
            let report = try JSONDecoder().decode(Report.self, from: Data(end.output.utf8))
            let sent = report.end.sum_sent?.bytes ?? 0, received = report.end.sum_received?.bytes ?? 0
            return Outcome(
                error: report.error, isAllSent: sent >= count,
                isAllReceived: received >= (isReverse ? count : count - underWay) && received <= sent)
        }
        #expect(direct == Outcome(error: nil, isAllSent: true, isAllReceived: true))
    }
}
