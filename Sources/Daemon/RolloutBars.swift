// When each step of a rollout was, is and is likely to be, on one line of time.
import ControlProtocol
import Model

struct RolloutBars {
    /// Milliseconds of the calendar.
    struct Bar: Equatable {
        var done: Range<Int64>?
        var predicted: Range<Int64>?
    }

    let began: Int64
    /// Of one that has ended or fallen silent: when that was.
    let now: Int64
    /// As predicted, as likely as not; now where nothing is.
    let end: Int64
    private let bars: [Bar]

    init(_ standing: RolloutStanding, now calendar: Timestamp) {
        let time = { (text: String?) in text.flatMap { Timestamp(rfc3339: $0) }?.milliseconds }
        let began = time(standing.startedAt) ?? calendar.milliseconds
        let heard = time(standing.reportedAt) ?? calendar.milliseconds
        let now = max(began, standing.state.hasEnded ? heard : calendar.milliseconds)
        let end = standing.state.hasEnded ? now : max(now, time(standing.endsAt) ?? now)
        (self.began, self.now, self.end) = (began, now, end)

        // What its older versions do not tell: a step begins where the one before it ended.
        var (last, done) = (began, [Range<Int64>?]())
        for node in standing.nodes {
            let since = time(node.since)
            let from = min(now, max(began, time(node.began) ?? last))
            switch node.step.place {
            case .past:
                let to = min(now, max(from, since ?? from))
                done.append(since == nil ? nil : from..<to)
                last = to
            case .now, .wrong: done.append(from..<now)
            case .next: done.append(nil)
            }
        }
        let predicted = RolloutBars.predicted(standing, done, now: now, end: end)
        bars = zip(done, predicted).map { Bar(done: $0, predicted: $1) }
    }

    func bar(_ index: Int) -> Bar { bars[index] }

    /// In thousandths of the whole.
    func place(_ time: Int64) -> Int64 { (min(max(time, began), end) - began) * 1000 / max(1, end - began) }

    /// What is left is shared out evenly among the steps in hand and those to come, as many of them at once as now.
    private static func predicted(_ standing: RolloutStanding, _ done: [Range<Int64>?], now: Int64, end: Int64) -> [Range<Int64>?] {
        let left = end - now
        guard left > 0 else { return standing.nodes.map { _ in nil } }
        let inHand = zip(standing.nodes, done).filter { $0.0.step.place == .now }.compactMap(\.1)
        let together = max(1, inHand.count)
        // At least those that are here: what was told need not add up, and each of them is drawn.
        let waiting = max(standing.nodes.count { $0.step.place == .next }, standing.steps - standing.stepsDone - inHand.count)
        let rounds = Int64((waiting + together - 1) / together)
        let spent = inHand.map { $0.upperBound - $0.lowerBound }.max() ?? 0
        let ofThese = inHand.isEmpty ? 0 : rounds == 0 ? left : min(left, max(0, (left + spent) / (rounds + 1) - spent))
        let each = rounds > 0 ? (left - ofThese) / rounds : 0
        var place: Int64 = 0
        return standing.nodes.map { node in
            switch node.step.place {
            case .past, .wrong: return nil
            case .now: return now..<now + ofThese
            case .next:
                let from = min(end, now + ofThese + place / Int64(together) * each)
                place += 1
                return from..<min(end, from + each)
            }
        }
    }
}
