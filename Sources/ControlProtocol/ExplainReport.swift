// Why a backend is in or out of rotation, who holds it, and when it will be empty.
import Model

package struct ExplainReport: Record, Equatable {
    /// Holders of about the same age, or idle for about as long.
    package struct Group: Codable, Equatable, Sendable {
        package var name: String
        package var connections: Int

        package init(name: String, connections: Int) {
            self.name = name
            self.connections = connections
        }
    }

    package struct Holders: Codable, Equatable, Sendable {
        /// In every phase: half-closed ones and those whose last bytes are still on their way too.
        package var connections: Int
        package var halfClosed: Int
        /// Ended or reset, and somebody has still to learn of it.
        package var ending: Int
        package var connecting: Int
        package var bytesInLastMinute: UInt64
        package var byAge: [Group]
        package var byIdle: [Group]
        /// Those with most, by address.
        package var byPeer: [Group]
        package var oldest: [ConnectionReport]
        package var idlest: [ConnectionReport]

        package init(
            connections: Int, halfClosed: Int, ending: Int, connecting: Int, bytesInLastMinute: UInt64, byAge: [Group], byIdle: [Group],
            byPeer: [Group], oldest: [ConnectionReport], idlest: [ConnectionReport]
        ) {
            self.connections = connections
            self.halfClosed = halfClosed
            self.ending = ending
            self.connecting = connecting
            self.bytesInLastMinute = bytesInLastMinute
            self.byAge = byAge
            self.byIdle = byIdle
            self.byPeer = byPeer
            self.oldest = oldest
            self.idlest = idlest
        }
    }

    package var backend: String
    package var address: String
    package var wish: Wish
    package var probe: ProbeFinding
    package var availability: Availability
    /// Why, one reason a line; at last what would bring it back where it is out.
    package var reasons: [String]
    package var drain: DrainReport?
    package var holders: Holders
    /// Where it is not drained: as if it were now.
    package var timeToEmpty: TimeToEmptyReport
    /// Seconds until the drain's deadline, below 0 after it; absent: it has none.
    package var deadlineIn: Double?

    package init(
        backend: String, address: String, wish: Wish, probe: ProbeFinding, availability: Availability, reasons: [String],
        drain: DrainReport?, holders: Holders, timeToEmpty: TimeToEmptyReport
    ) {
        self.backend = backend
        self.address = address
        self.wish = wish
        self.probe = probe
        self.availability = availability
        self.reasons = reasons
        self.drain = drain
        self.holders = holders
        self.timeToEmpty = timeToEmpty
    }
}

package struct TimeToEmptyReport: Codable, Equatable, Sendable {
    /// Fewer ended connections than this show no such end as that of one in twenty: there is nothing to say by them.
    private static let endedMin: UInt64 = 20

    /// Seconds; absent: never at this rate, or too few have ended to say.
    package var p50: Double?
    package var p90: Double?
    package var never: Bool
    /// How many are likely to be open still at the drain's deadline; absent: it has none, or there is nothing to judge by.
    package var leftAtDeadline: Int?
    /// Connections of the pool that have ended so far: what this is judged by.
    package var ended: UInt64
    /// Holders older than any that has ended, the oldest first.
    package var toBlame: [ConnectionReport]

    package init(p50: Duration?, p90: Duration?, leftAtDeadline: Int? = nil, ended: UInt64, toBlame: [ConnectionReport]) {
        self.leftAtDeadline = leftAtDeadline
        self.p50 = p50?.inSeconds
        self.p90 = p90?.inSeconds
        never = p90 == nil && ended >= TimeToEmptyReport.endedMin
        self.ended = ended
        self.toBlame = toBlame
    }

    private var unknown: String { never ? "never at this rate" : "not enough ended connections yet to say when (\(ended))" }

    /// `empty in 30 s to 2 m 10 s`, or `never at this rate`: for a line that is rewritten.
    package var short: String {
        guard let p50, let p90 else { return unknown }
        return "empty in \(Duration(reported: p50).spoken) to \(Duration(reported: p90).spoken)"
    }

    /// At most three of them by name; empty: nobody is.
    var blamed: String { toBlame.prefix(3).map(\.named).joined(separator: "; ") + (toBlame.count > 3 ? "; and \(toBlame.count - 3) more" : "") }

    /// `empty in 30 s (P50) to 2 m 10 s (P90)`, or `never at this rate: 1-4711 from …`
    package var text: String {
        guard let p50, let p90 else { return unknown + (blamed.isEmpty ? "" : ": \(blamed)") }
        guard p90 > 0 else { return "empty now" }
        return "empty in \(Duration(reported: p50).spoken) (P50) to \(Duration(reported: p90).spoken) (P90)"
            + (blamed.isEmpty ? "" : "; older than any that has ended: \(blamed)")
    }
}
