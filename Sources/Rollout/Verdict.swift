// How a rollout ended: why, in what state each backend is left, and what to type next.
import Model

package struct Verdict: Equatable, Sendable {
    package enum Phase: String, Equatable, Sendable {
        case looking, versioning, draining, restarting, probing, returning
        /// To the release before.
        case rollingBack
        /// After its step, in rotation.
        case serving
    }

    /// Why it ended before its last step was done.
    package enum Cause: Equatable, Sendable {
        case stopRequested
        /// Stopped twice: the backend in hand was left in this phase.
        case abandoned(BackendReference, Phase)
        case deadlinePassed(BackendReference, Duration)
        case refused(String)
        /// Our drain was ended by somebody else, or by its lease.
        case drainLost(BackendReference, reason: String)
        /// `output`: the last of what the restart command printed.
        case failed(BackendReference, Phase, reason: String, output: String)
        /// The restart command could not be started: nothing was done to the backend.
        case restartNotBegun(BackendReference, reason: String)
        /// The restart command was started, and nobody knows how it ended; never given again without a person's word.
        case restartUnknown(BackendReference, reason: String, output: String)
        /// The restarted ones do worse than the others.
        case badRelease(reason: String)
        /// `reason` says also where the traffic goes now.
        case switching(from: PoolName, to: PoolName, listeners: [ListenerName], reason: String)

        /// In a few words, for a progress line and for the drain's reason.
        package var short: String {
            switch self {
            case .stopRequested: "stopped by request"
            case .abandoned(_, .restarting): "stopped twice during its restart"
            case .abandoned: "stopped twice before its probes said up"
            case .deadlinePassed(_, let limit): "not empty within \(limit.spoken)"
            case .refused(let reason): reason
            case .drainLost(_, let reason): "no longer drained by this rollout: \(reason)"
            case .failed(_, .looking, let reason, _): "no status: \(reason)"
            case .failed(_, .versioning, let reason, _): "its version: \(reason)"
            case .failed(_, .draining, let reason, _): "drain failed: \(reason)"
            case .failed(_, .restarting, let reason, _): "restart failed: \(reason)"
            case .failed(_, .probing, let reason, _): "restarted, but not up: \(reason)"
            case .failed(_, .returning, let reason, _): "undrain failed: \(reason)"
            case .failed(_, .rollingBack, let reason, _): reason
            case .restartNotBegun(_, let reason): "its restart could not begin: \(reason)"
            case .restartUnknown(_, let reason, _): "what became of its restart is not known: \(reason)"
            case .failed(let backend, .serving, let reason, _): "\(backend) was restarted and up, but \(reason)"
            case .badRelease(let reason): "the release is bad: \(reason)"
            case .switching(_, let pool, _, let reason): "the traffic could not be switched to pool \(pool): \(reason)"
            }
        }

        /// The last that the restart command printed.
        var output: String? {
            switch self {
            case .failed(_, _, _, let output), .restartUnknown(_, _, let output): output
            case .stopRequested, .abandoned, .deadlinePassed, .refused, .drainLost, .restartNotBegun, .badRelease, .switching: nil
            }
        }
    }

    /// In what state a backend is left.
    package enum Fate: Equatable, Sendable {
        case untouched
        /// Restarted and in rotation.
        case restarted
        /// In rotation with the release before.
        case rolledBack
        /// Restarted and in rotation, but later seen to take no connections: `down`, `draining by 'alice'`.
        case outAgain(String)
        /// Our drain was ended by somebody else, or by its lease: what becomes of it is no longer ours to say.
        case drainLost(restartBegan: Bool, reason: String)
        /// Was drained, never restarted, and is in rotation again.
        case undone
        /// Drained until somebody undoes it.
        case held
        /// Drained, but only until its lease ends: the order to keep it so failed.
        case leased(reason: String)
        /// The order to undrain it failed: the lease brings it back.
        case unclear(reason: String)
    }

    package struct Node: Equatable, Sendable {
        package let backend: BackendReference
        package internal(set) var fate: Fate
        package internal(set) var times: StepTimes
    }

    package let pool: PoolName
    /// nil: every step was done.
    package let cause: Cause?
    /// In the order of the steps.
    package let nodes: [Node]
    /// Where all traffic goes, and stays.
    package let standby: Policy.Standby?

    init(plan: Plan, cause: Cause?, nodes: [Node], standby: Policy.Standby? = nil) {
        pool = plan.pool
        self.standby = standby
        self.cause = cause
        self.nodes = nodes
    }

    package var restarted: Int { nodes.count { $0.fate == .restarted } }
}

