// Redis behind lbd: every command of redis-benchmark carried out once, and every value as it was sent.
import Model
import Testing

@Suite(.lab(.heavy)) struct RedisClients {
    let lab = Lab.current

    private func cli(_ arguments: [String], at endpoint: Endpoint, input: String = "/dev/null") throws -> ProgramEnd {
        try lab.run(
            ["redis-cli", "-h", "127.0.0.1", "-p", endpoint.portText()] + arguments, within: .seconds(60),
            prelude: "exec <\"\(input)\""
        ).succeeded()
    }

    private func benchmark(_ arguments: [String], at endpoint: Endpoint) throws {
        let address = ["-h", "127.0.0.1", "-p", try endpoint.portText(), "--csv"]
        let end = try lab.run(["redis-benchmark"] + address + arguments, within: .seconds(120)).succeeded()
        #expect(!end.text.lowercased().contains("error"), "\(end)")
    }

    /// Guards against requests lost or sent twice, one by one and in pipelines, by many clients at once.
    @Test("redis-benchmark: no error, and the server counted each command once")
    func commands() throws {
        let server = try Redis(lab, "redis")
        let requests = Scale.of(10_000, full: 100_000)
        let direct = try Judge.compare(lab, server.endpoint) { endpoint, _ in
            _ = try cli(["flushall"], at: endpoint)
            try benchmark(["-c", "50", "-n", "\(requests)", "-t", "incr,lpush,get"], at: endpoint)
            try benchmark(["-c", "50", "-n", "\(requests)", "-P", "16", "-d", "256", "-t", "incr,lpush,set"], at: endpoint)
            // A connection for each request.
            try benchmark(["-c", "20", "-n", "\(requests / 10)", "-k", "0", "-t", "incr"], at: endpoint)
            return try [["get", "counter:__rand_int__"], ["llen", "mylist"], ["dbsize"]].map { try cli($0, at: endpoint).output }
        }
        #expect(direct == ["\(requests * 2 + requests / 10)\n", "\(requests * 2)\n", "3\n"])
    }

    /// Guards against bytes changed, lost or out of order in long one-way streams.
    @Test("redis-cli --pipe: the same data set, and read back the same")
    func values() throws {
        let server = try Redis(lab, "redis")
        let count = 2000
        let (sets, gets) = try RedisClients.commands(count)
        let setsFile = try lab.write("sets", sets), getsFile = try lab.write("gets", gets)
        let direct = try Judge.compare(lab, server.endpoint) { endpoint, name in
            _ = try cli(["flushall"], at: endpoint)
            let loaded = try cli(["--pipe"], at: endpoint, input: setsFile).line("errors:")
            let digest = try cli(["debug", "digest"], at: endpoint).output
            let values = try cli([], at: endpoint, input: getsFile).output
            return [loaded, digest, try Content.sha256(Array(values.utf8), lab, "\(name).values")]
        }
        #expect(direct[0] == "errors: 0, replies: \(count)")
    }

    /// Keys with values of up to 16 KiB of hexadecimal digits, as Redis reads them; and the questions for all.
    private static func commands(_ count: Int) throws -> (sets: String, gets: String) {
        let digits = try Content.random(8192 * 16).map { byte in
            let text = String(byte, radix: 16)
            return byte < 16 ? "0" + text : text
        }.joined().utf8.map { $0 }
        var sets: [UInt8] = []
        for index in 0..<count {
            let start = Int.random(in: 0..<digits.count / 2)
            let value = digits[start..<start + Int.random(in: 1...16_384)]
            let key = "key-\(index)"
            sets += "*3\r\n$3\r\nSET\r\n$\(key.utf8.count)\r\n\(key)\r\n$\(value.count)\r\n".utf8
            sets += value + [0x0D, 0x0A]
        }
        let gets = (0..<count).map { "GET key-\($0)\n" }.joined()
        return (String(decoding: sets, as: UTF8.self), gets)
    }
}
