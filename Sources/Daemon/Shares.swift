// Leased shares: for a while, and by somebody's order, backends of a pool get only a part of their weights of new connections.
import ControlProtocol
import EventLoop
import Model
import SystemCalls

@ControlPlane final class Shares {
    private let table: PoolTable
    private let events: EventLog
    private var leases: [PoolName: Task<Void, Never>] = [:]

    init(table: PoolTable, events: EventLog) {
        self.table = table
        self.events = events
    }

    /// All of the pool's shares at once: who is not named gets all of its weight again. Returns when every worker goes by them.
    func set(_ pool: Pool, _ order: ShareOrder, by user: String) async throws(Failure) {
        let owner = order.owner ?? user
        try checkOwner(of: pool, owner, force: false, verb: "share")
        let now = Clocks.calendar()
        let before = pool.shares
        let shares = PoolShares(
            owner: owner, reason: order.reason, since: before?.since ?? now, lease: order.lease,
            until: Timestamp(milliseconds: now.milliseconds + order.lease.wholeMilliseconds),
            percents: Dictionary(uniqueKeysWithValues: order.shares.map { ($0.backend.backend, $0.percent) }))
        pool.shares = shares
        let isRenewal = before.map { $0.percents == shares.percents && $0.reason == shares.reason } ?? false
        events.record(.shared(pool.configuration.name, shares, isRenewal: isRenewal))
        runLease(pool, shares)
        try await publish(pool)
    }

    func end(_ pool: Pool, owner: String?, force: Bool, by user: String) async throws(Failure) {
        let owner = owner ?? user
        try checkOwner(of: pool, owner, force: force, verb: "unshare")
        guard pool.shares != nil else { return }
        end(pool, by: owner == user ? user : "\(owner) (\(user))", reason: nil)
        try await publish(pool)
    }

    private func end(_ pool: Pool, by user: String, reason: String?) {
        leases.removeValue(forKey: pool.configuration.name)?.cancel()
        pool.shares = nil
        events.record(.unshared(pool.configuration.name, by: user, reason: reason))
    }

    private func publish(_ pool: Pool) async throws(Failure) {
        table.mark(pool)
        table.publishNow()
        guard await table.holds(table.generation, in: CollectionOfOne(pool)) else { throw Failure(.failed, "interrupted") }
    }

    private func checkOwner(of pool: Pool, _ owner: String, force: Bool, verb: String) throws(Failure) {
        guard let shares = pool.shares, shares.owner != owner, !force else { return }
        throw Failure(
            .refused, "the shares of pool \(pool.configuration.name) are \(shares.owner)'s until \(shares.until.rfc3339), \(verb) by \(owner) refused; "
                + "only owner=\(RequestLine.quoted(shares.owner)) or unshare with force=yes ends them")
    }

    private func runLease(_ pool: Pool, _ shares: PoolShares) {
        leases[pool.configuration.name]?.cancel()
        leases[pool.configuration.name] = start { [weak self] in
            // As with a drain's lease: the renewal may come in the same round of the loop.
            guard await pause(for: shares.lease), !Task.isCancelled, pool.shares == shares else { return }
            self?.expire(pool, shares)
        }
    }

    private func expire(_ pool: Pool, _ shares: PoolShares) {
        // They went with their pool; one that has its name since then is another.
        guard table.pool(pool.configuration.name) === pool else { return leases[pool.configuration.name] = nil }
        end(pool, by: "lbd", reason: "the lease of \(shares.owner) was not renewed for \(shares.lease.spoken)")
        table.mark(pool)
        table.publishNow()
    }
}
