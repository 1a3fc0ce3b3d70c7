// Requests and the parts of long answers, one after the other: however many ask at once, whoever asks little and seldom waits
// for the part in hand and not for one of each of the others.
import Decisions
import EventLoop
import Model
import SystemCalls

/// What takes turns, and how much of the loop it has had.
@ControlPlane final class TurnTaker {
    fileprivate let account: Account

    @ControlPlane fileprivate final class Account {
        var use = RecentUse()
    }

    init() { account = Account() }

    /// Both have had what either of them had.
    init(sharingWith other: TurnTaker) { account = other.account }
}

@ControlPlane final class Turns {
    private var order = ServingOrder<Waiting>()
    private var isPassing = false
    private var held: (by: TurnTaker, since: Duration)?

    /// Most turns end sooner by themselves. One that takes longer than so many rounds of jobs waits for something else.
    private static let roundsMax = 4

    private struct Waiting: Equatable {
        let taker: TurnTaker
        let wait: Wait
        static func == (left: Self, right: Self) -> Bool { left.wait === right.wait }
    }

    nonisolated init() {}

    /// Ends the taker's turn if it has one, and returns when it has the next. False: the task was cancelled first; it is no
    /// longer in line, with all that it holds.
    func next(for taker: TurnTaker) async -> Bool {
        end(of: taker)
        let waiting = Waiting(taker: taker, wait: Wait())
        order.join(waiting, place: taker.account.use.place(now: LoopClock().now))
        if !isPassing {
            isPassing = true
            start { await self.pass() }
        }
        guard await waiting.wait.untilFinished() == .cancelled else { return true }
        order.leave(waiting)
        return false
    }

    /// Somebody else may go; nothing where it is not the taker's turn.
    func end(of taker: TurnTaker) {
        guard let held, held.by === taker else { return }
        self.held = nil
        taker.account.use.add(Clocks.threadTime() - held.since, now: LoopClock().now)
    }

    private func pass() async {
        // Whoever has joined in this round begins to wait before the first of them is called.
        await Task.yield()
        while let next = order.next() {
            // One that was cancelled in this round takes no turn.
            guard next.wait.finish(.ready) else { continue }
            held = (next.taker, Clocks.threadTime())
            await turnEnds()
        }
        isPassing = false
    }

    private func turnEnds() async {
        var rounds = 0
        while let held {
            rounds += 1
            guard rounds <= Turns.roundsMax else { return end(of: held.by) }
            await Task.yield()
        }
    }
}
