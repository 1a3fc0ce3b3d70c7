// From the options and the balancers' reports to an order for a rollout, and all that is checked before it begins.
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Orchestrator
import Rollout
import SystemCalls

/// A plan against the balancers as they are now.
struct PreparedRollout: Sendable {
    let plan: Plan
    let limits: RolloutLimits
    let policy: Policy
    let balancers: [Balancer]
    /// Nil where the balancers do not measure, or the load is not the pool's to carry.
    let forecast: RolloutForecast?
    /// What each answered that was asked for its release.
    private(set) var releases: [BackendReference: RolloutMachine.VersionEnd] = [:]
    private let requiresProof: Bool
    /// What speaks against it in the pool itself, other rollouts first.
    private let hindrances: [String]

    @ControlPlane init(_ options: RolloutOptions, at balancers: [Balancer], earlier: EarlierTimes, store: RolloutStore) async throws(Failure) {
        self.balancers = balancers
        let statuses = try await PreparedRollout.statuses(balancers)
        let pools = try statuses.map { status throws(Failure) in try PreparedRollout.pool(options.pool, in: status) }
        let snapshot = try PoolSnapshot(reading: pools)
        let ways = try Ways(options, pools[0])
        if let stranger = options.selection.stranger(in: snapshot) { throw PreparedRollout.unknown(stranger, snapshot) }
        do throws(TemplateError) {
            plan = try Plan(pool: snapshot, choosing: options.selection, restart: ways.restart, rollback: ways.rollback, version: ways.version)
        } catch {
            throw Failure(.badUsage, "the restart command: \(error)")
        }
        let seconds = { (seconds: Double) in Duration.milliseconds(Int64(seconds * 1000)) }
        limits = RolloutLimits(
            drain: options.drainDeadline ?? seconds(pools[0].drainDeadline),
            restart: options.restartTimeout ?? pools[0].restart.map { seconds($0.timeout) } ?? RolloutOptions.restartTimeout,
            ready: options.readyTimeout ?? RolloutOptions.readyTimeout,
            // The configuration's, which has a default, is about commands.
            byHand: options.restartTimeout, atDeadline: options.atDeadline.end)
        policy = try PreparedRollout.policy(options, plan, statuses[0])
        requiresProof = options.requireProof
        let share = pools.compactMap(\.shares).first { $0.owner.hasPrefix(Orchestrator.ownerPrefix) }
        // A pool that serves nobody may lose any of its backends.
        let idle = plan.steps.isEmpty ? plan.obstacles : plan.steps.compactMap { Obstacle(toIdle: $0, in: snapshot) }
        hindrances = try RolloutRival.obstacles(options.standby == nil ? plan.obstacles : idle, to: options.pool, share: share, in: store)
        forecast = await RolloutForecast(
            plan, policy, limits, at: balancers, connections: snapshot.connections, earlier: earlier)
    }

    /// Of each balancer, all of it: one that does not answer ends the rollout here.
    @ControlPlane private static func statuses(_ balancers: [Balancer]) async throws(Failure) -> [StatusReport] {
        var statuses: [StatusReport] = []
        for balancer in balancers {
            statuses.append(try await balancer.status(.everything, silenceMax: .seconds(10)))
        }
        return statuses
    }

    private static func pool(_ name: PoolName, in status: StatusReport) throws(Failure) -> PoolReport {
        if let pool = status.pools.first(where: { $0.name == name.text }) { return pool }
        let nearest = name.text.nearest(among: status.pools.map(\.name)).map { "; did you mean '\($0)'?" } ?? ""
        throw Failure(.failed, "there is no pool \(name)\(nearest)")
    }

    private static func unknown(_ name: BackendName, _ pool: PoolSnapshot) -> Failure {
        let nearest = name.text.nearest(among: pool.backends.map(\.name.text)).map { "; did you mean '\($0)'?" } ?? ""
        return Failure(.failed, "there is no backend \(pool.name)/\(name)\(nearest)")
    }

    private static func policy(_ options: RolloutOptions, _ plan: Plan, _ status: StatusReport) throws(Failure) -> Policy {
        var policy = Policy()
        policy.batch = options.batch?.count(of: plan.poolSize) ?? 1
        policy.unavailableMax = options.maxUnavailable ?? policy.batch
        policy.canary = options.canary ?? 0
        policy.bake = options.bake ?? .zero
        policy.requiresProof = options.requireProof
        guard let name = options.standby else { return policy }
        let standby = try pool(name, in: status)
        let listeners = status.listeners.filter { $0.pool == plan.pool.text }
        guard !listeners.isEmpty else {
            throw Failure(.refused, "no listener leads to pool \(plan.pool): there is no traffic to switch, so restart it with --strategy rolling")
        }
        do {
            let backends = try standby.backends.filter { $0.wish == .ready && !$0.removing }.map {
                BackendReference(pool: name, backend: try BackendName($0.name))
            }
            policy.strategy = .hotStandby(Policy.Standby(
                pool: name, backends: backends, listeners: try listeners.map { try ListenerName($0.name) }, switchesBack: options.switchBack,
                bake: options.bake ?? .zero))
            policy.bake = .zero
        } catch { throw Failure(.failed, "the balancer reports names that this lbctl cannot read: \(error)") }
        return policy
    }

