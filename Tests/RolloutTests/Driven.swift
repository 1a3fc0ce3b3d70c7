// The machine driven by what is said to it, one answer after the other.
import Model
import Rollout
import Testing

/// What a test says; the driver knows which question is open and of which backend.
enum Said {
    case begin
    case looked(LookEnd)
    case drainEnded(RolloutMachine.DrainEnd)
    case confirmed(RolloutMachine.ConfirmEnd)
    case restartEnded(RolloutMachine.RestartEnd)
    case probed(RolloutMachine.ProbeEnd)
    case undrained(RolloutMachine.OrderEnd)
    case held(RolloutMachine.OrderEnd)
    case drainLost(reason: String)
    case stopRequested
    case other(RolloutMachine.Input)

    enum LookEnd {
        case pool(PoolSnapshot)
        case short(PoolSnapshot, String)
    }
}

/// The machine with a clock, seen without what it tells. Warming and watching end well by themselves.
struct Driven {
    var machine: RolloutMachine
    var now = MonotonicTime(nanoseconds: 0)
    var told: [Milestone] = []
    private var look = RolloutMachine.Look.afterAll
    private var backend = reference("web-1")

    init(_ pool: PoolSnapshot, _ policy: Policy = Policy(), rollback: RestartWay? = nil, version: [String]? = nil) throws {
        self.init(try order(pool, policy, rollback: rollback, version: version))
    }

    init(_ order: RolloutOrder) { machine = RolloutMachine(order) }

    mutating func give(_ said: Said) -> [RolloutMachine.Action] {
        now = now.advanced(by: .seconds(1))
        return give(input(said))
    }

    private mutating func give(_ input: RolloutMachine.Input) -> [RolloutMachine.Action] {
        var orders: [RolloutMachine.Action] = []
        for action in machine.handle(input, now: now) {
            switch action {
            case .tell(_, let milestone): told.append(milestone)
            case .warm(let backend): orders += give(.warmed(backend, .up))
            case .watch: orders += give(.watched(.good(text: "")))
            case .look(let look, _, _):
                self.look = look
                orders.append(action)
            case .drain(let backend, _):
                self.backend = backend
                orders.append(action)
            default: orders.append(action)
            }
        }
        return orders
    }

    private func input(_ said: Said) -> RolloutMachine.Input {
        switch said {
        case .begin: .begin
        case .looked(.pool(let pool)): .looked(look, .pool(pool, capacity: .carries(text: "")))
        case .looked(.short(let pool, let text)): .looked(look, .pool(pool, capacity: .fails(text: text)))
        case .drainEnded(let end): .drainEnded(backend, end)
        case .confirmed(let end): .confirmed(backend, end)
        case .restartEnded(let end): .restartEnded(backend, end)
        case .probed(let end): .probed(backend, end)
        case .undrained(let end): .undrained(backend, end)
        case .held(let end): .held(backend, end)
        case .drainLost(let reason): .drainLost(backend, reason: reason)
        case .stopRequested: .stopRequested
        case .other(let input): input
        }
    }

    func given(_ said: [Said]) -> [RolloutMachine.Action] {
        var driven = self
        return driven.give(said)
    }

    mutating func give(_ said: [Said]) -> [RolloutMachine.Action] {
        var last: [RolloutMachine.Action] = []
        for one in said { last = give(one) }
        return last
    }
}

func lookBefore(_ name: String, without: [String] = []) -> RolloutMachine.Action {
    .look(.before(reference(name)), without: (without + [name]).map(reference), after: .zero)
}

let lookAfterAll = RolloutMachine.Action.look(.afterAll, without: [], after: .zero)

func fates(_ verdict: Verdict) -> [Verdict.Fate] { verdict.nodes.map(\.fate) }

func verdict(_ actions: [RolloutMachine.Action]) throws -> Verdict {
    guard let last = actions.last, case .end(let verdict) = last else {
        Issue.record("no end: \(actions)")
        throw Unexpected()
    }
    return verdict
}

struct Unexpected: Error {}
