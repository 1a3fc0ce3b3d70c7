// The control protocol as a person types it: raw lines to the socket, and the reply up to its status line.
import ControlProtocol
import Model
import Testing

final class ControlConversation: Sendable {
    struct Reply: CustomStringConvertible {
        var data: [String] = []
        let status: ReplyLine

        var code: ExitCode {
            if case .failure(let failure) = status { failure.code } else { .done }
        }
        /// What a refusal says; empty for +ok.
        var message: String {
            if case .failure(let failure) = status { failure.message } else { "" }
        }
        var description: String { (data + [status.text]).joined(separator: "\n") }
    }

    private let peer: Peer

    init(_ path: String, patience: Duration = .seconds(60)) throws {
        peer = try Peer(connecting: .unix(path: path), patience: patience)
    }

    func send(_ text: String) throws { try peer.send(text) }
    func send(_ bytes: [UInt8]) throws { try peer.send(bytes) }
    func isQuiet(for duration: Duration) -> Bool { peer.isQuiet(for: duration) }
    func close() { peer.close() }
    /// Wakes a thread that waits for a reply.
    func interrupt() { peer.interrupt() }

    /// The next line of a reply.
    func line() throws -> ReplyLine {
        let text = try peer.line()
        guard let line = ReplyLine(text) else { throw HarnessError("not a line of the protocol: \(text)") }
        return line
    }

    func reply() throws -> Reply {
        var data: [String] = []
        while true {
            switch try line() {
            case .data(let text): data.append(text)
            case let status: return Reply(data: data, status: status)
            }
        }
    }
}
