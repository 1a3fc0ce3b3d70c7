// A listener's rules as workers read them: flat memory, made by the control plane when the listener is opened.
//
// It is immutable once handed over, so it is shared by all workers without a lock and without reference
// counting. The control plane frees it when the workers have ended: connections ask it as long as they wait for
// their header, and that may be longer than the listener is open.
import Decisions
import Model

/// Copying copies the reference; `free` is the control plane's alone.
struct Gate: Sendable {
    /// Nil: no PROXY header is expected. Nanoseconds.
    let headerTimeout: Int64?
    /// Most connections at once, over all workers.
    let connectionsMax: Int
    /// The lists make a difference.
    let judges: Bool
    /// Our end of every connection, where the listener is bound to one address; else each socket knows.
    let local: IPEndpoint?
    /// Nil: new connections are not limited.
    let arrivals: Arrivals?
    private let trusted: Row<Network>
    private let allow: Row<Network>
    private let deny: Row<Network>

    init(_ rules: ListenerRules, bound: Endpoint, connectionsMax: Int? = nil, arrivals: Arrivals? = nil) {
        self.connectionsMax = connectionsMax ?? .max
        let trusted: [Network]
        switch rules.acceptProxy {
        case .no: (trusted, headerTimeout) = ([], nil)
        case .required(let networks, let timeout): (trusted, headerTimeout) = (networks, timeout.wholeNanoseconds)
        }
        judges = !AccessList.admitsEverybody(allow: rules.allow, deny: rules.deny)
        let end = IPEndpoint(bound)
        local = end.flatMap { $0.address == Network.everyIPv4.base || $0.address == Network.everyIPv6.base ? nil : $0 }
        self.arrivals = arrivals
        self.trusted = Row(trusted)
        (allow, deny) = (Row(rules.allow), Row(rules.deny))
    }

    /// Everybody is welcome.
    var isOpen: Bool { headerTimeout == nil && !judges }

    /// Else accepting need not tell who comes.
    var asksForPeer: Bool { !isOpen || arrivals?.judgeSources == true }

    func trusts(_ proxy: IPAddress) -> Bool {
        trusted.withSpan { AccessList.holds(proxy, $0) }
    }

    func admits(_ client: IPAddress) -> Bool {
        guard judges else { return true }
        return allow.withSpan { allow in deny.withSpan { AccessList.admits(client, allow: allow, deny: $0) } }
    }

    /// After this no worker may hold the block: all have ended.
    func free() {
        for row in [trusted, allow, deny] { row.free() }
        arrivals?.free()
    }
}