/// The words that make a verdict's advice something to paste.
package struct Wording: Equatable, Sendable {
    /// `lbctl`, with the options that reach this balancer.
    package let program: String
    /// The command line of this rollout, word by word.
    package let commandLine: [String]
    /// Under what name it drains.
    package let owner: String
    package let lease: Duration

    package init(program: String, commandLine: [String], owner: String, lease: Duration) {
        self.program = program
        self.commandLine = commandLine
        self.owner = owner
        self.lease = lease
    }

    var again: String { commandLine.map(\.shellQuoted).joined(separator: " ") }

    /// The same with another value for one option.
    func with(_ option: String, _ value: String, instead others: [String] = []) -> Wording {
        var words = commandLine
        for option in [option] + others { words = Wording.words(words, without: option) }
        return Wording(program: program, commandLine: words + [option, value], owner: owner, lease: lease)
    }

    func only(_ names: [String]) -> Wording { with("--only", names.joined(separator: ","), instead: ["--from", "--skip"]) }

    private static func words(_ all: [String], without option: String) -> [String] {
        var words: [String] = []
        for word in all where !word.hasPrefix(option + "=") {
            if words.last == option { words.removeLast() } else { words.append(word) }
        }
        return words
    }
}

extension Verdict {
    /// What happened, where each backend stands, and what to type next. Empty when all is done.
    package func explanation(_ wording: Wording) -> [String] {
        guard let cause else { return wayBack(wording) }
        var lines = ["rollout of pool \(pool) stopped after \(restarted) of \(nodes.count) backends: \(Verdict.sentence(cause))"]
        if let output = cause.output, !output.isEmpty {
            lines.append("the last that the restart command printed:")
            lines += output.split(whereSeparator: \.isNewline).map { "  | \(String($0).printable)" }
        }
        lines.append("now:")
        lines += nodes.map { "  \($0.backend): \($0.fate.text(wording))" }
        return lines + ["next:"] + (advice(cause, wording) + wayBack(wording)).map { "  \($0)" }
    }

    /// Empty where the traffic goes to the pool itself.
    private func wayBack(_ wording: Wording) -> [String] {
        guard let standby else { return [] }
        let listeners = standby.listeners.map(\.text).joined(separator: " ")
        return ["all traffic goes to pool \(standby.pool); to pool \(pool) again: \(wording.program) listener set \(listeners) pool=\(pool)"]
    }

    private static func sentence(_ cause: Cause) -> String {
        switch cause {
        case .stopRequested: "stop requested"
        case .abandoned(let backend, _): "\(backend): \(cause.short)"
        case .deadlinePassed(let backend, let limit): "\(backend) was not empty within \(limit.spoken)"
        case .refused(let reason): "it would not be safe to go on: \(reason)"
        case .failed(_, .serving, _, _), .badRelease, .switching: cause.short
        case .drainLost(let backend, _), .failed(let backend, _, _, _), .restartNotBegun(let backend, _), .restartUnknown(let backend, _, _): "\(backend): \(cause.short)"
        }
    }

