// The verbs about shares and measurements: share, unshare, measure.
import ControlProtocol
import EventLoop
import Model

extension CommandHandler {
    func share(_ order: ShareOrder, by user: String, _ answer: Answer) async throws(Failure) {
        let pool = try find(order.pool)
        _ = try find(order.shares.map(\.backend))
        try await shares.set(pool, order, by: user)
        try await answer.tell(SharesRecord(pool: order.pool, shares: pool.shares))
    }

    func unshare(_ name: PoolName, _ owner: String?, force: Bool, by user: String, _ answer: Answer) async throws(Failure) {
        let pool = try find(name)
        try await shares.end(pool, owner: owner, force: force, by: user)
        try await answer.tell(SharesRecord(pool: name, shares: pool.shares))
    }
}
