// Why a request failed, in the few ways that are told apart.
import EventLoop
import Glibc
import SystemCalls

struct LoadFailure: Error, Equatable, Sendable, CustomStringConvertible {
    enum Reason: String, CaseIterable, Sendable {
        case refused, reset, timeout
        case earlyEnd = "early-end"
        case wrongAnswer = "wrong-answer"
        case system
    }

    let reason: Reason
    let detail: String

    init(_ reason: Reason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    /// `doing` says at which step: `connect`, `hello`, `ping`, `end`.
    init(_ error: any Error, doing step: String) {
        switch error {
        case let failure as LoadFailure: self = failure
        case let passed as DeadlinePassed: self.init(.timeout, "\(step): \(passed)")
        case SocketFailure.system(let error): self.init(LoadFailure.reason(of: error.errorNumber), "\(step): \(error)")
        default: self.init(.system, "\(step): \(error)")
        }
    }

    private static func reason(of errorNumber: Int32) -> Reason {
        switch errorNumber {
        case ECONNREFUSED: .refused
        case ECONNRESET, EPIPE: .reset
        case ETIMEDOUT: .timeout
        default: .system
        }
    }

    var description: String { "\(reason.rawValue): \(detail)" }
}
