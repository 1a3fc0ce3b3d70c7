// How people and programs name one connection, and where it stands.

/// Why a text names no connection, in words that say what would be right.
package struct ConnectionIDError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

/// `WORKER-SERIAL`, such as `1-4711`. Never used again as long as the process lives.
package struct ConnectionID: Hashable, Sendable, CustomStringConvertible {
    package let worker: Int
    package let serial: UInt64

    package init(worker: Int, serial: UInt64) {
        self.worker = worker
        self.serial = serial
    }

    package init(_ text: String) throws(ConnectionIDError) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        // Digits only: Int would take a sign too.
        guard parts.count == 2, parts.allSatisfy({ (1...20).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let worker = Int(parts[0]), let serial = UInt64(parts[1])
        else {
            throw ConnectionIDError(description: "'\(text.escapedForOneLine)' is no connection: write an id such as 1-4711, as 'connections' shows it")
        }
        self.init(worker: worker, serial: serial)
    }

    package var description: String { "\(worker)-\(serial)" }
}

/// Where a connection stands, as told to people.
package enum ConnectionPhase: String, CaseIterable, Codable, Sendable {
    /// Its PROXY header has not come yet.
    case header
    /// Waits for a backend with room.
    case queued
    case connecting
    case relaying
    /// The client has ended its direction; the other goes on.
    case halfClosedByClient = "half-closed-by-client"
    case halfClosedByBackend = "half-closed-by-backend"
    /// Both have ended; the last bytes are on their way.
    case flushing
    /// One has reset it; the other learns so after the last byte.
    case resetting

    package var isHalfClosed: Bool {
        switch self {
        case .halfClosedByClient, .halfClosedByBackend: true
        case .header, .queued, .connecting, .relaying, .flushing, .resetting: false
        }
    }
}

/// What becomes of the connections that still hold a draining backend at its deadline.
package enum DrainEnd: String, CaseIterable, Codable, Sendable {
    /// They go on.
    case keep
    /// They are closed: idle ones first, at quiet moments, and no faster than the others can take them back.
    case close
    /// All are reset at once.
    case reset
}

/// What becomes of a drain whose lease nobody has renewed.
package enum LeaseEnd: String, CaseIterable, Sendable {
    /// It ends: the backend is back in rotation.
    case undrain
    /// It stays, as one without a lease, until somebody ends it.
    case keep
}
