// The states of a backend: what the operator wishes, what the probe found, and what follows from both.

/// What the operator wants of a backend. Nothing but an operator (or a lease that he set) changes it.
package enum Wish: String, CaseIterable, Codable, Sendable {
    case ready, drain, maintenance
}

/// What the probes found. `unknown`: no probe has finished yet.
package enum ProbeFinding: String, CaseIterable, Codable, Sendable {
    case unknown, up, down
}

/// What wish and finding together mean for traffic; `Decisions/Availability` holds the table.
package enum Availability: String, CaseIterable, Codable, Sendable {
    /// Takes its share of new connections.
    case available
    /// Back lately: takes a growing share.
    case warming
    /// No probe has finished yet: takes traffic only while none of the pool is up.
    case unknown
    /// Takes no new connections; some still hold it.
    case draining
    /// No connection holds it and none can newly arrive.
    case drained
    case down
    case maintenance
}

/// Who holds a backend drained, and why.
package struct DrainLease: Equatable, Sendable {
    package let owner: String
    package let reason: String?
    package let since: Timestamp
    /// How long the drain lives without being renewed; nil: until somebody undoes it.
    package let lease: Duration?
    /// When something is done about the connections that are left, and what; nil: nothing is.
    package let deadline: Timestamp?
    package let atDeadline: DrainEnd?

    package init(
        owner: String, reason: String?, since: Timestamp, lease: Duration?, deadline: Timestamp? = nil, atDeadline: DrainEnd? = nil
    ) {
        self.deadline = deadline
        self.atDeadline = atDeadline
        self.owner = owner
        self.reason = reason
        self.since = since
        self.lease = lease
    }
}
