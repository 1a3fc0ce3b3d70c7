// wrk: requests as fast as they go, and the count of what failed.
import Glibc
import Model
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
