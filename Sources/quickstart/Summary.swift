// What a load found, as lines for people and as key=value lines for scripts.
import Model

struct Summary: Sendable {
    let tally: Tally
    let elapsed: Duration

    var lines: [String] {
        [
            "requests   \(tally.requests) in \(elapsed.spoken), on \(tally.shortConnections) short and \(tally.longConnections) long connections",
            "failed     \(failed)",
            "answered   \(answered)",
            "moved      \(tally.moved) times a long client came back to another backend or generation",
            "slowest    \(tally.slowest.short)",
        ] + hop
    }

    private var failed: String {
        let reasons = LoadFailure.Reason.allCases.compactMap { reason in
            tally.failures[reason].map { "\($0) \(reason.rawValue)" }
        }
        return "\(tally.failed)" + (reasons.isEmpty ? "" : ": " + reasons.joined(separator: ", "))
    }

    private var answered: String {
        guard !tally.answers.isEmpty else { return "by nobody" }
        return answers.map { "\($0.name) generation \($0.generation): \($1)" }.joined(separator: "; ")
    }

    private var hop: [String] {
        guard let hop = Hop(tally) else { return [] }
        return [
            "hop        median \(hop.direct.median.short) direct, \(hop.through.median.short) through the balancer;"
                + " p99 \(hop.direct.p99.short), \(hop.through.p99.short); \(hop.samples) round trips each",
            "added      \(hop.added.short) per round trip",
        ]
    }

    /// Names in order, each one's generations in order.
    private var answers: [(Answerer, count: Int)] {
        tally.answers.sorted { ($0.key.name, $0.key.generation) < ($1.key.name, $1.key.generation) }.map { ($0.key, $0.value) }
    }

    /// `failed.REASON` and `answered.NAME.GENERATION` stand only where there is something to count.
    var report: [String] {
        var lines = [
            "seconds=\(elapsed.inSeconds)",
            "requests=\(tally.requests)",
            "connections.short=\(tally.shortConnections)",
            "connections.long=\(tally.longConnections)",
            "failed=\(tally.failed)",
        ]
        lines += LoadFailure.Reason.allCases.compactMap { reason in
            tally.failures[reason].map { "failed.\(reason.rawValue)=\($0)" }
        }
        lines += answers.map { "answered.\($0.name).\($0.generation)=\($1)" }
        lines += ["moved=\(tally.moved)", "slowest-us=\(tally.slowest.microseconds)"]
        guard let hop = Hop(tally) else { return lines }
        return lines + [
            "hop.samples=\(hop.samples)",
            "hop.direct.median-us=\(hop.direct.median.microseconds)",
            "hop.direct.p99-us=\(hop.direct.p99.microseconds)",
            "hop.through.median-us=\(hop.through.median.microseconds)",
            "hop.through.p99-us=\(hop.through.p99.microseconds)",
            "hop.added-us=\(hop.added.microseconds)",
        ]
    }
}

/// Round trips direct to a backend and through the balancer.
struct Hop: Equatable, Sendable {
    struct Times: Equatable, Sendable {
        let median: Duration
        let p99: Duration

        init?(_ samples: [Duration]) {
            guard let median = samples.quantile(0.5), let p99 = samples.quantile(0.99) else { return nil }
            self.median = median
            self.p99 = p99
        }
    }

    let samples: Int
    let direct: Times
    let through: Times

    /// Nil where nothing was measured.
    init?(_ tally: Tally) {
        guard let direct = Times(tally.direct), let through = Times(tally.through) else { return nil }
        self.samples = tally.through.count
        self.direct = direct
        self.through = through
    }

    /// What the balancer adds to a round trip.
    var added: Duration { through.median - direct.median }
}

extension Duration {
    var microseconds: Int64 { wholeNanoseconds / 1000 }

    /// `61 us`, `1.2 ms`, `3.4 s`; a negative one keeps its sign.
    fileprivate var short: String {
        let us = microseconds
        switch abs(us) {
        case ..<1000: return "\(us) us"
        case ..<1_000_000: return "\(us / 1000).\(abs(us) % 1000 / 100) ms"
        default: return "\(us / 1_000_000).\(abs(us) % 1_000_000 / 100_000) s"
        }
    }
}
