// The commands about what a pool's backends get of new connections for a while, and what was measured of them.
import Model

/// Parts of weights, under a lease.
package struct ShareOrder: Equatable, Sendable {
    package struct Share: Equatable, Sendable {
        package let backend: BackendReference
        /// 0: only where no other can take a connection.
        package let percent: Int

        package init(_ backend: BackendReference, percent: Int) {
            self.backend = backend
            self.percent = percent
        }
    }

    /// Of one pool; those that are not named get all of their weights.
    package let shares: [Share]
    /// nil: the user behind the socket.
    package let owner: String?
    package let reason: String?
    package let lease: Duration

    /// `shares`: at least one, and all of one pool.
    package init(_ shares: [Share], owner: String? = nil, reason: String? = nil, lease: Duration) {
        self.shares = shares
        self.owner = owner
        self.reason = reason
        self.lease = lease
    }

    package var pool: PoolName {
        guard let first = shares.first else { preconditionFailure("an order of shares names a backend") }
        return first.backend.pool
    }
}

extension Verb {
    static let shareVerbs = [
        Verb(
            name: "share", arguments: "POOL/BACKEND=PERCENT... lease=D [owner=NAME] [reason=TEXT]",
            doc: "for a while these get only so much of their weights of new connections; 0: only what no other can take; the pool's others get all",
            keys: ["lease", "owner", "reason"], takesShares: true),
        Verb(
            name: "unshare", arguments: "POOL [owner=NAME] [force=yes]", doc: "all of the pool's backends get all of their weights again",
            keys: ["owner", "force"]),
        Verb(
            name: "measure", arguments: "POOL [ages=yes]",
            doc: "what the pool and its backends carry and have carried at most, and what became of their connections", keys: ["ages"]),
    ]
}

extension Arguments {
    mutating func shareOrder() throws(LineError) -> ShareOrder {
        var shares: [ShareOrder.Share] = []
        while let word = word() {
            let share = try ShareOrder.Share(written: word)
            guard !shares.contains(where: { $0.backend == share.backend }) else { throw LineError(description: "'\(share.backend)' stands twice") }
            shares.append(share)
        }
        guard let pool = shares.first?.backend.pool else { throw LineError(description: "'share' needs a backend: \(verb.usage)") }
        guard shares.allSatisfy({ $0.backend.pool == pool }) else {
            throw LineError(description: "shares are set for one pool at once: write a command for each")
        }
        guard let lease = try time("lease") else {
            throw LineError(description: "'share' needs a lease: how long it lasts unless it is given again, such as lease=30s")
        }
        return ShareOrder(shares, owner: try text("owner"), reason: try text("reason"), lease: lease)
    }

    mutating func onePool() throws(LineError) -> PoolName {
        guard let word = word() else { throw LineError(description: "'\(verb.name)' needs a pool: \(verb.usage)") }
        do { return try PoolName(word) } catch { throw LineError(description: error.description) }
    }
}

extension ShareOrder.Share {
    /// `POOL/BACKEND=PERCENT`
    package init(written word: String) throws(LineError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let percent = Int(parts[1]), (0...100).contains(percent) else {
            throw LineError(description: "'\(word.escapedForOneLine)' is no share: write POOL/BACKEND=PERCENT, from 0 to 100")
        }
        do { self.init(try BackendReference(String(parts[0])), percent: percent) } catch {
            throw LineError(description: error.description)
        }
    }
}

extension ShareOrder {
    var words: [String] {
        ["share"] + shares.map { "\($0.backend)=\($0.percent)" } + ["lease=\(lease.written)"]
            + (owner.map { ["owner=\($0)"] } ?? []) + (reason.map { ["reason=\($0)"] } ?? [])
    }
}

/// A pool's shares as they are reported.
package struct SharesReport: Codable, Equatable, Sendable {
    package var owner: String
    package var reason: String?
    package var since: String
    package var lease: Double
    package var leaseUntil: String
    /// In percent of its weight, by backend; who is not named has all of it.
    package var percents: [String: Int]

    package init(_ shares: PoolShares) {
        owner = shares.owner
        reason = shares.reason
        since = shares.since.rfc3339
        lease = shares.lease.inSeconds
        leaseUntil = shares.until.rfc3339
        percents = Dictionary(uniqueKeysWithValues: shares.percents.map { ($0.key.text, $0.value) })
    }
}

/// The answer to `share` and `unshare`.
package struct SharesRecord: Codable, Equatable, Sendable {
    package var pool: String
    /// Absent: every backend has all of its weight.
    package var shares: SharesReport?

    package init(pool: PoolName, shares: PoolShares?) {
        self.pool = pool.text
        self.shares = shares.map(SharesReport.init)
    }

    package var text: String {
        guard let shares, !shares.percents.isEmpty else { return "pool \(pool): every backend gets all of its weight of new connections" }
        let parts = shares.percents.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value) %" }
        return "pool \(pool): of their weights \(parts.joined(separator: ", ")), until \(shares.leaseUntil)"
    }
}
