// Whether one more connection may be accepted: the process's tickets, two descriptors each.
import Statistics

/// How many connections the process carries: what its descriptor limit leaves after its own needs.
package struct ConnectionBudget: Equatable, Sendable {
    /// A connection needs two descriptors, one for each party.
    package let connectionsMax: Int
    /// Pipes for bulk directions, two descriptors each.
    package let pipesMax: Int

    /// `limit`: soft descriptor limit; `open`: descriptors in use before the first connection. The reserve serves
    /// control connections, files and a probe for each of `backends`; it is never lent to the data path.
    package init(limit: Int, open: Int, backends: Int) {
        let reserve = min(64 + backends, limit / 4)
        pipesMax = min(256, limit / 32)
        connectionsMax = max(1, (limit - open - reserve - 2 * pipesMax) / 2)
    }
}

/// Why accepting pauses.
package enum PauseReason: Sendable {
    /// All of the process's connections, or of this worker's share, are in use.
    case connectionsMax(Int)
    /// The kernel refused: EMFILE, ENFILE, ENOBUFS or ENOMEM; ENOSPC where epoll has no watches left.
    case kernel(errorNumber: Int32)
}

/// Whether a worker accepts. Times in monotonic nanoseconds.
enum AcceptPause {
    case none
    case paused(at: Int64)
    /// Accepting again, but not yet for long enough to say that it is over.
    case resumed(pausedAt: Int64)

    var isPaused: Bool {
        switch self {
        case .paused: true
        case .none, .resumed: false
        }
    }
}

extension WorkerHandle {
    /// Takes the process's ticket for a connection that is about to be accepted. No worker takes more than its
    /// share: one that is always first to see a descriptor come free would leave the others' clients waiting.
    func admit() -> Bool {
        let share = (state.connectionsMax + state.peers.count - 1) / state.peers.count
        guard state.connections < share, state.segment.process.take(below: state.connectionsMax) else { return false }
        state.connections += 1
        return true
    }

    /// Gives the ticket back: of a connection that has ended, or of an accept that found nobody.
    func dismiss() {
        state.connections -= 1
        if state.segment.process.give() { report(.allConnectionsGone) }
    }

    /// A connection and its ticket go to another worker, which `welcome`s it.
    func passOn() { state.connections -= 1 }
    func welcome() { state.connections += 1 }
}
