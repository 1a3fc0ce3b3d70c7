// The parts of lbd that a line of the log can be about, each with a level of its own where somebody gives it one.

package enum Subsystem: String, CaseIterable, Codable, Sendable {
    /// Listening sockets, whom they admit, their limits.
    case listeners
    /// Pools and their backends: there, full, without any, connects that fail.
    case pools
    /// What probes find.
    case health
    /// Operators' wishes, leases, deadlines, shares.
    case drains
    case configuration
    /// The control socket and what is asked there.
    case control
    /// lbd as a whole: start, stop, signals, resources.
    case process
    /// A line for each connection that has ended.
    case access

    /// What lines of it are about.
    package var doc: String {
        switch self {
        case .listeners: "listeners, whom they admit, and their limits"
        case .pools: "pools and backends: added, moved, full, out of reach"
        case .health: "what probes find"
        case .drains: "wishes, leases, deadlines of drains, shares"
        case .configuration: "changes of the configuration"
        case .control: "the control socket, and connections closed there"
        case .process: "lbd as a whole: start, stop, signals, resources"
        case .access: "connections that have ended; warning: none"
        }
    }
}

extension Event.Change {
    package var subsystem: Subsystem {
        switch self {
        case .started, .stopping, .stopped, .processFull, .processHasRoom, .acceptPaused, .acceptResumed: .process
        case .listenerOpened, .listenerClosed, .listenerMoved, .listenerRedirected, .listenerRemoved, .listenerFull, .listenerHasRoom,
            .headerRefused, .sourceRefused, .rateReached:
            .listeners
        case .poolAdded, .poolRemoving, .poolTakenBack, .poolRemoved, .backendAdded, .backendRemoving, .backendTakenBack, .backendRemoved,
            .backendMoved, .backendLeft, .poolRefuses, .poolHolds, .poolDiverts, .poolServes, .holdLost, .poolFull, .poolUnreachable,
            .connectsFailing:
            .pools
        case .probe, .availability, .suspected, .connectionsReset: .health
        case .wish, .wishKept, .leased, .shared, .unshared, .drainDeadline, .drainClosing, .rollout: .drains
        case .configurationChanged: .configuration
        case .connectionsClosed: .control
        }
    }
}
