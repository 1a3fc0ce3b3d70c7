// Whose doing an end was, in the words that log, metrics and page share.
import Glibc
import Model

extension CloseReason {
    var ending: Ending {
        switch self {
        case .finished(let first, _): Ending(by: Culprit(first), .finished)
        case .passedReset(let party): Ending(by: Culprit(party), .reset)
        case .stalled(let reader): Ending(by: Culprit(reader), .stalledTimeout)
        case .denied: Ending(by: .client, .denied)
        case .sourceLimit: Ending(by: .client, .sourceLimit)
        case .badHeader: Ending(by: .client, .badHeader)
        case .clientLeft: Ending(by: .client, .leftEarly)
        case .connectFailed(let errorNumber):
            Ending(by: ConnectFailureReason(errorNumber: errorNumber) == .outOfResources ? .lbd : .backend, .connectFailed)
        case .idle: Ending(by: .lbd, .idleTimeout)
        case .halfClosed: Ending(by: .lbd, .halfClosedTimeout)
        case .lifetime: Ending(by: .lbd, .lifetime)
        // An operator may have taken them all out.
        case .noBackend: Ending(by: .lbd, .noBackend)
        case .poolFull: Ending(by: .lbd, .poolFull)
        case .queueTimedOut: Ending(by: .lbd, .queueTimeout)
        case .holdFull: Ending(by: .lbd, .holdFull)
        case .holdTimedOut: Ending(by: .lbd, .holdTimeout)
        case .stopping: Ending(by: .lbd, .stopping)
        case .ordered, .orderedReset: Ending(by: .lbd, .ordered)
        case .removed: Ending(by: .lbd, .removed)
        case .outOfResources: Ending(by: .lbd, .outOfResources)
        }
    }
}

extension Culprit {
    init(_ party: Party) {
        switch party {
        case .client: self = .client
        case .backend: self = .backend
        }
    }
}

extension ConnectFailureReason {
    /// By what a connect, or the first write on it, failed with.
    package init(errorNumber: Int32) {
        switch errorNumber {
        case ECONNREFUSED: self = .refused
        case ETIMEDOUT: self = .timeout
        // ENOENT: nobody has the path of a Unix socket.
        case EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN, ENOENT: self = .unreachable
        case ECONNRESET, EPIPE: self = .reset
        default: self = ConnectFailure.isOurs(errorNumber) ? .outOfResources : .other
        }
    }
}
