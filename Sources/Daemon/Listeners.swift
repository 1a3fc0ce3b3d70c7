// The listeners: opened at the start, closed when lbd stops.
import EventLoop
import Model
import Proxy
import SystemCalls

struct OpenListener {
    let configuration: ListenerConfiguration
    let index: Int
    /// With the port that the kernel chose.
    let endpoint: Endpoint
}

@ControlPlane final class Listeners {
    private let plane: DataPlane
    private let events: EventLog
    private(set) var open: [OpenListener] = []
    /// Workers that have found a listener full, by its index.
    private var full: [Int: Set<Int>] = [:]

    /// Workers that have found the process full.
    private var fullProcess: Set<Int> = []

    init(plane: DataPlane, events: EventLog) {
        self.plane = plane
        self.events = events
    }

    /// All or none: the first that cannot be opened ends lbd's start.
    func openAll(_ configurations: [ListenerConfiguration], pools: [Pool]) throws(DaemonError) {
        for (index, configuration) in configurations.enumerated() {
            guard let pool = pools.first(where: { $0.configuration.name == configuration.pool }) else {
                preconditionFailure("the configuration was checked: listener \(configuration.name) has a pool")
            }
            let endpoint = try open(configuration, index: index, pool: pool)
            open.append(OpenListener(configuration: configuration, index: index, endpoint: endpoint))
            events.record(.listenerOpened(configuration.name, endpoint))
        }
    }

    private func open(_ configuration: ListenerConfiguration, index: Int, pool: Pool) throws(DaemonError) -> Endpoint {
        do throws(SystemError) {
            return try plane.open(
                listener: index, configuration.bind, backlog: configuration.backlog, pool: pool.index,
                connectionsMax: configuration.connectionsMax, rules: configuration.rules, tcp: configuration.tcp)
        } catch {
            throw DaemonError(description: "listener '\(configuration.name)': \(error.description)")
        }
    }

    /// Told once for all workers: the first that finds it full, the last that does no longer.
    func fill(_ listener: Int, worker: Int) {
        let isNews = full[listener, default: []].isEmpty
        full[listener, default: []].insert(worker)
        guard isNews, let configuration = configuration(of: listener), let most = configuration.connectionsMax else { return }
        events.record(.listenerFull(configuration.name, connectionsMax: most))
    }

    func makeRoom(_ listener: Int, worker: Int) {
        full[listener]?.remove(worker)
        guard full[listener] == [], let configuration = configuration(of: listener) else { return }
        events.record(.listenerHasRoom(configuration.name))
    }

    /// The same for the process's own limit.
    func fillProcess(worker: Int) {
        guard fullProcess.isEmpty else {
            fullProcess.insert(worker)
            return
        }
        fullProcess.insert(worker)
        events.record(.processFull(connectionsMax: plane.connectionsMax, descriptorLimit: plane.budget.descriptorLimit))
    }

    func makeRoomInProcess(worker: Int) {
        guard fullProcess.remove(worker) != nil, fullProcess.isEmpty else { return }
        events.record(.processHasRoom)
    }

    /// Nil: closed meanwhile.
    private func configuration(of listener: Int) -> ListenerConfiguration? { open.first { $0.index == listener }?.configuration }

    /// What has arrived is accepted first. Unix paths are removed: nobody answers there any more.
    /// When the generation is followed, nothing is accepted any more.
    func closeAll() throws(SystemError) -> UInt64 {
        let generation = plane.closeListeners()
        let closing = open
        open = []
        for listener in closing {
            if case .unix(let path) = listener.endpoint { try Files.remove(path) }
            events.record(.listenerClosed(listener.configuration.name))
        }
        return generation
    }
}
