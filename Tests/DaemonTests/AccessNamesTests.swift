// Access lines name who had a number then. Fault: a connection's line with the name of a backend that got the number of
// the one which it used, or with none.
import EventLoop
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

struct AccessNamesTests {
    /// The first client's line is written, and then for 20 ms none: in this time the second one ends, its backend goes, and
    /// another takes the name's place.
    @Test func aLineNamesWhoHadTheNumberThen() async throws {
        let server = try named("1")
        defer { server.stop() }
        let folder = try TemporaryFolder()
        let path = folder.file("log")
        let rounds = 30
        try await DaemonUnderTest.with({
            try configuration(in: $0, ["a": [server.endpoint]]) {
                $0.log = LogConfiguration(level: .error, format: .json, file: path, access: true)
                $0.pools[0].backends[0].name = try BackendName("b0")
            }
        }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint() }
            for round in 1...rounds {
                let (first, second) = (try connect(endpoint).socket, try connect(endpoint).socket)
                first.close()
                try waitForLines(2 * round - 1, path)
                second.close()
                try await onLoop {
                    try await lbd.waitUntil("nobody is there") { lbd.daemon.plane.statistics.process.held == 0 }
                    try lbd.apply(now: true) { $0.pools[0].backends = [try backend("b\(round)", server.endpoint)] }
                    try await lbd.settle()
                }
            }
            try waitForLines(2 * rounds, path)
        }
        let text = try Files.read(path, bytesMax: 1 << 20)
        let names = text.split(separator: 0x0A).compactMap { line in
            String(decoding: line, as: UTF8.self).firstMatch(of: #/"backend":"a/(b\d+)"/#).map { String($0.1) }
        }
        #expect(names == (0..<rounds).flatMap { ["b\($0)", "b\($0)"] })
    }

    private func waitForLines(_ count: Int, _ path: String) throws {
        let end = ContinuousClock.now + Patience.limit
        while try Files.read(path, bytesMax: 1 << 20).count(where: { $0 == 0x0A }) < count {
            guard ContinuousClock.now < end else { throw SystemError("wait for lines", ETIMEDOUT, on: path) }
            poll(nil, 0, 1)
        }
    }
}
