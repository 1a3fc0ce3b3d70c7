// Which backend a client has reached, where the backends say their names (`TestServer.named`).
import Model

extension Balancer {
    /// Opens connections until one reaches that backend; the others are closed.
    func connection(to name: String, tries: Int = 100) throws -> Peer {
        let endpoint = try endpoint()
        for _ in 0..<tries {
            let peer = try Peer(connecting: endpoint)
            if try peer.line() == name { return peer }
        }
        throw HarnessError("\(tries) connections, and none reached \(name)")
    }

    /// Opens and closes that many connections, one after the other: how many reached whom.
    func census(_ connections: Int) throws -> [String: Int] {
        let endpoint = try endpoint()
        var counts: [String: Int] = [:]
        for _ in 0..<connections { counts[try Peer(connecting: endpoint).line(), default: 0] += 1 }
        return counts
    }
}
