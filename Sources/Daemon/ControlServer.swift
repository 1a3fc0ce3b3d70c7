// The control socket: who may connect, and the conversation with each.
import ControlProtocol
import EventLoop
import Logging
import Model
import SystemCalls

@ControlPlane final class ControlServer {
    /// More at once need somebody else's place: conversations live on the descriptors kept back for control.
    private static let conversationsMax = 40
    /// So many of them may follow events or wait for a drain: the others are left for those who ask and go.
    private static let lastingMax = 32
    /// Who has not taken its answer for so long makes room.
    private static let deafMax = Duration.seconds(1)
    /// A longer line takes time to read: one of those in a round of the loop.
    private static let shortLine = 4096
    /// Accepted at a time, before the loop does something else.
    private static let acceptsInARow = 16

    private let path: String
    private let handler: CommandHandler
    private let logger: Logger
    private let turns = Turns()
    private var conversations: [ObjectIdentifier: Conversation] = [:]
    private var lasting = 0
    private var accepting: Task<Void, Never>?
    /// Names of those who have asked: looking one up may go over a network.
    private var users: [UInt32: String] = [:]

    /// Binds and listens; mode 0660: lbd's user and group may do everything, others cannot connect.
    init(path: String, handler: CommandHandler, logger: Logger) throws {
        try ControlServer.checkFolder(of: path)
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

    /// A socket that somebody else can replace is no way to give orders to lbd.
    private static func checkFolder(of path: String) throws {
        guard let (folder, isSticky) = try Files.folderOpenToOthers(above: path) else { return }
        let remedy = isSticky ? "it is sticky, but belongs to another user than root or lbd's: choose another folder" : "chmod o-w \(folder)"
        throw DaemonError(
            description: "control: \(path): everybody may write in \(folder) and could put another socket in its place; \(remedy), or set control: to a path in a folder of lbd's own")
    }

    private func accept(from listener: AsyncListener) async {
        var accepted = 0
        while true {
            do throws(SocketFailure) {
                await welcome(Conversation(socket: try await listener.accept()))
            } catch {
                switch error {
                case .cancelled: return
                case .system(let failure):
                    logger.error("control socket: \(failure); trying again in a second")
                    guard await pause(for: .seconds(1)) else { return }
                }
            }
            accepted += 1
            if accepted.isMultiple(of: ControlServer.acceptsInARow) { await Task.yield() }
        }
    }

    private func welcome(_ peer: Conversation) async {
        if conversations.count >= ControlServer.conversationsMax, let least = leastDeserving {
            conversations[ObjectIdentifier(least)] = nil
            least.end()
        }
        guard conversations.count < ControlServer.conversationsMax else {
            // Whether the peer hears it or has gone already: the conversation ends here.
            _ = await peer.say(.failure(Failure(.noAnswer, "busy: \(conversations.count) control connections are open; try again")))
            return
        }
        conversations[ObjectIdentifier(peer)] = peer
        peer.run { peer in
            await self.converse(with: peer)
            self.conversations[ObjectIdentifier(peer)] = nil
        }
    }

    /// Whom a new peer may replace: one that has never asked, else one between two requests, else one that does not
    /// take its answer; of these the one that is so the longest. Nobody who is served.
    private var leastDeserving: Conversation? {
        let now = LoopClock().now
        let ranked = conversations.values.compactMap { peer -> (rank: Int, since: MonotonicTime, peer: Conversation)? in
            switch peer.phase {
            case .silent(let since): return (0, since, peer)
            case .resting(let since): return (1, since, peer)
            case .deaf(let since): return since.duration(to: now) > ControlServer.deafMax ? (2, since, peer) : nil
            case .served: return nil
            }
        }
        return ranked.min { ($0.rank, $0.since) < ($1.rank, $1.since) }?.peer
    }

    private func converse(with peer: Conversation) async {
        let user: String
        do throws(SystemError) { user = name(ofUser: try Sockets.peerUser(of: peer.socket.number)) } catch {
            logger.warning("control socket: a peer without credentials was turned away: \(error)")
            return
        }
        while await answerNext(peer, user) { peer.rest() }
    }

    private func name(ofUser number: UInt32) -> String {
        if let name = users[number] { return name }
        let name = Processes.userName(number)
        users[number] = name
        return name
    }

    /// Reads one request and answers it; false when the conversation is over.
    private func answerNext(_ peer: Conversation, _ user: String) async -> Bool {
        switch await peer.request() {
        case nil, .end: return false
        case .tooLong:
            return await peer.say(.failure(Failure(.badUsage, "a line has at most \(RequestLine.bytesMax) bytes")))
        case .line(let line):
            return line.isEmpty ? true : await answer(line, peer, user)
        }
    }

    private func answer(_ line: [UInt8], _ peer: Conversation, _ user: String) async -> Bool {
        if line.count > ControlServer.shortLine { await turns.next() }
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
        let outcome = await withTaskCancellationHandler { await work.value } onCancel: { work.cancel() }
        watch.cancel()
        await watch.value
        return await peer.say(outcome)
    }

    private func carryOut(_ request: Request, _ peer: Conversation, _ user: String) async -> ReplyLine {
        if request.command.lasts {
            guard lasting < ControlServer.lastingMax else {
                return .failure(Failure(.noAnswer, "busy: \(lasting) control connections wait or follow already; try again"))
            }
            lasting += 1
        }
        defer { if request.command.lasts { lasting -= 1 } }
        do throws(Failure) {
            let answer = Answer(request.output, turns: turns) { bytes throws(Failure) in
                guard await peer.send(bytes) else { throw Failure(.failed, "the peer is gone") }
            }
            try await handler.handle(request.command, by: user, answer)
            return .ok
        } catch {
            return .failure(error)
        }
    }
}
