// Clients that make load: wrk, and a slow one with long connections; each counts what failed.
import Glibc
import Model
import Synchronization
import Testing

/// wrk on keep-alive-free connections, until it is stopped.
struct Wrk {
    struct Report {
        let requests: Int
        /// Sum of connect, read, write and timeout errors.
        let socketErrors: Int
        let badStatuses: Int
        let text: String
    }

    private let program: RunningProgram

    init(_ lab: Lab, _ endpoint: Endpoint, connections: Int) throws {
        // Every request on a connection of its own: a kept-alive one would hold a draining backend for ever.
        program = try lab.start([
            "wrk", "-t1", "-c\(connections)", "-d300s", "-H", "Connection: close", "http://\(endpoint)/",
        ])
    }

    /// Ends it; wrk prints its report at SIGINT.
    func stop() throws -> Report {
        guard try program.isRunning() else { throw HarnessError("wrk ended by itself: \(try program.end())") }
        try program.signal(SIGINT)
        let text = try program.end().output
        let requests = text.split(separator: "\n").first { $0.contains(" requests in ") }?.split(separator: " ").first
        guard let requests = requests.flatMap({ Int($0) }) else { throw HarnessError("no report of wrk:\n\(text)") }
        return Report(
            requests: requests, socketErrors: Wrk.sum("Socket errors:", text), badStatuses: Wrk.sum("Non-2xx", text),
            text: text)
    }

    /// The numbers of a line that wrk prints only where something went wrong.
    private static func sum(_ start: String, _ text: String) -> Int {
        guard let line = text.split(separator: "\n").first(where: { $0.contains(start) }) else { return 0 }
        return line.split(whereSeparator: { !$0.isNumber && !$0.isLetter && $0 != "-" }).compactMap { Int($0) }.reduce(0, +)
    }
}

/// Downloads `/slow` again and again, two seconds each; stops when told, after the download in hand.
struct SlowClient {
    private let stopping = StopFlag()
    private let work: Background<Int>

    init(_ endpoint: Endpoint) {
        let stopping = stopping
        work = Background {
            var finished = 0
            while !stopping.isRaised {
                try SlowClient.download(endpoint)
                finished += 1
            }
            return finished
        }
    }

    /// Complete downloads; throws when one was cut or wrong.
    func stop() throws -> Int {
        stopping.raise()
        return try work.result()
    }

    private static func download(_ endpoint: Endpoint) throws {
        let peer = try Peer(connecting: endpoint)
        try peer.send("GET /slow HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        let (bytes, ending) = try peer.toEnd()
        let body = bytes.suffix(where: { $0 == 0x2E })
        guard ending == .end, String(decoding: bytes.prefix(15), as: UTF8.self) == "HTTP/1.1 200 OK", body == 200 * 1024 else {
            throw HarnessError("a long answer was cut: \(bytes.count) bytes, \(body) of the body, then \(ending)")
        }
    }
}

extension [UInt8] {
    /// Length of the longest suffix of such bytes.
    fileprivate func suffix(where isWanted: (UInt8) -> Bool) -> Int {
        count - ((lastIndex { !isWanted($0) }).map { $0 + 1 } ?? 0)
    }
}
