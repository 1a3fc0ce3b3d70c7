// What a rollout will do: which backends it restarts, in which order, with which command; or why it must not.
import Decisions
import Model

package struct Plan: Equatable, Sendable {
    package struct Step: Equatable, Sendable {
        package let backend: BackendReference
        package let address: Endpoint
        /// Placeholders filled in.
        package let restart: RestartWay
        /// How it is brought back to the release before.
        package let rollback: RestartWay?
        /// Prints which release it runs.
        package let version: [String]?

        package init(
            backend: BackendReference, address: Endpoint, restart: RestartWay, rollback: RestartWay? = nil, version: [String]? = nil
        ) {
            self.backend = backend
            self.address = address
            self.restart = restart
            self.rollback = rollback
            self.version = version
        }
    }

    package let pool: PoolName
    package let steps: [Step]
    /// In maintenance: out by an operator's wish, so not ours to restart or to bring back.
    package let leftOut: [BackendReference]
    /// Left as they are, by the selection.
    package let notChosen: [BackendReference]
    /// Take no connections as things are now, for whatever reason: known to be missing until they are restarted.
    package let out: [BackendReference]
    /// Why it must not begin as things are now, each with its remedy; empty when it may.
    package let obstacles: [Obstacle]

    /// As an earlier process has planned it and begun.
    init(pool: PoolName, steps: [Step], leftOut: [BackendReference], out: [BackendReference], notChosen: [BackendReference] = []) {
        self.notChosen = notChosen
        self.pool = pool
        self.steps = steps
        self.leftOut = leftOut
        self.out = out
        obstacles = []
    }

    /// Throws where a command does not fit a backend.
    package init(
        pool: PoolSnapshot, choosing selection: Selection = Selection(), restart: RestartTemplate, rollback: RestartTemplate? = nil,
        version: CommandTemplate? = nil
    ) throws(TemplateError) {
        let chosen = selection.chosen(of: pool.backends)
        let candidates = chosen.filter { $0.wish != .maintenance }
        // One that is down costs nothing while it is out and may be back after its restart: it goes first.
        let order = candidates.filter { $0.availability == .down } + candidates.filter { $0.availability != .down }
        var steps: [Step] = []
        for candidate in order {
            let backend = BackendReference(pool: pool.name, backend: candidate.name)
            var back: RestartWay?
            if let rollback { back = try RestartWay(rollback, for: backend, at: candidate.address) }
            steps.append(Step(
                backend: backend, address: candidate.address, restart: try RestartWay(restart, for: backend, at: candidate.address),
                rollback: back, version: try version?.filled(for: backend, at: candidate.address)))
        }
        self.pool = pool.name
        self.steps = steps
        notChosen = pool.backends.filter { backend in backend.wish != .maintenance && !chosen.contains { $0.name == backend.name } }.map {
            BackendReference(pool: pool.name, backend: $0.name)
        }
        leftOut = pool.backends.filter { $0.wish == .maintenance }.map { BackendReference(pool: pool.name, backend: $0.name) }
        out = pool.backends.filter { !$0.availability.isUsable }.map { BackendReference(pool: pool.name, backend: $0.name) }
        obstacles = steps.isEmpty
            ? [Obstacle(toAnyOf: pool)] : steps.compactMap { Obstacle(to: $0.backend, in: pool) }
    }
}

/// Why one backend must not be taken out now. Asked for every step before the rollout, and again before each drain.
package struct Obstacle: Equatable, Sendable, CustomStringConvertible {
    package let description: String
    /// Whose drain is in the way; nil: it is none that anybody signed.
    package let owner: String?

    package init?(to backend: BackendReference, in pool: PoolSnapshot) {
        guard let reason = Obstacle.reason(against: backend, in: pool) else { return nil }
        description = reason
        owner = pool[backend]?.drainOwner
    }

    /// The same for a step that was planned earlier: the backend must still be the one it was.
    package init?(to step: Plan.Step, in pool: PoolSnapshot) {
        owner = pool[step.backend]?.drainOwner
        if let now = pool[step.backend], now.address != step.address {
            description = "\(step.backend) has moved from \(step.address) to \(now.address) since the rollout began"
        } else if let reason = Obstacle.reason(against: step.backend, in: pool) {
            description = reason
        } else {
            return nil
        }
    }

    /// The same where the pool serves nobody: only what belongs to somebody else is in the way.
    package init?(toIdle step: Plan.Step, in pool: PoolSnapshot) {
        guard let now = pool[step.backend] else { return nil }
        owner = now.drainOwner
        if now.address != step.address {
            description = "\(step.backend) has moved from \(step.address) to \(now.address) since the rollout began"
        } else if let owner = now.drainOwner {
            description = "\(step.backend) is drained by '\(owner)'"
        } else if now.wish != .ready {
            description = "\(step.backend) is in \(now.wish.rawValue)"
        } else {
            return nil
        }
    }

    /// Where no backend is to be restarted.
    fileprivate init(toAnyOf pool: PoolSnapshot) {
        owner = nil
        description = pool.backends.isEmpty
            ? "pool \(pool.name) has no backends: there is nothing to restart"
            : pool.backends.contains { $0.wish != .maintenance }
            ? "every backend of pool \(pool.name) that was chosen is in maintenance, or none was: there is nothing to restart"
            : "every backend of pool \(pool.name) is in maintenance: there is nothing to restart"
    }

    private static func reason(against backend: BackendReference, in pool: PoolSnapshot) -> String? {
        guard let now = pool[backend] else { return "\(backend) is no longer in pool \(pool.name)" }
        if let owner = now.drainOwner {
            return "\(backend) is drained by '\(owner)': ask them, or end that drain: lbctl undrain \(backend) --owner \(owner.shellQuoted)"
        }
        switch now.wish {
        case .drain: return "\(backend) is drained already; to end that: lbctl undrain \(backend)"
        case .maintenance: return "\(backend) is in maintenance; to end that: lbctl ready \(backend)"
        case .ready:
            guard !pool.isServed(without: backend) else { return nil }
            return "without \(backend) nobody would serve pool \(pool.name): \(pool.describeOthers(than: backend))" + byHand(backend, in: pool)
        }
    }

    /// Empty where another backend could serve: that one is to be mended first.
    private static func byHand(_ backend: BackendReference, in pool: PoolSnapshot) -> String {
        guard pool.others(than: backend).isEmpty else { return "" }
        return "; by hand, with an outage: lbctl drain \(backend) --wait, then its restart, then lbctl probe \(backend), then lbctl undrain \(backend)"
    }
}

extension Plan {
    /// The same with a way back and a question for the release, for every step.
    package func with(rollback: RestartWay?, version: [String]?) -> Plan {
        let steps = steps.map {
            Step(backend: $0.backend, address: $0.address, restart: $0.restart, rollback: rollback, version: version)
        }
        return Plan(pool: pool, steps: steps, leftOut: leftOut, out: out, notChosen: notChosen)
    }

    /// Of the pool, but for those in maintenance.
    package var poolSize: Int { steps.count + notChosen.count }

    /// A person restarts them.
    package var isByHand: Bool { steps.contains { $0.restart.isManual } }
}
