// The first line of a journal: all that a machine must know to be built again.
import Model

package struct JournalBegin: Codable, Equatable, Sendable {
    package struct Way: Codable, Equatable, Sendable {
        package var command: [String]?
        package var unit: String?
        package var host: String?
        package var manual: String?
    }

    package struct Step: Codable, Equatable, Sendable {
        package var backend: String
        package var address: String
        package var restart: Way
        package var rollback: Way?
        package var version: [String]?
    }

    package struct Limits: Codable, Equatable, Sendable {
        package var drain: Double
        package var restart: Double
        package var ready: Double
        /// Absent: a person may take as long as it takes.
        package var byHand: Double?
        package var atDeadline: DrainEnd
    }

    package struct Standby: Codable, Equatable, Sendable {
        package var pool: String
        package var backends: [String]
        package var listeners: [String]
        package var switchesBack: Bool
        /// Absent: none.
        package var bake: Double?
    }

    package struct Policy: Codable, Equatable, Sendable {
        /// nil: rolling.
        package var standby: Standby?
        package var batch: Int
        package var unavailableMax: Int
        package var canary: Int
        package var bake: Double
        package var requiresProof: Bool
    }

    /// Of this record's format.
    package var format: Int
    /// The version of Sluice that wrote it.
    package var version: String
    /// The rollout's name and its folder's.
    package var id: String
    /// Under what name it drains.
    package var owner: String
    /// Paths of the balancers' control sockets.
    package var balancers: [String]
    package var pool: String
    package var steps: [Step]
    package var leftOut: [String]
    /// Absent: all were chosen.
    package var notChosen: [String]?
    package var out: [String]
    package var limits: Limits
    package var policy: Policy
    /// As it was called, word by word.
    package var commandLine: [String]
    /// Where it was called: what is relative in its commands is meant from there. Absent in journals of older versions.
    package var folder: String?
    /// What was proved and predicted before it began, for people.
    package var proof: [String]
}

/// What a machine is built from.
package struct RolloutOrder: Equatable, Sendable {
    package var id: String
    package var owner: String
    package var balancers: [String]
    package var plan: Plan
    package var limits: RolloutLimits
    package var policy: Policy
    package var commandLine: [String]
    /// Where it was called; nil: not known.
    package var folder: String?
    package var proof: [String]

    package init(
        id: String, owner: String, balancers: [String], plan: Plan, limits: RolloutLimits, policy: Policy = Policy(),
        commandLine: [String] = [], folder: String? = nil, proof: [String] = []
    ) {
        self.id = id
        self.owner = owner
        self.balancers = balancers
        self.plan = plan
        self.limits = limits
        self.policy = policy
        self.commandLine = commandLine
        self.folder = folder
        self.proof = proof
    }
}

extension JournalBegin {
    package init(_ order: RolloutOrder, version: String) {
        format = JournalRecord.format
        self.version = version
        id = order.id
        owner = order.owner
        balancers = order.balancers
        pool = order.plan.pool.text
        steps = order.plan.steps.map {
            Step(
                backend: $0.backend.description, address: $0.address.description, restart: Way($0.restart),
                rollback: $0.rollback.map(Way.init), version: $0.version)
        }
        leftOut = order.plan.leftOut.map(\.description)
        notChosen = order.plan.notChosen.isEmpty ? nil : order.plan.notChosen.map(\.description)
        out = order.plan.out.map(\.description)
        limits = Limits(
            drain: order.limits.drain.inSeconds, restart: order.limits.restart.inSeconds, ready: order.limits.ready.inSeconds,
            byHand: order.limits.byHand?.inSeconds, atDeadline: order.limits.atDeadline)
        policy = Policy(order.policy)
        commandLine = order.commandLine
        folder = order.folder
        proof = order.proof
    }

    /// Throws where it was written by a version that says more than this one understands.
    package func order() throws(JournalError) -> RolloutOrder {
        guard JournalRecord.formatsRead.contains(format) else {
            throw JournalError("it is of format \(format), and this lbctl reads \(JournalRecord.formatsRead.map(String.init).joined(separator: " and ")): use the one that wrote it, \(version)")
        }
        do {
            let plan = Plan(
                pool: try PoolName(pool), steps: try steps.map { try $0.step() }, leftOut: try leftOut.map { try BackendReference($0) },
                out: try out.map { try BackendReference($0) }, notChosen: try (notChosen ?? []).map { try BackendReference($0) })
            let limits = RolloutLimits(
                drain: Duration(inSeconds: limits.drain), restart: Duration(inSeconds: limits.restart),
                ready: Duration(inSeconds: limits.ready), byHand: limits.byHand.map(Duration.init(inSeconds:)), atDeadline: limits.atDeadline)
            return RolloutOrder(
                id: id, owner: owner, balancers: balancers, plan: plan, limits: limits, policy: try policy.policy(),
                commandLine: commandLine, folder: folder, proof: proof)
        } catch let error as JournalError { throw error } catch { throw JournalError("its plan cannot be read: \(error)") }
    }
}

extension JournalBegin.Way {
    init(_ way: RestartWay) {
        switch way {
        case .command(let words): self.init(command: words)
        case .systemd(let unit, let host): self.init(unit: unit, host: host)
        case .manual(let text): self.init(manual: text)
        }
    }

    func way() throws(JournalError) -> RestartWay {
        if let command { return .command(command) }
        if let unit { return .systemd(unit: unit, host: host) }
        if let manual { return .manual(manual) }
        throw JournalError("a step does not say how to restart")
    }
}

extension JournalBegin.Step {
    func step() throws -> Plan.Step {
        Plan.Step(
            backend: try BackendReference(backend), address: try Endpoint(address), restart: try restart.way(),
            rollback: try rollback?.way(), version: version)
    }
}

extension JournalBegin.Policy {
    init(_ policy: Rollout.Policy) {
        switch policy.strategy {
        case .rolling: standby = nil
        case .hotStandby(let standby):
            self.standby = JournalBegin.Standby(
                pool: standby.pool.text, backends: standby.backends.map(\.description), listeners: standby.listeners.map(\.text),
                switchesBack: standby.switchesBack, bake: standby.bake > .zero ? standby.bake.inSeconds : nil)
        }
        batch = policy.batch
        unavailableMax = policy.unavailableMax
        canary = policy.canary
        bake = policy.bake.inSeconds
        requiresProof = policy.requiresProof
    }

    func policy() throws -> Rollout.Policy {
        var policy = Rollout.Policy()
        if let standby {
            policy.strategy = .hotStandby(Rollout.Policy.Standby(
                pool: try PoolName(standby.pool), backends: try standby.backends.map { try BackendReference($0) },
                listeners: try standby.listeners.map { try ListenerName($0) }, switchesBack: standby.switchesBack,
                bake: standby.bake.map(Duration.init(inSeconds:)) ?? .zero))
        }
        policy.batch = batch
        policy.unavailableMax = unavailableMax
        policy.canary = canary
        policy.bake = Duration(inSeconds: bake)
        policy.requiresProof = requiresProof
        return policy
    }
}
