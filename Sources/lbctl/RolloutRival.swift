// Another rollout that has the pool or a backend of it: who carries it out, and what to type about it.
import ControlProtocol
import Model
import Orchestrator
import Rollout
import SystemCalls

struct RolloutRival: Sendable, Equatable {
    enum Standing: Sendable, Equatable {
        /// `words`: that name it to a verb.
        case running(words: String)
        case abandoned(words: String)
        /// What it left is for whoever mends it.
        case ended
        /// None of the rollouts that are stored here.
        case elsewhere
    }

    let owner: String
    let standing: Standing

    /// Nil: a person, or another program.
    init?(_ owner: String, among heads: [RolloutHead]) {
        guard owner.hasPrefix(Orchestrator.ownerPrefix) else { return nil }
        self.owner = owner
        if let head = heads.last(where: { $0.begin.owner == owner }) {
            let words = head.folder.words
            standing = head.hasEnded ? .ended : head.process == nil ? .abandoned(words: words) : .running(words: words)
        } else {
            standing = .elsewhere
        }
    }

    /// Why nothing else may begin in the pool.
    func text(of pool: PoolName) -> String {
        switch standing {
        case .running(let words): "pool \(pool) is being restarted by another rollout: lbctl rollout status \(words); to end it: lbctl rollout abort \(words)"
        case .abandoned(let words): "pool \(pool) is in the hands of a rollout that no process carries out any more: lbctl rollout resume \(words)"
        case .ended: "pool \(pool) was left by '\(owner)', a rollout that has ended"
        case .elsewhere: "pool \(pool) is being restarted by '\(owner)', a rollout of another machine or user: see lbctl rollout status there"
        }
    }

    /// Those that are in the way. `share`: of the pool's shares.
    static func obstacles(_ obstacles: [Obstacle], to pool: PoolName, share: SharesReport?, in store: RolloutStore) throws(Failure) -> [String] {
        let owners = obstacles.compactMap(\.owner) + (share.map { [$0.owner] } ?? [])
        // Journals are only read where there is one to be found in them.
        let heads = owners.contains { $0.hasPrefix(Orchestrator.ownerPrefix) } ? try stored(store) : []
        var lines: [String] = []
        if let share, let rival = RolloutRival(share.owner, among: heads) {
            lines.append("\(rival.text(of: pool)); its lease lasts until \(share.leaseUntil) unless it is renewed")
        }
        for obstacle in obstacles {
            let line = obstacle.owner.flatMap { RolloutRival($0, among: heads) }.flatMap { $0.line(of: pool) } ?? obstacle.description
            let isTold = obstacle.owner != nil && obstacle.owner == share?.owner && line != obstacle.description
            if !isTold, !lines.contains(line) { lines.append(line) }
        }
        return lines
    }

    /// Nil: its drain is to be ended as a person's is.
    private func line(of pool: PoolName) -> String? { standing == .ended ? nil : text(of: pool) }

    private static func stored(_ store: RolloutStore) throws(Failure) -> [RolloutHead] {
        do throws(SystemError) { return try store.heads() } catch { throw Failure(.failed, "the rollouts in \(store.path): \(error)") }
    }
}
