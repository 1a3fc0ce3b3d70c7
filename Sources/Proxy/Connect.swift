// Reaching the chosen backend: with a timeout, and with another one when this one fails before a byte was sent.
import Glibc
import SystemCalls

extension ConnectionHandle {
    /// Chooses and connects until something is under way or nothing is left to try.
    func connectToBackend() {
        while true {
            guard let target = choose() else { return close(.noBackend) }
            switch startConnect(to: target) {
            case .connected: return startRelaying()
            case .inProgress:
                record.phase = .connecting
                record.lastActivity = worker.now()
                return worker.fileDeadline(of: self)
            case .failed(let failure):
                giveUpAttempt(failure)
                guard mayRetry else { return close(.connectFailed) }
            }
        }
    }

    private func startConnect(to target: RouteTarget) -> ConnectStart {
        let socket: Int32
        do {
            socket = try Sockets.open(for: target.address).release()
        } catch {
            return .failed(errorNumber: error.errorNumber)
        }
        record.backend = Side()
        record.backend.descriptor = socket
        if target.address.family != AF_UNIX { Sockets.prepareForRelaying(socket) }
        let start = Sockets.startConnect(socket, to: target.address)
        switch start {
        case .failed: return start
        case .connected, .inProgress: return watch(.backend) ? start : .failed(errorNumber: ENOMEM)
        }
    }

    /// The backend's socket has something to say about the connect that is under way.
    func finishConnect() {
        let failure = Sockets.takeError(of: record.backend.descriptor)
        guard failure != 0 else { return startRelaying() }
        connectFailed(failure)
    }

    /// This attempt is over: the next one, or the end.
    func connectFailed(_ failure: Int32) {
        giveUpAttempt(failure)
        if mayRetry { connectToBackend() } else { close(.connectFailed) }
    }

    private var mayRetry: Bool { record.attempts <= worker.route(of: record.pool).header.connectRetries }

    private func giveUpAttempt(_ failure: Int32) {
        unwatch(.backend)
        if record.backend.descriptor >= 0 { Glibc.close(record.backend.descriptor) }
        record.backend = Side()
        accountConnectFailure(failure)
        giveTicketBack()
    }
}