    /// Why it must not begin now; empty when it may.
    var obstacles: [String] {
        switch policy.strategy {
        case .hotStandby: return hindrances + untold + unproved
        case .rolling:
            let count = plan.poolSize
            let tooMany = policy.unavailableMax >= count && count > 1
                ? ["\(policy.unavailableMax) may be out at once, and pool \(plan.pool) has \(count) backends: nobody would be left to serve"] : []
            return hindrances + untold + tooMany + crowded + unproved
        }
    }

    /// Whoever is out and not chosen stays out, and counts.
    private var crowded: [String] {
        let missing = plan.notChosen.filter(plan.out.contains)
        let most = missing.count + policy.batch
        guard !missing.isEmpty, most > policy.unavailableMax else { return [] }
        let names = missing.map(\.description).joined(separator: ", ")
        return ["\(names) \(missing.count == 1 ? "is" : "are") out and not chosen: with \(policy.batch) more \(most) would be out at once; --max-unavailable \(most) allows it"]
    }

    /// Found now, and not when its turn has come and others are restarted already.
    private var untold: [String] {
        plan.steps.compactMap { step in
            switch releases[step.backend] {
            case .version, nil: nil
            case .failed(let reason):
                "\(step.backend) cannot be asked for its release: \(reason); asked was: \((step.version ?? []).map(\.shellQuoted).joined(separator: " "))"
            }
        }
    }

    /// Asks every backend for its release, which changes nothing.
    @ControlPlane mutating func askReleases() async { releases = await ReleaseQuestions.ask(plan.steps) }

    private var unproved: [String] {
        guard let forecast else { return requiresProof ? ["not provable: the balancers do not measure what the backends carry"] : [] }
        switch forecast.proof.outcome {
        case .proved: return []
        case .notProvable: return requiresProof ? [forecast.proof.headline(forecast.window)] : []
        case .refused: return [forecast.proof.headline(forecast.window)]
        }
    }

    /// What to say before it begins all the same; nil: nothing.
    var warning: String? {
        guard let forecast, forecast.proof.outcome == .notProvable else { return nil }
        return forecast.proof.lines(window: forecast.window).joined(separator: "\n")
    }

    /// Programs that are not there are found before the first drain.
    func checkPrograms() throws(Failure) {
        for step in plan.steps {
            for case .command(let words) in [step.restart, step.rollback].compactMap({ $0 }) { try checkProgram(words, of: step) }
            if let version = step.version { try checkProgram(version, of: step) }
        }
    }

    private func checkProgram(_ words: [String], of step: Plan.Step) throws(Failure) {
        guard let name = words.first, Programs.find(name) == nil else { return }
        throw Failure(.failed, "how \(step.backend) is restarted: there is no program '\(name.escapedForOneLine)' that may be run here; nothing was touched")
    }

    /// Whoever resumes may stand in another folder.
    static func absolute(_ path: String) -> String {
        do throws(SystemError) { return Files.resolve(path, in: try Files.workingFolder()) } catch { return path }
    }

    private static var workingFolder: String? {
        do throws(SystemError) { return try Files.workingFolder() } catch { return nil }
    }

    func order(id: String, owner: String) -> RolloutOrder {
        RolloutOrder(
            id: id, owner: owner, balancers: balancers.map { PreparedRollout.absolute($0.control) }, plan: plan, limits: limits, policy: policy,
            commandLine: CommandLine.arguments, folder: PreparedRollout.workingFolder, proof: forecast?.lines ?? [])
    }
}

/// How one backend is restarted, brought back, and asked for its release.
private struct Ways {
    let restart: RestartTemplate
    let rollback: RestartTemplate?
    let version: CommandTemplate?

    init(_ options: RolloutOptions, _ pool: PoolReport) throws(Failure) {
        if let given = options.restart {
            restart = options.shell ? .shell(given.text) : .command(given.words)
        } else if let configured = pool.restart {
            restart = configured.way
        } else {
            throw Failure(
                .badUsage,
                "how shall a backend of \(options.pool) be restarted? Give --restart 'COMMAND', or pools: \(options.pool): restart: { command: […] } in the configuration")
        }
        rollback = (options.rollback?.words ?? pool.restart?.rollback).map { .command($0) }
        do throws(TemplateError) {
            if let words = pool.restart?.version { version = try CommandTemplate(words) } else { version = nil }
        } catch { throw Failure(.badUsage, "the version command of pool \(options.pool) in the configuration: \(error)") }
    }
}
