// The state of all backends and listeners as it follows from events alone, and as a status tells it.
import ControlProtocol
import Model

struct RebuiltState: Equatable {
    struct Backend: Equatable {
        var address: String?
        var wish: String?
        var probe: String?
        var availability: String?
        var drain: DrainReport?
    }

    private(set) var backends: [String: Backend] = [:]
    /// By pool.
    private(set) var shares: [String: SharesReport] = [:]
    /// By pool: id, state, steps done of steps.
    private(set) var rollouts: [String: String] = [:]
    /// Where each open one listens.
    private(set) var listeners: [String: String] = [:]

    init(_ events: some Sequence<EventRecord>) {
        for event in events { take(event) }
    }

    init(_ status: StatusReport) {
        for pool in status.pools {
            for backend in pool.backends {
                backends["\(pool.name)/\(backend.name)"] = Backend(
                    address: backend.address, wish: backend.wish.rawValue, probe: backend.probe.rawValue,
                    availability: backend.availability.rawValue, drain: backend.drain)
            }
        }
        for pool in status.pools {
            shares[pool.name] = pool.shares
            rollouts[pool.name] = pool.rollout.map { "\($0.id) \($0.state.rawValue) \($0.stepsDone)/\($0.steps)" }
        }
        listeners = Dictionary(uniqueKeysWithValues: status.listeners.map { ($0.name, $0.bind) })
    }

    private mutating func take(_ event: EventRecord) {
        let name = event.subject
        switch event.event {
        case "backendAdded":
            var backend = backends[name] ?? Backend()
            (backend.address, backend.wish, backend.probe, backend.availability) = (event.address, event.wish?.rawValue, event.probe?.rawValue, event.to)
            backends[name] = backend
        case "backendMoved", "backendTakenBack": backends[name, default: Backend()].address = event.address
        case "backendRemoved": backends[name] = nil
        case "wish", "wishKept":
            backends[name, default: Backend()].wish = event.to
            backends[name, default: Backend()].drain = event.drain
        case "leased": backends[name, default: Backend()].drain = event.drain
        case "shared", "unshared": shares[String(name.dropFirst("pool ".count))] = event.shares
        case "rollout":
            rollouts[String(name.dropFirst("pool ".count))] = event.rollout.map { "\($0.id) \(event.to ?? "") \($0.stepsDone)/\($0.steps)" }
        case "poolRemoved":
            shares[String(name.dropFirst("pool ".count))] = nil
            rollouts[String(name.dropFirst("pool ".count))] = nil
        case "probe": backends[name, default: Backend()].probe = event.to
        case "availability": backends[name, default: Backend()].availability = event.to
        case "listenerOpened", "listenerMoved": listeners[String(name.dropFirst("listener ".count))] = event.address
        case "listenerClosed": listeners[String(name.dropFirst("listener ".count))] = nil
        // Of other things than states.
        default: return
        }
    }
}
