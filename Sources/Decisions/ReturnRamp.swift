// What a backend that has come back gets of its fair share: by result, not by the clock alone.
//
// First, with slow-start, it warms up: from a tenth to all of its fair share, but only as long as its connects succeed
// and are as quick as its peers'. While they are not, the share shrinks. Then, where the method prefers whoever has
// fewest connections, it catches up: no more than a quarter above its fair share at first, twice as much every 10 s,
// until it carries as much as its peers. Else it would get every new connection for as long as that takes.

package struct ReturnRamp: Equatable, Sendable {
    package enum Stage: Equatable, Sendable {
        case warming
        /// Since when, in seconds.
        case catchingUp(since: Double)
        case over
    }

    /// What became of the connects to a backend, or to several, since the last look.
    package struct Results: Equatable, Sendable {
        package var connections: Double
        /// Connects that failed, and connections that the backend reset.
        package var failures: Double
        /// Connects that were timed, and how long they took together.
        package var timed: Double
        package var milliseconds: Double

        package init(connections: Double = 0, failures: Double = 0, timed: Double = 0, milliseconds: Double = 0) {
            (self.connections, self.failures, self.timed, self.milliseconds) = (connections, failures, timed, milliseconds)
        }

        fileprivate var failureRate: Double { failures / max(1, connections + failures) }
        fileprivate var mean: Double { milliseconds / max(1, timed) }

        fileprivate mutating func add(_ more: Results, keeping rest: Double) {
            connections = connections * rest + more.connections
            failures = failures * rest + more.failures
            timed = timed * rest + more.timed
            milliseconds = milliseconds * rest + more.milliseconds
        }
    }

    /// What is seen of the backend and of its peers: those of its pool that are not coming back themselves.
    package struct Look: Sendable {
        /// Seconds, from any beginning.
        package var now: Double
        package var own: Results
        package var peers: Results
        /// Its part of the pool's weight; 1: it is alone.
        package var fairShare: Double
        /// Connections by weight; of the peers on average.
        package var load: Double
        package var peersLoad: Double

        package init(now: Double, own: Results, peers: Results, fairShare: Double, load: Double, peersLoad: Double) {
            (self.now, self.own, self.peers) = (now, own, peers)
            (self.fairShare, self.load, self.peersLoad) = (fairShare, load, peersLoad)
        }
    }

    /// A tenth of the fair share, to begin with.
    package static let first = 0.1
    /// Of the fair share: what even one that answers badly gets, so that it can show that it has recovered.
    package static let least = 1.0 / 32
    /// Connections a second that tell something, where a tenth would be less.
    private static let enough = 2.0
    /// More than that leaves no room to bear the connections that it has already.
    package static let cap = 1.25
    private static let capDoubles = 10.0
    /// Seconds in which what was seen loses most of its weight.
    private static let memory = 4.0
    /// By how much a connect is slower than the peers', in milliseconds, before it matters.
    private static let margin = 5.0
    /// What it takes to judge.
    private static let sampleMin = 3.0

    /// Of the slow start, in seconds.
    private let duration: Double
    /// The method sends everything to whoever has fewest connections.
    private let prefersEmpty: Bool
    package private(set) var stage: Stage
    /// Of its fair share; 1 is all of it.
    package private(set) var share: Double
    /// How far the slow start has come: the share, but for what a slow pool needs to see anything at all.
    private var progress = ReturnRamp.first
    private let beganAt: Double
    private var seenAt: Double
    private var own = Results()
    private var peers = Results()

    package init(slowStart: Duration, prefersEmpty: Bool, now: Double) {
        duration = Double(slowStart.components.seconds) + Double(slowStart.components.attoseconds) / 1e18
        self.prefersEmpty = prefersEmpty
        (beganAt, seenAt) = (now, now)
        (stage, share) = duration > 0 ? (.warming, ReturnRamp.first) : (.over, 1)
        if duration == 0 { warmed(now) }
    }

    package mutating func step(_ look: Look) {
        let passed = max(0, look.now - seenAt)
        seenAt = look.now
        let rest = max(0, 1 - passed / ReturnRamp.memory)
        own.add(look.own, keeping: rest)
        peers.add(look.peers, keeping: rest)
        switch stage {
        case .warming: warm(look, passed)
        case .catchingUp(let since): catchUp(look, since)
        case .over: return
        }
    }

    // MARK: Warming

    private mutating func warm(_ look: Look, _ passed: Double) {
        if isWorse {
            // By half in 1.4 s.
            progress = max(ReturnRamp.least, progress * max(0, 1 - passed / 2))
        } else if !isSilent(look) {
            progress += passed * (1 - ReturnRamp.first) / duration
        }
        share = min(1, max(progress, telling(look)))
        if progress >= 1 { warmed(look.now) }
    }

    private mutating func warmed(_ now: Double) {
        (stage, share) = prefersEmpty ? (.catchingUp(since: now), ReturnRamp.cap) : (.over, 1)
    }

    /// The share that brings enough to see something each second.
    private func telling(_ look: Look) -> Double {
        let seen = own.connections + own.failures + peers.connections + peers.failures
        let fair = seen / min(ReturnRamp.memory, max(0.25, look.now - beganAt)) * look.fairShare
        return fair > 0 ? ReturnRamp.enough / fair : 0
    }

    /// Clearly worse than its peers, by enough that were tried here and there.
    private var isWorse: Bool {
        guard peers.connections + peers.failures >= ReturnRamp.sampleMin else { return false }
        let fails = own.failures >= ReturnRamp.sampleMin && own.failureRate > 2 * peers.failureRate + 0.1
        let isSlow = own.timed >= ReturnRamp.sampleMin && peers.timed >= ReturnRamp.sampleMin
            && own.mean > 2 * peers.mean && own.mean > peers.mean + ReturnRamp.margin
        return fails || isSlow
    }

    /// It should have taken some connections by now and has taken none: they may still hang in their connects.
    private func isSilent(_ look: Look) -> Bool {
        let others = 1 - look.fairShare
        guard others > 0 else { return false }
        let expected = peers.connections * look.fairShare / others * share
        return own.connections < 0.5 && expected >= 2
    }

    // MARK: Catching up

    private mutating func catchUp(_ look: Look, _ since: Double) {
        let doublings = Int(max(0, min(20, (look.now - since) / ReturnRamp.capDoubles)))
        share = ReturnRamp.cap * Double(1 << doublings)
        // Not before the first 10 s: where connections are short, loads of one or two say nothing.
        let hasCaughtUp = doublings > 0 && look.load + 1 >= 0.9 * look.peersLoad
        if hasCaughtUp || share * look.fairShare >= 1 { (stage, share) = (.over, 1) }
    }
}
