// The control socket: who may connect, and the conversation with each.
import ControlProtocol
import EventLoop
import Logging
import Model
import SystemCalls

@ControlPlane final class ControlServer {
    /// More conversations at once are turned away: they live on the descriptors kept back for control.
    private static let conversationsMax = 40
    /// A peer that asks nothing for so long is left: forty silent ones must not keep everybody else out.
    private static let silenceMax = Duration.seconds(60)

    private let path: String
    private let handler: CommandHandler
    private let logger: Logger
    private var conversations = 0
    private var accepting: Task<Void, Never>?

    /// Binds and listens; mode 0660.
    init(path: String, handler: CommandHandler, logger: Logger) throws(SystemError) {
        self.path = path
        self.handler = handler
        self.logger = logger
        let socket = try Sockets.bindUnix(path, mode: 0o660)
        try Sockets.listen(socket.number, backlog: 128)
        let listener = AsyncListener(owning: socket)
        accepting = start { [weak self] in await self?.accept(from: listener) }
    }

    func close() throws(SystemError) {
        accepting?.cancel()
        try Files.remove(path)
    }

    private func accept(from listener: AsyncListener) async {
        while true {
            do throws(SocketFailure) {
                await welcome(Conversation(socket: try await listener.accept()))
            } catch {
                switch error {
                case .cancelled: return
                case .system, .deadlinePassed:
                    logger.error("control socket: \(error); trying again in a second")
                    guard await pause(for: .seconds(1)) else { return }
                }
            }
        }
    }

    private func welcome(_ peer: Conversation) async {
        guard conversations < ControlServer.conversationsMax else {
            // Whether the peer hears it or has gone already: the conversation ends here.
            _ = await peer.say(.failure(Failure(.noAnswer, "busy: \(conversations) control connections are open; try again")))
            return
        }
        conversations += 1
        start {
            await self.converse(with: peer)
            self.conversations -= 1
        }
    }

    private func converse(with peer: Conversation) async {
        let user: String
        do { user = Processes.userName(try Sockets.peerUser(of: peer.socket.number)) } catch {
            logger.warning("control socket: a peer without credentials was turned away: \(error)")
            return
        }
        while await answerNext(peer, user) {}
    }

    /// Reads one request and answers it; false when the conversation is over.
    private func answerNext(_ peer: Conversation, _ user: String) async -> Bool {
        let request: AsyncSocket.Line
        do {
            request = try await withDeadline(ControlServer.silenceMax) { try await peer.socket.line(bytesMax: RequestLine.bytesMax) }
        } catch {
            // Silent for too long, or gone: there is nobody to tell.
            return false
        }
        switch request {
        case .end: return false
        case .tooLong:
            return await peer.say(.failure(Failure(.badUsage, "a line has at most \(RequestLine.bytesMax) bytes")))
        case .line(let line):
            return line.isEmpty ? true : await answer(line, peer, user)
        }
    }

    private func answer(_ line: [UInt8], _ peer: Conversation, _ user: String) async -> Bool {
        let request: Request
        do throws(LineError) { request = try Request(line: line) } catch {
            return await peer.say(.failure(Failure(.badUsage, error.description)))
        }
        // The peer's going away ends whatever is waited for on its behalf.
        let work = start { await self.carryOut(request, peer, user) }
        let watch = start {
            await peer.socket.hungUp()
            work.cancel()
        }
        let outcome = await work.value
        watch.cancel()
        await watch.value
        return await peer.say(outcome)
    }

    private func carryOut(_ request: Request, _ peer: Conversation, _ user: String) async -> ReplyLine {
        do throws(Failure) {
            let answer = Answer(output: request.output) { lines throws(Failure) in
                guard await peer.say(lines.map(ReplyLine.data)) else { throw Failure(.failed, "the peer is gone") }
            }
            try await handler.handle(request.command, by: user, answer)
            return .ok
        } catch {
            return .failure(error)
        }
    }
}

/// One peer; what it is told is told in whole lines.
@ControlPlane private struct Conversation {
    let socket: AsyncSocket

    func say(_ line: ReplyLine) async -> Bool { await say([line]) }

    /// False: the peer is gone.
    func say(_ lines: [ReplyLine]) async -> Bool {
        var bytes: [UInt8] = []
        for line in lines {
            bytes += line.text.oneLine.utf8
            bytes.append(0x0A)
        }
        do throws(SocketFailure) {
            try await socket.send(bytes)
            return true
        } catch {
            return false
        }
    }
}

extension String {
    /// A reply line never holds a newline, whatever went into it.
    fileprivate var oneLine: String {
        contains(where: \.isNewline) ? split(whereSeparator: \.isNewline).joined(separator: " ") : self
    }
}
