// lbctl rollout: what its verbs share: the pool, the restart command, and the plan made from both.
import ArgumentParser
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Orchestrator
import Rollout

struct RolloutCommand: VerbGroup {
    static let configuration = CommandConfiguration(
        commandName: "rollout", abstract: "Restarts the backends of a pool, one after the other, without losing a connection.",
        subcommands: [
            RolloutPlanCommand.self, RolloutRunCommand.self, RolloutStatusCommand.self, RolloutPauseCommand.self, RolloutContinueCommand.self,
            RolloutDoneCommand.self, RolloutAbortCommand.self, RolloutListCommand.self, RolloutShowCommand.self, RolloutReportCommand.self,
        ])

    @OptionGroup var global: GlobalOptions
}

enum AtDeadline: String, ExpressibleByArgument, CaseIterable, Sendable {
    case abort, close, reset

    /// As the balancer is told.
    var end: DrainEnd {
        switch self {
        case .abort: .keep
        case .close: .close
        case .reset: .reset
        }
    }
}

struct RolloutOptions: ParsableArguments, Sendable {
    static let readyTimeout = Duration.seconds(60)
    static let restartTimeout = Duration.seconds(120)

    @Argument(help: "The pool whose backends are restarted.", transform: Word.pool)
    var pool: PoolName

    @Option(
        help: ArgumentHelp(
            "How to restart one backend: a program and its arguments, quoted as in a shell but not run by one. {pool}, {backend}, {address}, {host} and {port} are filled in. (default: the pool's restart command in the configuration)",
            valueName: "command"),
        transform: Word.command)
    var restart: CommandTemplate?

    @Option(help: ArgumentHelp("How long one backend may take to become empty. (default: the pool's drain deadline)", valueName: "duration"), transform: Word.duration)
    var drainDeadline: Duration?

    @Option(help: "What to do when it is not empty by then: 'abort' puts it back and stops, exit status 3; 'close' closes what is left, idle connections first, at a pace that the others can take; 'reset' resets it.")
    var atDeadline = AtDeadline.abort

    @Option(help: ArgumentHelp("How long a restart may take. (default: the configuration's, else \(restartTimeout.written))", valueName: "duration"), transform: Word.duration)
    var restartTimeout: Duration?

    @Option(help: ArgumentHelp("How long until the probes of a restarted backend must say up. (default: \(readyTimeout.written))", valueName: "duration"), transform: Word.duration)
    var readyTimeout: Duration?
}

/// A plan against one balancer, as it is now.
struct PreparedRollout: Sendable {
    let plan: Plan
    let limits: RolloutLimits

    @ControlPlane init(_ options: RolloutOptions, at balancer: Balancer) async throws(Failure) {
        let report = try await balancer.status(.pool(options.pool))
        guard let pool = report.pools.first(where: { $0.name == options.pool.text }) else {
            throw Failure(.failed, "\(balancer.control): the balancer reports no pool \(options.pool)")
        }
        let template = try PreparedRollout.template(options, pool)
        let snapshot = try PoolSnapshot(reading: pool)
        do throws(TemplateError) { plan = try Plan(pool: snapshot, restart: template) } catch {
            throw Failure(.badUsage, "the restart command: \(error)")
        }
        let seconds = { (seconds: Double) in Duration.milliseconds(Int64(seconds * 1000)) }
        limits = RolloutLimits(
            drain: options.drainDeadline ?? seconds(pool.drainDeadline),
            restart: options.restartTimeout ?? pool.restart.map { seconds($0.timeout) } ?? RolloutOptions.restartTimeout,
            ready: options.readyTimeout ?? RolloutOptions.readyTimeout, atDeadline: options.atDeadline.end)
    }

    private static func template(_ options: RolloutOptions, _ pool: PoolReport) throws(Failure) -> CommandTemplate {
        if let given = options.restart { return given }
        guard let configured = pool.restart else {
            throw Failure(
                .badUsage,
                "how shall a backend of \(options.pool) be restarted? Give --restart 'COMMAND', or pools: \(options.pool): restart: { command: […] } in the configuration")
        }
        do throws(TemplateError) { return try CommandTemplate(configured.command) } catch {
            throw Failure(.badUsage, "the restart command of pool \(options.pool) in the configuration: \(error)")
        }
    }
}

extension GlobalOptions {
    /// A rollout with several balancers in front of one pool would have to drain at all of them.
    func onlyBalancer() throws(Failure) -> Balancer {
        let balancers = balancers
        guard balancers.count == 1 else {
            throw Failure(
                .badUsage, "a rollout works with one balancer in this version, and \(balancers.count) are given: "
                    + balancers.map(\.control).joined(separator: ", ") + "; give one --control")
        }
        return balancers[0]
    }
}
