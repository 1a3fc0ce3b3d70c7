// Orders of peers that sent them and went: carried out one after the other in the order of their arrival, though nobody waits
// for an answer.
import ControlProtocol
import EventLoop
import Logging
import Model

@ControlPlane final class DepartedOrders {
    /// While more wait nobody is accepted: who comes stands in the backlog.
    private static let waitingMax = 1024
    private static let bytesMax = 4 * 1024 * 1024

    private let handler: CommandHandler
    private let turns: Turns
    private let logger: Logger
    private var waiting: ArraySlice<(line: [UInt8], user: String)> = []
    private var bytes = 0
    /// Since the start.
    private var added = 0
    private var begun = 0
    /// Announced whenever one of them has its turn.
    private let progress = Broadcast()
    private var obeying: Task<Void, Never>?
    /// What was refused is told once a second: when last, and how many since.
    private var told: (at: MonotonicTime, andNot: Int)?

    init(handler: CommandHandler, turns: Turns, logger: Logger) {
        self.handler = handler
        self.turns = turns
        self.logger = logger
    }

    func close() { obeying?.cancel() }

    var isWaiting: Bool { !waiting.isEmpty }

    func add(_ lines: [[UInt8]], of user: String) {
        waiting += lines.map { ($0, user) }
        added += lines.count
        bytes += lines.reduce(0) { $0 + $1.count }
        if obeying == nil { obeying = start { [weak self] in await self?.obeyAll() } }
    }

    /// Returns when more can be taken; false: cancelled.
    func hasRoom() async -> Bool {
        while waiting.count >= DepartedOrders.waitingMax || bytes >= DepartedOrders.bytesMax {
            guard await progress.next(after: progress.version) != .cancelled else { return false }
        }
        return true
    }

    /// Returns when all that are here now have had their turn, so that an order that came after them is not carried out
    /// before them; false: cancelled.
    func areBegun() async -> Bool {
        let earlier = added
        while begun < earlier {
            guard await progress.next(after: progress.version) != .cancelled else { return false }
        }
        return true
    }

    /// Together they have what one conversation has.
    private func obeyAll() async {
        let all = TurnTaker()
        while isWaiting {
            let taker = TurnTaker(sharingWith: all)
            guard await turns.next(for: taker) else { break }
            let (line, user) = waiting.removeFirst()
            bytes -= line.count
            begun += 1
            progress.announce()
            // Not waited for: one that takes seconds, such as a reload that tries a health check, keeps only its own turn.
            start { await self.obey(line, of: user, taker) }
        }
        obeying = nil
    }

    private func obey(_ line: [UInt8], of user: String, _ taker: TurnTaker) async {
        let turns = turns
        defer { turns.end(of: taker) }
        let command: Command
        do throws(LineError) {
            guard let order = try Request(line: line).command.unawaited else { return }
            command = order
        } catch {
            // Nonsense, and whoever sent it did not wait to be told why.
            return
        }
        let nobody = Answer(.text, isFollowed: false, pause: { await turns.next(for: taker) }) { _ in }
        do throws(Failure) { try await handler.handle(command, by: user, nobody) } catch { tell(error, of: command, by: user) }
    }

    private func tell(_ failure: Failure, of command: Command, by user: String) {
        let now = LoopClock().now
        if let told, told.at.duration(to: now) < .seconds(1) { return self.told = (told.at, told.andNot + 1) }
        let others = told.map { $0.andNot > 0 ? " (and \($0.andNot) others since the last such line)" : "" } ?? ""
        told = (now, 0)
        let order = Request(command).line.escapedForOneLine.prefix(200)
        logger.notice("control socket: an order of \(user), who had gone before the answer, was not carried out: \(failure)\(others); it was: \(order)")
    }
}