    private func advice(_ cause: Cause, _ wording: Wording) -> [String] {
        let out = nodes.first { node in
            switch node.fate {
            case .held, .leased, .unclear: true
            case .untouched, .restarted, .rolledBack, .undone, .outAgain, .drainLost: false
            }
        }
        if let out {
            return [
                "see how it is:             \(wording.program) status \(out.backend)",
                "when it is well again:     \(wording.program) undrain \(out.backend) --owner \(wording.owner.shellQuoted)",
                "then restart the pool:     \(wording.again)",
            ] + rest("or only the rest:          ", cause, wording)
        }
        let again = ["restart the whole pool:    \(wording.again)"] + rest("restart only the rest:     ", cause, wording)
        switch cause {
        case .deadlinePassed(let backend, let limit):
            return [
                "see who holds it:          \(wording.program) explain \(backend)",
                "wait longer:               \((left.map(wording.only) ?? wording).with("--drain-deadline", (limit * 4).written).again)",
            ]
        case .switching(let from, let to, let listeners, _):
            let order = "\(wording.program) listener set \(listeners.map(\.text).joined(separator: " "))"
            return [
                "see where the traffic goes: \(wording.program) status",
                "all of it to pool \(to): \(order) pool=\(to)",
                "all of it to pool \(from): \(order) pool=\(from)",
            ]
        case .refused, .drainLost, .failed, .restartNotBegun, .restartUnknown, .badRelease:
            return ["see how the pool is:       \(wording.program) status \(pool)"] + again
        case .stopRequested, .abandoned: return again
        }
    }

    /// Empty where none has the new release, where that is bad, and where nobody is left.
    private func rest(_ title: String, _ cause: Cause, _ wording: Wording) -> [String] {
        if case .badRelease = cause { return [] }
        return left.map { [title + wording.only($0).again] } ?? []
    }

    /// Those without the new release; nil where that is none, or all.
    private var left: [String]? {
        let left = nodes.filter { $0.fate.isToBeRestarted }.map(\.backend.backend.text)
        return left.isEmpty || left.count == nodes.count ? nil : left
    }
}

extension Verdict.Fate {
    /// As far as is known.
    fileprivate var isToBeRestarted: Bool {
        switch self {
        case .untouched, .undone, .held, .leased, .unclear, .rolledBack, .drainLost(restartBegan: false, _): true
        case .restarted, .outAgain, .drainLost(restartBegan: true, _): false
        }
    }

    func text(_ wording: Wording) -> String {
        switch self {
        case .untouched: "not restarted, as it was"
        case .restarted: "restarted, in rotation"
        case .rolledBack: "restarted, then brought back to the release before, in rotation"
        case .undone: "not restarted, in rotation"
        case .outAgain(let standing): "restarted and in rotation again, but now \(standing)"
        case .drainLost(restartBegan: true, let reason): "its restart began; whether it is well is not known, as it is no longer drained (\(reason))"
        case .drainLost(restartBegan: false, let reason): "not restarted, no longer drained by \(wording.owner) (\(reason))"
        case .held: "drained by \(wording.owner), stays out until somebody undrains it"
        case .leased(let reason):
            "drained, but comes back when its lease of \(wording.lease.spoken) ends: the order to keep it out failed (\(reason))"
        case .unclear(let reason):
            "the order to undrain it failed (\(reason)); if it is still drained, its lease ends within \(wording.lease.spoken)"
        }
    }

    /// What makes it so, where there is more to say.
    package var detail: String? {
        switch self {
        case .outAgain(let standing): standing
        case .drainLost(_, let reason), .leased(let reason), .unclear(let reason): reason
        case .untouched, .restarted, .rolledBack, .undone, .held: nil
        }
    }

    /// As JSON carries it.
    package var word: String {
        switch self {
        case .untouched: "untouched"
        case .restarted: "restarted"
        case .rolledBack: "rolledBack"
        case .undone: "undone"
        case .outAgain: "restartedThenOut"
        case .drainLost(restartBegan: true, _): "restartedNotOurs"
        case .drainLost(restartBegan: false, _): "notOurs"
        case .held: "drained"
        case .leased: "drainedUntilLeaseEnds"
        case .unclear: "unclear"
        }
    }
}

extension String {
    /// One line of foreign output without control characters, so that it cannot drive the terminal.
    fileprivate var printable: String {
        String(String.UnicodeScalarView(unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? " " : $0 }))
    }
}
