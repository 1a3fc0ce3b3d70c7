// A client of HTTP that sends requests of every kind, good ones among them, and leaves in every way.
import Model

struct HTTPFuzz {
    private var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    /// One connection, however it ends.
    mutating func converse(at endpoint: Endpoint) {
        // lbd hangs up on some: its right.
        do {
            let peer = try Peer(connecting: endpoint, patience: .seconds(20))
            defer { peer.close() }
            var bytes: [UInt8] = []
            for _ in 0..<(chance(20) ? Int.random(in: 2...20, using: &random) : 1) { bytes += request() }
            if chance(15) { bytes.removeLast(Int.random(in: 0...bytes.count, using: &random)) }
            if chance(30), bytes.count > 2 {
                let cut = Int.random(in: 1..<bytes.count, using: &random)
                try peer.send(Array(bytes[..<cut]))
                try peer.send(Array(bytes[cut...]))
            } else {
                try peer.send(bytes)
            }
            switch Int.random(in: 0..<10, using: &random) {
            case 0: peer.reset()
            case 1: return
            case 2:
                peer.halfClose()
                _ = try peer.toEnd()
            case 3: if !peer.isQuiet(for: .milliseconds(30)) { _ = try peer.receive(max: 10) }
            default: if !peer.isQuiet(for: .milliseconds(30)) { _ = try peer.receive() }
            }
        } catch {}
    }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    private mutating func request() -> [UInt8] {
        if chance(10) { return (0..<Int.random(in: 1...3000, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) } }
        let method = chance(80) ? "GET" : ["HEAD", "POST", "OPTIONS", "CONNECT", "", "get", "GET\0", "PATCH", "TRACE"].randomElement(using: &random)!
        let path = ["/", "/healthz", "/readyz", "/metrics", "/?pool=web", "/%00", "//", "*", "http://a/", "?", "/\u{202E}", "/style.css", "/script.js", "a:1"]
            .randomElement(using: &random)!
        let version = chance(85) ? "HTTP/1.1" : ["HTTP/1.0", "HTTP/2.0", "HTTP/9.99", "", "ICY"].randomElement(using: &random)!
        var lines = ["\(method) \(path) \(version)"]
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            lines.append([
                "Host: 127.0.0.1", "Host: evil", "Host:", "Content-Length: 5", "Content-Length: -1", "Content-Length: 99999999999999999999",
                "Transfer-Encoding: chunked", "Expect: 100-continue", "Connection: keep-alive", "Accept: application/json", " folded", ":", "X",
                "X: " + String(repeating: "x", count: Int.random(in: 0...9000, using: &random)), "Upgrade: h2c", "Accept: \u{0}",
            ].randomElement(using: &random)!)
        }
        return Array((lines.joined(separator: chance(95) ? "\r\n" : "\n") + "\r\n\r\n").utf8)
    }
}
