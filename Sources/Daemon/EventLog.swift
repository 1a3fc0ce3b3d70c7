// Everything that changed, in order: kept for a while, told to followers, written to the log.
import EventLoop
import Logging
import Model
import SystemCalls

@ControlPlane final class EventLog {
    /// How many of the last events are kept.
    private static let keptMax = 4096

    private(set) var kept: [Event] = []
    private(set) var sequence: UInt64 = 0
    private let logger: Logger
    let news = Broadcast()

    init(logger: Logger) { self.logger = logger }

    func record(_ change: Event.Change) {
        sequence += 1
        kept.append(Event(sequence: sequence, time: Clocks.calendar(), change: change))
        if kept.count > 2 * EventLog.keptMax { kept.removeFirst(kept.count - EventLog.keptMax) }
        logger.log(level: change.logLevel, "\(change.text)", metadata: [
            LogLines.subject: "\(change.subject)", LogLines.subsystem: "\(change.subsystem.rawValue)",
        ])
        news.announce()
    }

    /// Not a change of state, but somebody must read it.
    func reportFailure(_ text: String) { logger.error("\(text)") }

    /// The next events after a sequence number, at most so many; nil where some of them are no longer kept.
    func events(after seen: UInt64, countMax: Int) -> [Event]? {
        guard let first = kept.first, seen < sequence else { return [] }
        guard seen + 1 >= first.sequence else { return nil }
        return Array(kept[Int(seen + 1 - first.sequence)...].prefix(countMax))
    }
}

extension Event.Change {
    var logLevel: Logger.Level {
        switch self {
        // A rollout renews its leases all the time.
        case .leased: .debug
        case .shared(_, _, let isRenewal): isRenewal ? .debug : .info
        case .poolAdded(_, let atStart), .backendAdded(_, _, _, _, _, let atStart): atStart ? .debug : .info
        case .listenerMoved, .listenerRedirected, .listenerRemoved, .configurationChanged, .poolRemoving, .poolTakenBack, .poolRemoved,
            .backendRemoving, .backendTakenBack, .backendRemoved, .backendMoved, .backendLeft,
            .drainDeadline, .drainClosing, .connectionsClosed, .unshared: .info
        case .started, .listenerOpened, .listenerClosed, .wish, .wishKept, .availability, .poolServes, .poolDiverts, .poolHolds, .listenerHasRoom, .processHasRoom, .acceptResumed,
            .stopping, .stopped: .info
        case .rollout(_, let turn): turn.to == .stopped || turn.to == .abandoned ? .warning : .info
        case .poolRefuses: .error
        case .probe(_, _, let to, _):
            switch to {
            case .down: .warning
            case .up, .unknown: .info
            }
        case .poolFull, .poolUnreachable, .connectsFailing, .suspected, .connectionsReset, .listenerFull, .processFull, .acceptPaused, .holdLost, .headerRefused, .sourceRefused, .rateReached: .warning
        }
    }
}
