// One balancer seen from outside: a conversation over its control socket per command.
import ControlProtocol
import EventLoop
import FoundationEssentials
import Glibc
import Model
import SystemCalls

/// A balancer by the path of its control socket. Calls may be cancelled (Ctrl-C, deadlines): the connection is
/// then closed, which ends whatever the balancer was waiting for on our behalf.
package struct Balancer: Hashable, Sendable {
    package let control: String

    /// Longest line that a balancer sends: a full status of some thousand backends.
    private static let replyBytesMax = 64 * 1024 * 1024

    package init(control: String) { self.control = control }

    /// Sends one command and hands on each data line as it arrives. Throws the balancer's own refusal, or
    /// `noAnswer` when nobody answers at the socket, or says nothing there for `silenceMax` (nil: however long).
    @ControlPlane package func perform(
        _ request: Request, silenceMax: Duration? = nil, line: @ControlPlane (String) throws(Failure) -> Void
    ) async throws(Failure) {
        let socket = try await connect()
        do throws(SocketFailure) {
            try await socket.send(Array(request.line.utf8) + [0x0A])
        } catch {
            throw broken(error)
        }
        while true {
            switch try await reply(from: socket, within: silenceMax) {
            case .data(let text): try line(text)
            case .ok: return
            case .failure(let failure): throw failure
            }
        }
    }

    /// The same for answers in JSON, one value a line.
    @ControlPlane package func perform<Record: Decodable>(
        _ command: Command, decoding type: Record.Type, silenceMax: Duration? = nil, record: @ControlPlane (Record) -> Void
    ) async throws(Failure) {
        try await perform(Request(command, output: .json), silenceMax: silenceMax) { text throws(Failure) in
            do { record(try JSONDecoder().decode(type, from: Data(text.utf8))) } catch {
                throw Failure(.failed, "\(control): the answer is not the JSON that this lbctl knows: \(error)")
            }
        }
    }

    @ControlPlane package func status(
        _ scope: StatusScope = .everything, silenceMax: Duration? = nil
    ) async throws(Failure) -> StatusReport {
        var report: StatusReport?
        try await perform(.status(scope), decoding: StatusReport.self, silenceMax: silenceMax) { report = $0 }
        guard let report else { throw Failure(.failed, "\(control): the balancer sent no status") }
        return report
    }

    @ControlPlane private func connect() async throws(Failure) -> AsyncSocket {
        guard control.utf8.count <= Endpoint.unixPathBytesMax else {
            throw Failure(.badUsage, "\(control): a Unix socket's path has at most \(Endpoint.unixPathBytesMax) bytes")
        }
        do throws(SocketFailure) {
            return try await AsyncSocket.connect(to: .unix(path: control))
        } catch {
            throw Failure(.noAnswer, refusal(error))
        }
    }

    /// What an operator can do about it, which the name of the failed call does not tell.
    private func refusal(_ failure: SocketFailure) -> String {
        guard case .system(let error) = failure else { return "interrupted" }
        // Whoever stands in the wrong folder sees it.
        var path = control
        do throws(SystemError) { path = Files.resolve(control, in: try Files.workingFolder()) } catch { path = control }
        let other = "is lbd running? Another socket: --control PATH or LBCTL_CONTROL"
        switch error.errorNumber {
        case EACCES, EPERM: return "you may not open \(path): it is for lbd's user and group (or use sudo)"
        case ECONNREFUSED where Files.isOtherThanSocket(path): return "\(path) is not a socket"
        case ENOENT: return "no balancer answers at \(path): there is no such socket; \(other)"
        case ECONNREFUSED: return "no balancer answers at \(path): nobody listens there any more; \(other)"
        default: return "no balancer answers at \(path): \(SystemError.words(for: error.errorNumber)); \(other)"
        }
    }

    @ControlPlane private func reply(from socket: AsyncSocket, within limit: Duration?) async throws(Failure) -> ReplyLine {
        let received: AsyncSocket.Line
        do throws(SocketFailure) { received = try await socket.line(bytesMax: Balancer.replyBytesMax, within: limit) } catch {
            if let limit, case .system(let failure) = error, failure.errorNumber == ETIMEDOUT {
                throw Failure(.noAnswer, "\(control): the balancer took the command but has said nothing for \(limit.spoken): does it hang?")
            }
            throw broken(error)
        }
        switch received {
        case .line(let bytes):
            guard let reply = ReplyLine(String(decoding: bytes, as: UTF8.self)) else {
                throw Failure(.failed, "\(control): not an answer that this lbctl knows: \(String(decoding: bytes, as: UTF8.self).escapedForOneLine)")
            }
            return reply
        case .tooLong: throw Failure(.failed, "\(control): the balancer sent an endless line")
        case .end: throw Failure(.noAnswer, "\(control): the balancer closed the connection before the end of its answer: was it stopped or restarted?")
        }
    }

    private func broken(_ failure: SocketFailure) -> Failure {
        switch failure {
        case .cancelled: Failure(.failed, "interrupted")
        case .system, .deadlinePassed: Failure(.noAnswer, "\(control): the connection broke: \(failure)")
        }
    }
}
