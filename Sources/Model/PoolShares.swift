// Parts of their weights that backends of a pool get of new connections for a while, by somebody's order.

package struct PoolShares: Equatable, Sendable {
    package let owner: String
    package let reason: String?
    package let since: Timestamp
    /// They end when they are not given again for so long.
    package let lease: Duration
    package let until: Timestamp
    /// In percent of the weight; 0: only where no other can take a connection. Who is not named has all of it.
    package let percents: [BackendName: Int]

    package init(owner: String, reason: String?, since: Timestamp, lease: Duration, until: Timestamp, percents: [BackendName: Int]) {
        self.owner = owner
        self.reason = reason
        self.since = since
        self.lease = lease
        self.until = until
        self.percents = percents.filter { $0.value < 100 }
    }

    /// `web-1 0 %, web-2 50 %`
    package var text: String {
        let parts = percents.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value) %" }
        return parts.isEmpty ? "all of their weights" : parts.joined(separator: ", ")
    }
}
