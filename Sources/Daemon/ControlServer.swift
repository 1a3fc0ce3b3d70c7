// The control socket: who may connect, and the conversation with each.
import ControlProtocol
import EventLoop
import Logging
import Model
import SystemCalls

@ControlPlane final class ControlServer {
    /// So many of them may follow events or wait for a drain: the others are left for those who ask and go.
    private static let lastingMax = 24
    /// Accepted at a time, before the loop does something else.
    private static let acceptsInARow = 16
    /// So long the loop reads what peers have left before others have a turn.
    private static let passingMax = Duration.microseconds(100)

    private let path: String
    /// More at once need somebody else's place: conversations live on the descriptors kept back for control.
    private let conversationsMax: Int
    private let handler: CommandHandler
    private let logger: Logger
    private let turns: Turns
    private let departed: DepartedOrders
    private var arrivals = 0
    private var conversations: [ObjectIdentifier: Conversation] = [:]
    /// Announced when one of them has gone.
    private let left = Broadcast()
    private var accepting: Task<Void, Never>?
    /// For peers that go away.
    private var watching: Task<Void, Never>?
    /// Names of those who have asked: looking one up may go over a network.
    private var users: [UInt32: String] = [:]

    /// Binds and listens; mode 0660: lbd's user and group may do everything, others cannot connect.
    init(path: String, conversationsMax: Int, handler: CommandHandler, turns: Turns, logger: Logger) throws {
        try ControlServer.checkFolder(of: path)
        self.path = path
        self.conversationsMax = conversationsMax
        self.handler = handler
        self.turns = turns
        departed = DepartedOrders(handler: handler, turns: turns, logger: logger)
        self.logger = logger
        let socket = try Sockets.bindUnix(path, mode: 0o660)
        try Sockets.listen(socket.number, backlog: 128)
        let listener = AsyncListener(owning: socket)
        accepting = start { [weak self] in await self?.accept(from: listener) }
    }

    func close() throws(SystemError) {
        accepting?.cancel()
        departed.close()
        watching?.cancel()
        try Files.remove(path)
    }

    /// A socket that somebody else can replace is no way to give orders to lbd, nor to believe its answers. Who is in
    /// lbd's own group may give all orders by the socket itself, and gains nothing by writing beside it.
    private static func checkFolder(of path: String) throws {
        guard let (folder, writers, isSticky) = try Files.folderOpenToOthers(above: path) else { return }
        let (who, mode) = switch writers {
        case .everybody: ("everybody", "o-w")
        case .group(let group): ("group \(Processes.groupName(group)), which is not lbd's own,", "g-w")
        }
        let remedy = isSticky ? "it is sticky, but belongs to another user than root or lbd's: choose another folder" : "chmod \(mode) \(folder)"
        throw DaemonError(
            description: "control: \(path): \(who) may write in \(folder) and could put another socket in its place; \(remedy), or set control: to a path in a folder of lbd's own")
    }

    private func accept(from listener: AsyncListener) async {
        while true {
            do throws(SocketFailure) {
                let arrived = try await listener.accept(countMax: ControlServer.acceptsInARow)
                // There may be thousands of them a second: of somebody who has gone by now only orders are kept.
                let gone = Sockets.hungUp(among: arrived.map(\.number))
                if !gone.isEmpty { await takeOrdersOfGone() }
                for socket in arrived {
                    arrivals += 1
                    let peer = Conversation(socket: socket, number: arrivals)
                    guard !gone.contains(socket.number) else {
                        await takeInPassing(peer)
                        continue
                    }
                    guard await hasRoom() else { return }
                    welcome(peer)
                }
            } catch {
                switch error {
                case .cancelled: return
                case .system, .deadlinePassed:
                    logger.error("control socket: \(error); trying again in a second")
                    guard await pause(for: .seconds(1)) else { return }
                }
            }
            await Task.yield()
        }
    }

    private func welcome(_ peer: Conversation) {
        conversations[ObjectIdentifier(peer)] = peer
        peer.run { peer in
            await self.converse(with: peer)
            self.leave(peer)
            if peer.socket.isHungUp { self.takeOrders(of: peer) }
        }
    }

    /// Of a peer that has gone: whatever it ordered before is carried out.
    private func takeOrders(of peer: Conversation) {
        let (lines, isMore) = peer.lastLines()
        let orders = lines.filter(Request.mayOrder)
        guard !orders.isEmpty, let user = user(of: peer) else { return }
        departed.add(orders, isMore: isMore, of: user)
    }

    /// Others have their turns where there is much to read.
    private func takeInPassing(_ peer: Conversation) async {
        let began = Clocks.threadTime()
        takeOrders(of: peer)
        if Clocks.threadTime() - began > ControlServer.passingMax { await Task.yield() }
    }

    /// Of those who were here before whoever is heard next: in the order of their arrival.
    private func takeOrdersOfGone() async {
        let gone = Sockets.hungUp(among: conversations.values.map(\.socket.number))
        guard !gone.isEmpty else { return }
        for peer in conversations.values.sorted(by: { $0.number < $1.number }) where gone.contains(peer.socket.number) && !peer.isWorking {
            await takeInPassing(peer)
        }
    }

    private func leave(_ peer: Conversation) {
        guard conversations.removeValue(forKey: ObjectIdentifier(peer)) != nil else { return }
        left.announce()
    }

