// A running rollout seen from another terminal: one request over its socket.
import ControlProtocol
import EventLoop
import Glibc
import Model
import SystemCalls

@ControlPlane package enum RolloutPeer {
    private static let patience = Duration.seconds(20)
    private static let replyBytesMax = 16 << 20

    /// The data lines of its answer; nil: no process carries the rollout out. Throws its refusal.
    package static func ask(_ request: RolloutRequest, of folder: RolloutFolder) async throws(Failure) -> [String]? {
        guard let socket = try await connect(to: folder) else { return nil }
        do throws(SocketFailure) { try await socket.send(Array((request.line + "\n").utf8)) } catch { throw broken(folder, "\(error)") }
        var lines: [String] = []
        while true {
            switch try await reply(from: socket, folder) {
            case .data(let text): lines.append(text)
            case .ok: return lines
            case .failure(let failure): throw failure
            }
        }
    }

    private static func reply(from socket: AsyncSocket, _ folder: RolloutFolder) async throws(Failure) -> ReplyLine {
        let line: AsyncSocket.Line
        do throws(SocketFailure) { line = try await socket.line(bytesMax: replyBytesMax, within: patience) } catch {
            throw broken(folder, "\(error)")
        }
        guard case .line(let bytes) = line else { throw broken(folder, "it ended in the middle of its answer") }
        guard let reply = ReplyLine(String(decoding: bytes, as: UTF8.self)) else {
            throw broken(folder, "it said \(String(decoding: bytes, as: UTF8.self).escapedForOneLine)")
        }
        return reply
    }

    private static func broken(_ folder: RolloutFolder, _ why: String) -> Failure {
        Failure(.noAnswer, "\(folder.id): the process that carries it out took the order but did not answer: \(why)")
    }

    private static func connect(to folder: RolloutFolder) async throws(Failure) -> AsyncSocket? {
        do throws(SocketFailure) { return try await FarSocket.connect(in: folder.path, "socket") } catch {
            switch error {
            case .system(let failure) where [ENOENT, ECONNREFUSED].contains(failure.errorNumber): return nil
            case .system, .cancelled, .deadlinePassed: throw Failure(.noAnswer, "\(folder.socket): \(error)")
            }
        }
    }
}
