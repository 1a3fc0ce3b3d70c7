// The commands about single connections: which are shown, which are closed, whose holders are explained.
import Model

package enum ConnectionOrder: String, CaseIterable, Sendable { case age, idle, bytes }

/// Whose connections.
package enum ConnectionScope: Equatable, Sendable {
    case everything
    case pool(PoolName)
    case backend(BackendReference)
}

/// Which connections `connections` shows: those with most of `sort` first.
package struct ConnectionsOrder: Equatable, Sendable {
    package static let limitDefault = 100
    package static let limits = 1...100_000

    package let scope: ConnectionScope
    package let sort: ConnectionOrder
    package let limit: Int

    package init(scope: ConnectionScope = .everything, sort: ConnectionOrder = .age, limit: Int = limitDefault) {
        self.scope = scope
        self.sort = sort
        self.limit = limit
    }

    var words: [String] {
        let name: [String] = switch scope {
        case .everything: []
        case .pool(let pool): [pool.text]
        case .backend(let backend): [backend.description]
        }
        return ["connections"] + name + ["sort=\(sort.rawValue)", "limit=\(limit)"]
    }
}

extension Verb {
    static let connectionVerbs = [
        Verb(
            name: "connections", arguments: "[POOL[/BACKEND]] [sort=age|idle|bytes] [limit=N]",
            doc: "each connection, those with most first; limit=100 where it is left out", keys: ["sort", "limit"]),
        Verb(
            name: "close", arguments: "ID... [reset=yes]", doc: "closes chosen connections, with ids as 'connections' shows them",
            keys: ["reset"]),
        Verb(
            name: "explain", arguments: "POOL/BACKEND",
            doc: "why it is in or out, who holds it, and when it will be empty", keys: []),
    ]
}

extension Arguments {
    mutating func connectionsOrder() throws(LineError) -> ConnectionsOrder {
        ConnectionsOrder(
            scope: try connectionScope(), sort: try word("sort") ?? .age,
            limit: try count("limit", in: ConnectionsOrder.limits) ?? ConnectionsOrder.limitDefault)
    }

    private mutating func connectionScope() throws(LineError) -> ConnectionScope {
        guard let word = word() else { return .everything }
        do {
            return word.utf8.contains(UInt8(ascii: "/")) ? .backend(try BackendReference(word)) : .pool(try PoolName(word))
        } catch {
            throw LineError(description: "'\(word.escapedForOneLine)' is neither POOL nor POOL/BACKEND: \(error)")
        }
    }

    mutating func connectionIDs() throws(LineError) -> [ConnectionID] {
        var ids: [ConnectionID] = []
        // A line holds thousands of ids: looked up, not searched for.
        var named: Set<ConnectionID> = []
        while let word = word() {
            let id: ConnectionID
            do { id = try ConnectionID(word) } catch { throw LineError(description: error.description) }
            if named.insert(id).inserted { ids.append(id) }
        }
        guard !ids.isEmpty else { throw LineError(description: "'\(verb.name)' needs an id: \(verb.usage)") }
        return ids
    }

    mutating func oneBackend() throws(LineError) -> BackendReference {
        guard let word = word() else { throw LineError(description: "'\(verb.name)' needs a backend: \(verb.usage)") }
        do { return try BackendReference(word) } catch { throw LineError(description: error.description) }
    }
}
