// Rollouts as they tell of themselves: kept as long as their leases, and a while after their ends or their last words.
import ControlProtocol
import EventLoop
import Model
import SystemCalls

@ControlPlane final class Rollouts {
    /// One that has ended is still news for so long.
    private static let keptAfterEnd = Duration.seconds(600)
    /// One that has fallen silent half-way is somebody's to look after.
    private static let keptSilent = Duration.seconds(24 * 3600)

    private struct Told {
        let notice: RolloutNotice
        let at: Timestamp
        var until: MonotonicTime
        /// Its lease has ended before it did.
        var isSilent = false

        var state: RolloutState { isSilent ? .abandoned : notice.state }
    }

    private struct WeakPool { weak var pool: Pool? }

    /// One a pool: of those that are gone, until somebody asks or tells.
    private var told: [ObjectIdentifier: (pool: WeakPool, last: Told)] = [:]
    /// Wait for the ends of the leases.
    private var leases: [ObjectIdentifier: Task<Void, Never>] = [:]
    private let events: EventLog
    private let clock = LoopClock()

    init(_ events: EventLog) { self.events = events }

    func note(_ notice: RolloutNotice, of pool: Pool) {
        told = told.filter { $0.value.pool.pool != nil }
        let last = current(pool)
        // The end of an earlier one that comes late is none of the one that runs.
        if let last, last.notice.id != notice.id, !last.state.hasEnded, notice.state.hasEnded { return }
        let kept = notice.state.hasEnded ? Rollouts.keptAfterEnd : notice.lease
        let key = ObjectIdentifier(pool)
        let now = Told(notice: notice, at: Clocks.calendar(), until: clock.now.advanced(by: kept))
        told[key] = (WeakPool(pool: pool), now)
        record(now, after: last?.notice.id == notice.id ? last : nil, of: pool.configuration.name)
        leases.removeValue(forKey: key)?.cancel()
        guard !notice.state.hasEnded else { return }
        leases[key] = start { [weak self, weak pool] in
            guard await pause(for: kept), !Task.isCancelled, let self, let pool else { return }
            self.fallSilent(pool)
        }
    }

    private func fallSilent(_ pool: Pool) {
        guard let entry = told[ObjectIdentifier(pool)], entry.pool.pool === pool else { return }
        var last = entry.last
        (last.isSilent, last.until) = (true, clock.now.advanced(by: Rollouts.keptSilent))
        told[ObjectIdentifier(pool)] = (entry.pool, last)
        record(last, after: entry.last, of: pool.configuration.name)
    }

    private func record(_ new: Told, after last: Told?, of pool: PoolName) {
        guard new.state != last?.state || new.notice.stepsDone != last?.notice.stepsDone else { return }
        let notice = new.notice
        events.record(.rollout(pool, RolloutTurn(
            id: notice.id, owner: notice.owner, from: last?.state, to: new.state, stepsDone: notice.stepsDone, steps: notice.steps)))
    }

    func standing(of pool: Pool) -> RolloutStanding? {
        current(pool).map { last in
            let standing = RolloutStanding(last.notice, at: last.at)
            return last.isSilent ? standing.silent : standing
        }
    }

    private func current(_ pool: Pool) -> Told? {
        guard let entry = told[ObjectIdentifier(pool)], entry.pool.pool === pool else { return nil }
        guard clock.now < entry.last.until || !entry.last.state.hasEnded else {
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
