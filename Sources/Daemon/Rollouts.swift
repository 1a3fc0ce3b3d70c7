// Rollouts as they tell of themselves: kept as long as their leases, and a while after their ends.
import ControlProtocol
import EventLoop
import Model
import SystemCalls

@ControlPlane final class Rollouts {
    /// One that has ended is still news for so long.
    private static let keptAfterEnd = Duration.seconds(600)

    private struct Told {
        let notice: RolloutNotice
        let at: Timestamp
        let until: MonotonicTime
    }

    /// One a pool: of those that are gone, until somebody asks or tells.
    private var told: [ObjectIdentifier: (pool: WeakPool, last: Told)] = [:]
    private let clock = LoopClock()

    private struct WeakPool { weak var pool: Pool? }

    nonisolated init() {}

    func note(_ notice: RolloutNotice, of pool: Pool) {
        told = told.filter { $0.value.pool.pool != nil }
        // The end of an earlier one that comes late is none of the one that runs.
        if let last = current(pool)?.notice, last.id != notice.id, !last.state.hasEnded, notice.state.hasEnded { return }
        let kept = notice.state.hasEnded ? Rollouts.keptAfterEnd : notice.lease
        told[ObjectIdentifier(pool)] = (WeakPool(pool: pool), Told(notice: notice, at: Clocks.calendar(), until: clock.now.advanced(by: kept)))
    }

    func standing(of pool: Pool) -> RolloutStanding? { current(pool).map { RolloutStanding($0.notice, at: $0.at) } }

    private func current(_ pool: Pool) -> Told? {
        guard let entry = told[ObjectIdentifier(pool)], entry.pool.pool === pool else { return nil }
        guard clock.now < entry.last.until else {
            told[ObjectIdentifier(pool)] = nil
            return nil
        }
        return entry.last
    }
}

extension CommandHandler {
    func note(_ notice: RolloutNotice, _ answer: Answer) async throws(Failure) {
        let pool = try find(notice.pool)
        status.rollouts.note(notice, of: pool)
        guard let standing = status.rollouts.standing(of: pool) else { throw Failure(.failed, "its lease is over already") }
        try await answer.tell(RolloutNoticeRecord(pool: notice.pool, standing))
    }
}
