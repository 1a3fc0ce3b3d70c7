// What happens again and again is told once a second at most, and nothing of it is left untold: the rest of a burst
// is told by the clock.

/// `News`: what one report is about, besides the count.
struct ReportPacing<News> {
    private var toldAt = Int64.min
    private var untold = 0
    /// The last one that was not told.
    private var last: News?

    /// Something is to be told when the second is over.
    var owes: Bool { untold > 0 }

    /// It happened once more: to be told now, with how many were not told since the last report; nil: later.
    mutating func next(_ news: News, now: Int64) -> Int? {
        guard isOver(now) else {
            untold += 1
            last = news
            return nil
        }
        defer { (toldAt, untold, last) = (now, 0, nil) }
        return untold
    }

    /// What is still to be told, once the second is over; `atOnce`: whatever the clock says.
    mutating func settle(now: Int64, atOnce: Bool = false) -> (news: News, besides: Int)? {
        guard let last, atOnce || isOver(now) else { return nil }
        defer { (toldAt, untold, self.last) = (now, 0, nil) }
        return (last, untold - 1)
    }

    private func isOver(_ now: Int64) -> Bool { toldAt == .min || now - toldAt >= 1_000_000_000 }
}

extension WorkerHandle {
    /// A report was put off: the clock will make it.
    func oweReport() { state.hasNotices = true }

    /// Tells what was put off, of this worker and of what all share. `atOnce`: before the worker ends its listeners.
    func settleReports(atOnce: Bool = false) {
        for listener in state.refusals.indices {
            guard let (refused, besides) = state.refusals[listener].settle(now: now(), atOnce: atOnce) else { continue }
            report(.headerRefused(listener: listener, peer: refused.peer, refused.why, besides: besides))
        }
        for gate in state.gates {
            if let arrivals = gate?.arrivals, let news = arrivals.settle(now: now(), atOnce: atOnce) { report(news) }
        }
        for pool in state.queues.indices {
            if let (refused, timedOut) = state.queues[pool]?.settle(now: now(), atOnce: atOnce) {
                report(.poolFull(pool: pool, refused: refused, timedOut: timedOut))
            }
            if let (reset, timedOut) = state.queues[pool]?.settleHold(now: now(), atOnce: atOnce) {
                report(.holdLost(pool: pool, reset: reset, timedOut: timedOut))
            }
        }
        for news in state.connectFailures.settle(now: now(), atOnce: atOnce) { report(news) }
    }

    var owesReports: Bool {
        state.refusals.contains { $0.owes } || state.gates.contains { $0?.arrivals?.owes == true }
            || state.queues.contains { $0?.owes == true } || state.connectFailures.owes
    }
}
