// lbctl rollout: the verbs, the options that its rollouts have in common, and how they speak.
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
            RolloutPlanCommand.self, RolloutRunCommand.self, RolloutResumeCommand.self, RolloutStatusCommand.self, RolloutPauseCommand.self,
            RolloutContinueCommand.self, RolloutDoneCommand.self, RolloutAbortCommand.self, RolloutListCommand.self, RolloutShowCommand.self,
            RolloutReportCommand.self, RolloutVerifyCommand.self,
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

enum StrategyName: String, ExpressibleByArgument, CaseIterable, Sendable {
    case rolling
    case hotStandby = "hot-standby"
}

/// How many of a pool: a number, or a part of it.
struct PoolPart: Sendable, Equatable {
    let number: Int
    let isPercentage: Bool

    init(_ text: String) throws {
        isPercentage = text.hasSuffix("%")
        let digits = isPercentage ? text.dropLast() : text[...]
        guard let number = Int(digits), digits.allSatisfy({ $0.isASCII && $0.isNumber }), (1...(isPercentage ? 100 : 100_000)).contains(number) else {
            throw ValidationError("'\(text.escapedForOneLine)': write a number of backends from 1, such as 2, or a part of the pool such as 25%")
        }
        self.number = number
    }

    /// Rounded down, but at least one.
    func count(of whole: Int) -> Int { isPercentage ? max(1, whole * number / 100) : number }
}

/// The text of `--restart`, and the words that it is without a shell.
struct RestartText: Sendable {
    let text: String
    let words: [String]

    init(_ text: String) throws {
        self.text = text
        words = try Word.command(text).words
    }
}

/// `web-1,web-2`, or with the pool's name before each.
struct NodeList: Sendable {
    let names: [BackendName]
    /// Those that were named.
    let pools: [PoolName]

    init(_ text: String) throws {
        var names: [BackendName] = [], pools: [PoolName] = []
        for word in text.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
            if word.contains("/") {
                let backend = try Word.backend(word)
                names.append(backend.backend)
                pools.append(backend.pool)
            } else {
                do { names.append(try BackendName(word)) } catch { throw ValidationError("'\(word.escapedForOneLine)' is no backend: \(error)") }
            }
        }
        (self.names, self.pools) = (names, pools)
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
        transform: RestartText.init)
    var restart: RestartText?

    @Flag(help: "The text of --restart is run by sh -c; what is filled in is quoted for it.")
    var shell = false

    @Option(
        help: ArgumentHelp(
            "How to bring one backend back to the release before, where the new one is bad or does not come up. (default: the configuration's; without one what failed stays out)",
            valueName: "command"),
        transform: Word.command)
    var rollback: CommandTemplate?

    @Option(help: ArgumentHelp("Only these backends of the pool, such as web-2,web-3; the others are left as they are, and counted.", valueName: "node,…"), transform: NodeList.init)
    var only: NodeList?

    @Option(help: ArgumentHelp("Only this backend and those after it, as the pool has them.", valueName: "node"), transform: NodeList.init)
    var from: NodeList?

    @Option(help: ArgumentHelp("All but these backends.", valueName: "node,…"), transform: NodeList.init)
    var skip: NodeList?

    @Option(help: ArgumentHelp("How many make one wave: a number, or a part of the pool such as 25%.", valueName: "n|p%"), transform: PoolPart.init)
    var batch: PoolPart?

    @Option(help: ArgumentHelp("How many may be out at once, for whatever reason. (default: as many as a wave has)", valueName: "n"))
    var maxUnavailable: Int?

    @Option(help: ArgumentHelp("The size of the first wave.", valueName: "n"))
    var canary: Int?

    @Option(help: ArgumentHelp("How long the first wave is watched before the next begins, with --canary; with --strategy hot-standby the pool that the traffic was switched to.", valueName: "duration"), transform: Word.duration)
    var bake: Duration?

    @Option(help: "'rolling' restarts in waves among the others; 'hot-standby' sends all traffic to another pool and restarts the idle one.")
    var strategy = StrategyName.rolling

    @Option(help: ArgumentHelp("The other pool, with --strategy hot-standby.", valueName: "pool"), transform: Word.pool)
    var standby: PoolName?

    @Flag(help: "With --strategy hot-standby: send the traffic back when all is done.")
    var switchBack = false

    @Flag(help: "Refuse also where nobody knows what the backends can carry.")
    var requireProof = false

    @Option(help: ArgumentHelp("How long one backend may take to become empty. (default: the pool's drain deadline)", valueName: "duration"), transform: Word.duration)
    var drainDeadline: Duration?

    @Option(help: "What to do when it is not empty by then: 'abort' puts it back and stops, exit status 3; 'close' closes what is left, idle connections first, at a pace that the others can take; 'reset' resets it.")
    var atDeadline = AtDeadline.abort

    @Option(help: ArgumentHelp("How long a restart may take, a person's too. (default: the configuration's, else \(restartTimeout.written); a person may take any time)", valueName: "duration"), transform: Word.duration)
    var restartTimeout: Duration?

    @Option(help: ArgumentHelp("How long until the probes of a restarted backend must say up. (default: \(readyTimeout.written))", valueName: "duration"), transform: Word.duration)
    var readyTimeout: Duration?

    var selection: Selection {
        var selection = Selection()
        (selection.only, selection.from, selection.skip) = (only?.names, from?.names.first, skip?.names ?? [])
        return selection
    }

    func validate() throws {
        guard !shell || restart != nil else { throw ValidationError("--shell is about the text of --restart: give it too") }
        guard only == nil || from == nil else { throw ValidationError("--only and --from choose both: give one of them") }
        guard from?.names.count ?? 1 == 1 else { throw ValidationError("--from takes one backend") }
        for list in [only, from, skip].compactMap({ $0 }) {
            guard let other = list.pools.first(where: { $0 != pool }) else { continue }
            throw ValidationError("a backend of pool \(other) is none of pool \(pool)")
        }
        if let both = only?.names.first(where: { skip?.names.contains($0) ?? false }) { throw ValidationError("\(both) is in --only and in --skip") }
        guard (maxUnavailable ?? 1) >= 1 else { throw ValidationError("--max-unavailable is at least 1") }
        guard (canary ?? 1) >= 1 else { throw ValidationError("--canary is at least 1") }
        guard canary == nil || strategy == .rolling else {
            throw ValidationError("--canary is for --strategy rolling: a pool that serves nobody has no first wave; --bake alone watches the pool that all traffic was switched to")
        }
        guard bake == nil || canary != nil || strategy == .hotStandby else { throw ValidationError("--bake is how long the first wave is watched: give --canary N too") }
        guard (strategy == .hotStandby) == (standby != nil) else {
            throw ValidationError("--strategy hot-standby and --standby POOL go together")
        }
        guard !switchBack || strategy == .hotStandby else { throw ValidationError("--switch-back is for --strategy hot-standby") }
        guard standby == nil || standby != pool else { throw ValidationError("the standby must be another pool than \(pool)") }
    }
}

extension GlobalOptions {
    /// As it was called, with the sockets where they were named: for lines to paste.
    var program: String {
        let name = CommandLine.arguments.first ?? "lbctl"
        return ([name] + control.flatMap { ["--control", $0] }).map(\.shellQuoted).joined(separator: " ")
    }
}
