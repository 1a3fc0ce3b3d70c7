// A client with long connections, who notices when one is cut.
import Model

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
