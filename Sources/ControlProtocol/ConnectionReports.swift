// What the balancer tells of single connections.
import Model

package struct ConnectionReport: Codable, Equatable, Sendable {
    package var id: String
    package var listener: String
    package var pool: String
    /// Absent: it has none yet.
    package var backend: String?
    /// The other end of the client's socket; behind a proxy that is the proxy. Absent: a Unix socket's, or it has just ended.
    package var peer: String?
    package var phase: ConnectionPhase
    /// Seconds since its accept, and since the last byte either way.
    package var age: Double
    package var idle: Double
    package var bytesToBackend: UInt64
    package var bytesToClient: UInt64
    package var bytesInLastMinute: UInt64
    /// Bytes that wait for their reader.
    package var unwritten: Int

    package init(
        id: ConnectionID, listener: String, pool: String, backend: String?, peer: String?, phase: ConnectionPhase, age: Duration,
        idle: Duration, bytesToBackend: UInt64, bytesToClient: UInt64, bytesInLastMinute: UInt64, unwritten: Int
    ) {
        self.id = id.description
        self.listener = listener
        self.pool = pool
        self.backend = backend
        self.peer = peer
        self.phase = phase
        self.age = Double(age.wholeMilliseconds) / 1000
        self.idle = Double(idle.wholeMilliseconds) / 1000
        self.bytesToBackend = bytesToBackend
        self.bytesToClient = bytesToClient
        self.bytesInLastMinute = bytesInLastMinute
        self.unwritten = unwritten
    }

    static let columns = ["ID", "BACKEND", "PEER", "AGE", "IDLE", "PHASE", "TO-BACKEND", "TO-CLIENT", "LAST-MINUTE", "UNWRITTEN"]

    var row: [String] {
        [id, backend.map { "\(pool)/\($0)" } ?? pool, peer ?? "-", Duration(reported: age).spoken, Duration(reported: idle).spoken, phase.rawValue,
            "\(bytesToBackend)", "\(bytesToClient)", "\(bytesInLastMinute)", "\(unwritten)"]
    }

    /// `1-4711 from 10.0.0.7:4444, 3 d 4 h old, idle 2 h 0 m`
    var named: String {
        "\(id)" + (peer.map { " from \($0)" } ?? "") + ", \(Duration(reported: age).spoken) old, idle \(Duration(reported: idle).spoken)"
    }
}

extension Duration {
    /// From seconds as reports carry them.
    init(reported seconds: Double) { self = .milliseconds(Int64(seconds * 1000)) }
}

/// The answer to `connections`.
package struct ConnectionsReport: Record, Equatable {
    /// How many there are, shown or not.
    package var total: Int
    package var connections: [ConnectionReport]

    package init(total: Int, connections: [ConnectionReport]) {
        self.total = total
        self.connections = connections
    }

    package var lines: [String] {
        [ConnectionsReport.head(connections.count, of: total)] + (connections.isEmpty ? [] : ConnectionsReport.table(connections, isFirst: true))
    }

    package static func head(_ shown: Int, of total: Int) -> String {
        shown == total ? counted(total, "connection") : "\(shown) of \(counted(total, "connection"))"
    }

    /// Of very many a part at a time, whose columns are its own.
    package static func table(_ connections: [ConnectionReport], isFirst: Bool) -> [String] {
        StatusTable.table((isFirst ? [ConnectionReport.columns] : []) + connections.map(\.row))
    }
}

/// The answer to `close`, a line an id.
package struct CloseRecord: Record, Equatable {
    package var id: String
    /// False: there is none with this id now.
    package var closed: Bool
    package var reset: Bool

    package init(id: ConnectionID, closed: Bool, reset: Bool) {
        self.id = id.description
        self.closed = closed
        self.reset = reset
    }

    package var lines: [String] { [text] }
    package var text: String { "\(id) " + (closed ? reset ? "reset" : "closed" : "is not open: it has ended, or never was") }
}
