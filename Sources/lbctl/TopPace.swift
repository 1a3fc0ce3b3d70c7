// What moves between two looks: rates, connect times, and how fast draining backends empty.
import Model
import Statistics

/// What was seen, and when.
struct TopLook: Sendable {
    let observation: Observation
    let at: MonotonicTime
    let calendar: Timestamp
}

/// How a draining backend empties.
enum TopDeparture: Equatable {
    /// Nobody holds it.
    case empty
    /// It has only just been seen.
    case unknown
    case perSecond(Double, left: Int)
    /// So many are left, and for so long none has ended.
    case stuck(Duration, left: Int)
}

struct TopPace {
    /// Connections that left longer ago say nothing about the next.
    private static let window = Duration.seconds(30)
    private static let spacing = Duration.milliseconds(500)

    private struct Departing {
        /// A backend that drains again begins anew.
        let since: Timestamp
        var samples: [(at: MonotonicTime, connections: Int)]
        /// The last time one was seen to have left, or the first look.
        var lastChange: MonotonicTime
    }

    private(set) var now: TopLook?
    private var elapsed = 0.0
    private var backends: [Int: ObservedBackend] = [:]
    private var listeners: [Int: ObservedListener] = [:]
    private var departing: [Int: Departing] = [:]

    mutating func take(_ look: TopLook) {
        let before = now
        now = look
        elapsed = 0
        if let before, before.observation.process.isSame(as: look.observation.process), look.observation.process.liveness.moves {
            elapsed = before.at.duration(to: look.at).inSeconds
            backends = Dictionary(before.observation.pools.flatMap(\.backends).map { ($0.slot, $0) }) { first, _ in first }
            listeners = Dictionary(before.observation.listeners.map { ($0.index, $0) }) { first, _ in first }
        }
        watchDepartures(look)
    }

    /// Connections a second between the two looks; by lbd's own count where there were no two.
    func rate(_ backend: ObservedBackend) -> Double {
        guard let delta = delta(backend) else { return backend.rate }
        return Double(delta.connections) / elapsed
    }

    /// Both ways.
    func byteRate(_ backend: ObservedBackend) -> Double {
        guard let delta = delta(backend) else { return backend.byteRate }
        return Double(delta.bytesToBackend &+ delta.bytesToClient) / elapsed
    }

    func rate(_ listener: ObservedListener) -> Double {
        guard elapsed > 0, let before = listeners[listener.index], before.name == listener.name,
            listener.connectionsTotal >= before.connectionsTotal
        else { return listener.rate }
        return Double(listener.connectionsTotal - before.connectionsTotal) / elapsed
    }

    /// Mean of the connects since the look before; of all where there were none. Nil: there was never one.
    func connectTime(_ backend: ObservedBackend) -> Duration? {
        if let delta = delta(backend), let mean = delta.connectTimes.mean { return mean }
        return TopReport.connectTime(backend.totals)
    }

    /// Failed connects and resets since the look before.
    func newFailures(_ backend: ObservedBackend) -> UInt64 { delta(backend)?.failures ?? 0 }

    func departure(_ backend: ObservedBackend) -> TopDeparture {
        guard backend.connections > 0 else { return .empty }
        guard let now, let seen = departing[backend.slot], let first = seen.samples.first else { return .unknown }
        let time = first.at.duration(to: now.at).inSeconds
        let left = first.connections - backend.connections
        if left > 0, time > 0 { return .perSecond(Double(left) / time, left: backend.connections) }
        let still = seen.lastChange.duration(to: now.at)
        return still > .zero ? .stuck(still, left: backend.connections) : .unknown
    }

    /// Nil where there are no two looks at the same backend.
    private func delta(_ backend: ObservedBackend) -> BackendTotals? {
        guard elapsed > 0, let before = backends[backend.slot], before.name == backend.name, before.address == backend.address,
            backend.totals.connections >= before.totals.connections
        else { return nil }
        return backend.totals - before.totals
    }

    private mutating func watchDepartures(_ look: TopLook) {
        let before = departing
        departing = [:]
        guard look.observation.process.liveness.moves else { return }
        for backend in look.observation.pools.flatMap(\.backends) {
            guard let drain = backend.drain, backend.connections > 0 else { continue }
            var seen = Departing(since: drain.since, samples: [], lastChange: look.at)
            if let earlier = before[backend.slot], earlier.since == drain.since { seen = earlier }
            if let last = seen.samples.last, backend.connections < last.connections { seen.lastChange = look.at }
            seen.samples.removeAll { $0.at.duration(to: look.at) > TopPace.window }
            if seen.samples.last.map({ $0.at.duration(to: look.at) >= TopPace.spacing || $0.connections != backend.connections }) ?? true {
                seen.samples.append((look.at, backend.connections))
            }
            departing[backend.slot] = seen
        }
    }
}

extension ObservedProcess {
    /// Not one that has come after it.
    fileprivate func isSame(as other: ObservedProcess) -> Bool { pid == other.pid && startedAt == other.startedAt }
}

extension Liveness {
    /// Whether its numbers still move: the workers of one whose control loop hangs go on.
    var moves: Bool {
        switch self {
        case .running, .hung: true
        case .stopped, .dead: false
        }
    }

    var silent: Duration? {
        switch self {
        case .running: nil
        case .stopped(let silent), .hung(let silent), .dead(let silent): silent
        }
    }

    /// The one word for it.
    var word: String {
        switch self {
        case .running: "running"
        case .stopped: "stopped"
        case .hung: "hung"
        case .dead: "crashed"
        }
    }
}

extension BackendTotals {
    /// Failed connects, and resets by the backend.
    var failures: UInt64 { connectFailures &+ backendResets }
    var bytes: UInt64 { bytesToBackend &+ bytesToClient }
}

extension ConnectTimes {
    /// Nil: none was timed.
    var mean: Duration? { count > 0 ? .microseconds(Int64(microseconds / count)) : nil }
}

extension TopDeparture {
    /// What comes first; `deadline`: until it, below 0 after it. Nil: there is nothing to say yet.
    func words(deadline: Duration?) -> String? {
        guard let deadline, deadline > .zero, case .perSecond(let rate, let left) = self, Double(left) / rate > deadline.inSeconds else { return text.isEmpty ? nil : text }
        let rest = min(left, max(1, Int((Double(left) - rate * deadline.inSeconds).rounded())))
        return "\(left) left, \(TopText.rate(rate)) a second: about \(rest) of them left at the deadline"
    }

    /// `12 left, 0.5 leave a second: empty in about 24 s`
    var text: String {
        switch self {
        case .empty: "nobody holds it"
        case .unknown: ""
        case .perSecond(let rate, let left):
            "\(left) left, \(TopText.rate(rate)) a second: empty in about \(Duration.milliseconds(Int64(min(1e12, Double(left) / rate * 1000))).spoken)"
        case .stuck(let time, let left): "\(left) left, none ended in the last \(time.spoken)"
        }
    }
}
