// What a load has counted so far.

struct Tally: Sendable {
    /// Inquiries through the balancer, answered or not; a connection that could not be opened counts as one.
    private(set) var requests = 0
    private(set) var shortConnections = 0
    private(set) var longConnections = 0
    /// Times a long client came back to another backend, or to another generation of the same.
    private(set) var moved = 0
    private(set) var failures: [LoadFailure.Reason: Int] = [:]
    private(set) var answers: [Answerer: Int] = [:]
    /// Longest time that an answer through the balancer took.
    private(set) var slowest = Duration.zero
    /// Round trips with the same backend, measured in turn.
    private(set) var direct: [Duration] = []
    private(set) var through: [Duration] = []

    var failed: Int { failures.values.reduce(0, +) }

    mutating func openedShort() { shortConnections += 1 }
    mutating func openedLong() { longConnections += 1 }
    mutating func asked() { requests += 1 }
    mutating func failed(_ failure: LoadFailure) { failures[failure.reason, default: 0] += 1 }

    mutating func answered(by answerer: Answerer, after time: Duration) {
        answers[answerer, default: 0] += 1
        slowest = max(slowest, time)
    }

    mutating func cameBack(from before: Answerer?, to now: Answerer) {
        if let before, before != now { moved += 1 }
    }

    mutating func measured(direct: Duration, through: Duration) {
        self.direct.append(direct)
        self.through.append(through)
    }
}

extension [Duration] {
    /// The smallest value that at least this share of the values does not exceed (nearest rank); nil for none.
    func quantile(_ share: Double) -> Duration? {
        guard !isEmpty else { return nil }
        let rank = Int((share * Double(count)).rounded(.up))
        return sorted()[Swift.min(Swift.max(rank, 1), count) - 1]
    }
}
