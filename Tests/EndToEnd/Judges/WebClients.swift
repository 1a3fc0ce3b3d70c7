// The web behind lbd: wrk, h2load and curl see what they see at nginx itself.
import Model
import SystemCalls
import Testing

@Suite(.lab(.heavy)) struct WebClients {
    let lab = Lab.current

    /// Guards against answers lost, cut or given to somebody else, at full load.
    @Test("wrk: no error, no wrong status, no wrong body")
    func load() throws {
        let server = try WebServer(lab)
        let body = String(decoding: try Content.bytes(server.file("small")), as: UTF8.self)
        let script = try lab.write("check.lua", WebClients.script(body))
        let seconds = Scale.of(1, full: 10)
        let direct = try Judge.compare(lab, server.http1) { endpoint, _ in
            let url = "http://\(endpoint)/small"
            let kept = try lab.run(["wrk", "-t2", "-c32", "--timeout", "30s", "-d\(seconds)s", "-s", script, url], within: .seconds(90)).succeeded()
            let closed = try lab.run(
                ["wrk", "-t1", "-c16", "--timeout", "30s", "-d\(seconds)s", "-s", script, "-H", "Connection: close", url], within: .seconds(90)
            ).succeeded()
            return try [kept.line("checked:"), closed.line("checked:")]
        }
        #expect(direct == [String](repeating: "checked: some, errors 0, wrong statuses 0, wrong bodies 0", count: 2))
    }

    @Test("h2load, HTTP/2 and HTTP/1.1: every request succeeds, with the same bytes")
    func requests() throws {
        let server = try WebServer(lab)
        let count = Scale.of(2000, full: 100_000)
        for (endpoint, flags) in [(server.http2, ["-m", "10"]), (server.http1, ["--h1"])] {
            let direct = try Judge.compare(lab, endpoint) { endpoint, _ in
                let flags = flags + ["-n", "\(count)", "-c", "20", "-t", "1"]
                let end = try lab.run(["h2load"] + flags + ["http://\(endpoint)/small"], within: .seconds(120)).succeeded()
                // "traffic: 2MB (2345) total, 1KB (234) headers (…), 2MB (2111) data": the headers hold the time.
                let bytes = try end.line("traffic:").split(separator: "(").last?.prefix { $0 != ")" } ?? ""
                return try [end.line("requests:"), end.line("status codes:"), String(bytes)]
            }
            #expect(direct == [
                "requests: \(count) total, \(count) started, \(count) done, \(count) succeeded, 0 failed, 0 errored, 0 timeout",
                "status codes: \(count) 2xx, 0 3xx, 0 4xx, 0 5xx", "\(count * WebServer.smallBytes)",
            ])
        }
    }

    /// Guards against a byte changed, lost or out of order where bulk takes the way through pipes.
    @Test("curl: 10 MiB down and up, the same SHA-256")
    func bodies() throws {
        let server = try WebServer(lab)
        let expected = try Content.sha256(file: server.file("large"), lab)
        for (origin, flags) in [(server.http1, []), (server.http2, ["--http2-prior-knowledge"])] {
            try Judge.compare(lab, origin) { endpoint, name in
                let file = lab.path("\(name).down"), put = "put/\(name)-\(flags.count)"
                let curl = ["curl", "-sS", "--fail", "--max-time", "60"] + flags
                try lab.run(curl + ["-o", file, "http://\(endpoint)/large"], within: .seconds(60)).succeeded()
                try lab.run(curl + ["-T", server.file("large"), "http://\(endpoint)/\(put)"], within: .seconds(60)).succeeded()
                #expect(try Content.sha256(file: file, lab) == expected, "down, \(name)")
                #expect(try Content.sha256(file: server.file(put), lab) == expected, "up, \(name)")
                return expected
            }
        }
    }

    /// Counts in each of wrk's threads, and sums up at the end.
    private static func script(_ body: String) -> String {
        """
        local threads = {}
        function setup(thread) table.insert(threads, thread) end
        function init(args) statuses, bodies = 0, 0 end
        function response(status, headers, body)
            if status ~= 200 then statuses = statuses + 1 end
            if body ~= "\(body)" then bodies = bodies + 1 end
        end
        function done(summary, latency, requests)
            local e, s, b = summary.errors, 0, 0
            for _, thread in ipairs(threads) do s, b = s + thread:get("statuses"), b + thread:get("bodies") end
            print(string.format("checked: %s, errors %d, wrong statuses %d, wrong bodies %d",
                summary.requests > 0 and "some" or "none", e.connect + e.read + e.write + e.timeout + e.status, s, b))
        end

        """
    }
}

extension Content {
    static func bytes(_ file: String) throws -> [UInt8] { try Files.read(file, bytesMax: 64 << 20) }
}
