// Orders of peers that sent them and went: carried out in the order of their arrival, though nobody waits for an answer.
import ControlProtocol
import EventLoop
import Logging
import Model
import SystemCalls

@ControlPlane final class DepartedOrders {
    /// While so many wait more are not taken: to leave them in the backlog would keep those waiting who ask.
    private static let waitingMax = 1024
    private static let bytesMax = 4 * 1024 * 1024
    /// One order after the other has a turn's time.
    private static let turnMax = Duration.milliseconds(1)
    /// Whose orders take longer, such as a reload that tries a health check, keeps nobody else waiting, but his own next order.
    private static let patience = Duration.milliseconds(200)

    private let handler: CommandHandler
    private let turns: Turns
    private let logger: Logger
    /// A peer's lines each.
    private var waiting: ArraySlice<(lines: [[UInt8]], user: String)> = []
    private var linesWaiting = 0
    private var bytesWaiting = 0
    /// Peers, since the start.
    private var added = 0
    private var done = 0
    /// Announced whenever one of them is done.
    private let progress = Broadcast()
    /// Live orders stand behind those here.
    private var areAwaited = 0
    private var obeying: Task<Void, Never>?
    /// What was not carried out is told once a second: when last, the last of those that are untold, and how many they are.
    private var toldAt: MonotonicTime?
    private var untold: (text: String, count: Int)?
    private var telling: Task<Void, Never>?

    init(handler: CommandHandler, turns: Turns, logger: Logger) {
        self.handler = handler
        self.turns = turns
        self.logger = logger
    }

    func close() {
        obeying?.cancel()
        telling?.cancel()
    }

    var isWaiting: Bool { done < added }

    /// `isMore`: the peer left more, which was not looked at.
    func add(_ lines: [[UInt8]], isMore: Bool, of user: String) {
        let room = bytesWaiting < DepartedOrders.bytesMax ? max(0, DepartedOrders.waitingMax - linesWaiting) : 0
        let taken = Array(lines.prefix(room))
        if taken.count < lines.count {
            tell("\(linesWaiting + taken.count) such orders wait already", of: lines[taken.count], by: user, count: lines.count - taken.count)
        }
        if isMore { tell("more lines were left than are looked at; the last of those that were stands here", of: lines[lines.count - 1], by: user) }
        guard !taken.isEmpty else { return }
        waiting.append((taken, user))
        linesWaiting += taken.count
        bytesWaiting += taken.reduce(0) { $0 + $1.count }
        added += 1
        if obeying == nil { obeying = start { [weak self] in await self?.obeyAll() } }
    }

    /// Returns when all that are here now are carried out, or take their time, so that an order that came after them is not
    /// carried out before them; false: cancelled.
    func areDone() async -> Bool {
        let earlier = added
        areAwaited += 1
        defer { areAwaited -= 1 }
        while done < earlier {
            guard await progress.next(after: progress.version) != .cancelled else { return false }
        }
        return true
    }

    private func obeyAll() async {
        // Together they have what one conversation has, but for the sake of one who waits behind them.
        let all = TurnTaker()
        while let (lines, user) = waiting.popFirst() {
            let ended = Wait()
            start {
                await self.obey(lines, of: user, all)
                ended.finish(.ready)
            }
            guard await ended.pause(for: DepartedOrders.patience) != .cancelled else { break }
            done += 1
            progress.announce()
        }
        obeying = nil
    }

    /// One peer's, each when the one before is done.
    private func obey(_ lines: [[UInt8]], of user: String, _ all: TurnTaker) async {
        var taker: TurnTaker?
        var turnEnd = Duration.zero
        for line in lines {
            linesWaiting -= 1
            bytesWaiting -= line.count
            if taker == nil || Clocks.threadTime() >= turnEnd {
                if let taker { turns.end(of: taker) }
                let next = areAwaited > 0 ? TurnTaker() : TurnTaker(sharingWith: all)
                guard await turns.next(for: next) else { return }
                (taker, turnEnd) = (next, Clocks.threadTime() + DepartedOrders.turnMax)
            }
            if let taker { await obey(line, of: user, taker) }
        }
        if let taker { turns.end(of: taker) }
    }

    private func obey(_ line: [UInt8], of user: String, _ taker: TurnTaker) async {
        let command: Command
        do throws(LineError) {
            guard let order = try Request(line: line).command.unawaited else { return }
            command = order
        } catch {
            // Nonsense, and whoever sent it did not wait to be told why.
            return
        }
        let turns = turns
        let nobody = Answer(.text, isFollowed: false, pause: { await turns.next(for: taker) }) { _ in }
        do throws(Failure) { try await handler.handle(command, by: user, nobody) } catch { tell(error.description, of: line, by: user) }
    }

    /// `reason`: why it was not carried out.
    private func tell(_ reason: String, of line: [UInt8], by user: String, count: Int = 1) {
        let order = String(decoding: line.prefix(200), as: UTF8.self).escapedForOneLine
        untold = ("an order of \(user), who had gone before its answer, was not carried out: \(reason); it was: \(order)", (untold?.count ?? 0) + count)
        guard telling == nil else { return }
        let rest = toldAt.map { Duration.seconds(1) - $0.duration(to: LoopClock().now) } ?? .zero
        telling = start { [weak self] in
            guard await pause(for: max(.zero, rest)), let self else { return }
            self.tellUntold()
        }
    }

    private func tellUntold() {
        telling = nil
        guard let untold else { return }
        (self.untold, toldAt) = (nil, LoopClock().now)
        let others = untold.count > 1 ? "; neither were \(untold.count - 1) before it" : ""
        logger.notice("control socket: \(untold.text)\(others)")
    }
}
