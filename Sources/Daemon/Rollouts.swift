// Rollouts as they tell of themselves: running as long as their leases last, and kept a while after their ends.
import ControlProtocol
import EventLoop
import Model
import SystemCalls

@ControlPlane final class Rollouts {
    /// One that has ended is still news for so long, and one that fell silent until somebody has looked after it.
    private static let keptAfterEnd = Duration.seconds(600)
    private static let keptSilent = Duration.seconds(24 * 3600)

    private struct Told {
        let notice: RolloutNotice
        let at: Timestamp
        /// Without news until then it has died.
        let lease: MonotonicTime
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
        if let last = current(pool), last.notice.id != notice.id, !last.notice.state.hasEnded, !isSilent(last), notice.state.hasEnded { return }
        let now = clock.now
        told[ObjectIdentifier(pool)] = (WeakPool(pool: pool), Told(
            notice: notice, at: Clocks.calendar(), lease: now.advanced(by: notice.lease),
            until: now.advanced(by: notice.state.hasEnded ? Rollouts.keptAfterEnd : Rollouts.keptSilent)))
    }

    func standing(of pool: Pool) -> RolloutStanding? {
        current(pool).map { last in
            let standing = RolloutStanding(last.notice, at: last.at)
            return isSilent(last) ? standing.silent : standing
        }
    }

    private func isSilent(_ last: Told) -> Bool { !last.notice.state.hasEnded && clock.now >= last.lease }

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