    /// Returns when there is room for one more, if need be because somebody was made to go; false: cancelled. Who waits
    /// meanwhile is in the backlog: not more than `lastingMax` may hold their places for long, so it is not for long.
    private func hasRoom() async -> Bool {
        while conversations.count >= conversationsMax {
            let dispensable = dispensable()
            for peer in dispensable {
                leave(peer)
                peer.end()
            }
            guard dispensable.isEmpty else { return true }
            if await left.next(after: left.version, timeout: .milliseconds(50)) == .cancelled { return false }
        }
        return true
    }

    /// All who are gone, else who deserves its place least, if any does not.
    private func dispensable() -> [Conversation] {
        let now = LoopClock().now
        let gone = Sockets.hungUp(among: conversations.values.map(\.socket.number))
        let candidates = conversations.values.compactMap { peer in
            peer.dispensability(now, isGone: gone.contains(peer.socket.number)).map { (peer: peer, $0.rank, $0.since) }
        }
        let departed = candidates.filter { $0.1 == 0 }.map(\.peer)
        guard departed.isEmpty else { return departed }
        // Who has asked something that was not read yet keeps his place.
        return candidates.sorted { ($0.1, $0.2) < ($1.1, $1.2) }.first { !$0.peer.isHeard }.map { [$0.peer] } ?? []
    }

    private func converse(with peer: Conversation) async {
        while await answerNext(peer) { peer.rest() }
    }

    /// Nil: it is not known, and the peer is turned away.
    private func user(of peer: Conversation) -> String? {
        do throws(SystemError) { return name(ofUser: try Sockets.peerUser(of: peer.socket.number)) } catch {
            logger.warning("control socket: a peer without credentials was turned away: \(error)")
            return nil
        }
    }

    private func name(ofUser number: UInt32) -> String {
        if let name = users[number] { return name }
        let name = Processes.userName(number)
        users[number] = name
        return name
    }

    /// Reads one request and answers it; false when the conversation is over.
    private func answerNext(_ peer: Conversation) async -> Bool {
        switch await peer.request() {
        case nil, .end: return false
        case .tooLong:
            guard await turns.next(for: peer.taker) else { return false }
            defer { turns.end(of: peer.taker) }
            return await peer.say(.failure(Failure(.badUsage, "a line has at most \(RequestLine.bytesMax) bytes")))
        case .line(let line) where line.isEmpty:
            // It costs a turn as any other: whoever sends nothing else would have all of them.
            guard await turns.next(for: peer.taker) else { return false }
            turns.end(of: peer.taker)
            return true
        case .line(let line):
            peer.take(line)
            return await answer(line, peer)
        }
    }

    /// Where it ends unanswered the line is still in hand, and goes with what the peer has left.
    private func answer(_ line: [UInt8], _ peer: Conversation) async -> Bool {
        guard await turns.next(for: peer.taker) else { return false }
        defer { turns.end(of: peer.taker) }
        guard peer.holds() else { return false }
        let request: Request
        do throws(LineError) { request = try Request(line: line) } catch {
            return await peer.say(.failure(Failure(.badUsage, error.description)))
        }
        // Else those who send and go would keep those waiting who wait.
        guard !peer.socket.isHungUp else { return false }
        if !request.command.onlyAsks {
            await takeOrdersOfGone()
            if departed.isWaiting {
                turns.end(of: peer.taker)
                guard await departed.areDone(), await turns.next(for: peer.taker) else { return false }
            }
            // It may have gone meanwhile, and its order with what the others have left.
            guard peer.holds() else { return false }
        }
        guard let user = user(of: peer) else { return false }
        peer.beginWork()
        if watching == nil { watching = start { [weak self] in await self?.watch() } }
        let outcome = await carryOut(request, peer, user)
        peer.endWork()
        return await peer.send(outcome)
    }

    /// The peer's going away ends whatever is waited for on its behalf. Looked for once a second, as long as there is
    /// anything of that kind.
    private func watch() async {
        while await pause(for: .seconds(1)) {
            let working = conversations.values.filter(\.isWorking)
            let gone = Sockets.hungUp(among: working.map(\.socket.number))
            for peer in working where gone.contains(peer.socket.number) { peer.end() }
            guard !working.isEmpty else { break }
        }
        watching = nil
    }

    /// What is still to be sent.
    private func carryOut(_ request: Request, _ peer: Conversation, _ user: String) async -> [UInt8] {
        let lasts = request.command.lasts
        let turns = turns
        let answer = Answer(request.output, isFollowed: lasts, pause: { await turns.next(for: peer.taker) }) { bytes throws(Failure) in
            guard await peer.send(bytes) else { throw Failure(.failed, "the peer is gone") }
        }
        if lasts {
            let lasting = conversations.values.count(where: \.isWaiting)
            guard lasting < ControlServer.lastingMax else {
                return answer.end(with: .failure(Failure(.noAnswer, "busy: \(lasting) control connections wait or follow already; try again")))
            }
            peer.wait()
        }
        defer { peer.endWait() }
        do throws(Failure) {
            try await handler.handle(request.command, by: user, answer)
            return answer.end(with: .ok)
        } catch {
            return answer.end(with: .failure(error))
        }
    }
}
