// How a connection ended: by whom, and why, in the words that log, metrics and status page share.

/// Whose doing it was.
package enum Culprit: String, CaseIterable, Codable, Sendable {
    case client, backend
    /// lbd itself: by one of its limits, an operator's order, or because it ran out of something.
    case lbd
}

/// Why. The raw value is the one word for it, everywhere.
package enum EndReason: String, CaseIterable, Codable, Sendable {
    /// Both directions ended by themselves; who ended first ended it.
    case finished
    case reset
    /// No byte either way for the pool's idle timeout.
    case idleTimeout = "idle-timeout"
    /// One direction had ended, and the other was silent for the half-closed timeout.
    case halfClosedTimeout = "half-closed-timeout"
    /// A reader took none of what waited for it, for the stalled timeout.
    case stalledTimeout = "stalled-timeout"
    /// It had gone on for as long as the pool lets any.
    case lifetime
    /// No backend was available.
    case noBackend = "no-backend"
    /// None could be connected.
    case connectFailed = "connect-failed"
    /// Every available backend was at its limit, and so was the queue, where there is one.
    case poolFull = "pool-full"
    case queueTimeout = "queue-timeout"
    /// No backend was available, and the pool held as many as it may.
    case holdFull = "hold-full"
    case holdTimeout = "hold-timeout"
    /// The client ended before a backend was found for it.
    case leftEarly = "left-early"
    /// The listener's rules do not admit the client.
    case denied
    /// The client's source had as much as the listener gives one.
    case sourceLimit = "source-limit"
    /// No PROXY header came where one has to, or a bad one.
    case badHeader = "bad-header"
    /// lbd ended, at its stop-deadline or at once.
    case stopping
    /// An operator closed it, or a drain's deadline did.
    case ordered
    /// Its backend was removed or found down, or its listener removed, and its end not waited for.
    case removed
    /// Descriptors, memory or ports had run out.
    case outOfResources = "out-of-resources"
}

package struct Ending: Hashable, Sendable {
    package let by: Culprit
    package let reason: EndReason

    package init(by: Culprit, _ reason: EndReason) {
        self.by = by
        self.reason = reason
    }
}

/// Why a connect to a backend failed. The raw value is the one word for it, everywhere.
package enum ConnectFailureReason: String, CaseIterable, Codable, Sendable {
    case refused
    case timeout
    case unreachable
    case reset
    /// This machine ran out of descriptors, ports or memory: it says nothing about the backend.
    case outOfResources = "out-of-resources"
    case other
}
