// A pool as a balancer reported it at one moment: what a rollout decides from.
import Decisions
import Model

package struct PoolSnapshot: Equatable, Sendable {
    package let name: PoolName
    package let backends: [BackendSnapshot]

    package init(name: PoolName, backends: [BackendSnapshot]) {
        self.name = name
        self.backends = backends
    }

    package var connections: Int { backends.reduce(0) { $0 + $1.connections } }

    package subscript(_ backend: BackendReference) -> BackendSnapshot? {
        backends.first { BackendReference(pool: name, backend: $0.name) == backend }
    }

    /// Whether new connections have somewhere to go while `backend` is out.
    package func isServed(without backend: BackendReference) -> Bool {
        others(than: backend).contains(where: \.availability.isUsable)
    }

    /// `web/web-2 is down, web/web-3 is drained`: for a message that says why the others do not suffice.
    func describeOthers(than backend: BackendReference) -> String {
        let others = others(than: backend)
        guard !others.isEmpty else { return "it is the only backend of the pool" }
        return others.map { "\(name)/\($0.name) is \($0.availability.rawValue)" }.joined(separator: ", ")
    }

    func others(than backend: BackendReference) -> [BackendSnapshot] {
        backends.filter { BackendReference(pool: name, backend: $0.name) != backend }
    }
}

package struct BackendSnapshot: Equatable, Sendable {
    package let name: BackendName
    package let address: Endpoint
    package let wish: Wish
    package let availability: Availability
    /// Who holds it drained.
    package let drainOwner: String?
    package let connections: Int
    /// Since the balancer started.
    package let connectFailures: UInt64
    package let resets: UInt64

    package init(
        name: BackendName, address: Endpoint, wish: Wish, availability: Availability, drainOwner: String?, connections: Int = 0,
        connectFailures: UInt64 = 0, resets: UInt64 = 0
    ) {
        self.name = name
        self.address = address
        self.wish = wish
        self.availability = availability
        self.drainOwner = drainOwner
        self.connections = connections
        self.connectFailures = connectFailures
        self.resets = resets
    }

    /// `down`, `draining by 'alice'`
    var standing: String { availability.rawValue + (drainOwner.map { " by '\($0)'" } ?? "") }
}
