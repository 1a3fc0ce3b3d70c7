// A listener's rules as workers read them: flat memory, made by the control plane when the listener is opened, and anew
// when its rules change.
//
// It is immutable once handed over, so it is shared by all workers without a lock and without reference counting.
// Workers look it up anew for each use, as they do with routes: the control plane frees it when all have acknowledged
// another one, or that the listener is gone (which it is when its last connection is).
import Decisions
import Model

/// Copying copies the reference; `free` is the control plane's alone.
struct Gate: Sendable {
    private struct Block {
        let pool: Int
        let headerTimeout: Int64?
        let headerPatience: Int64
        let connectionsMax: Int
        let judges: Bool
        let local: IPEndpoint?
        let arrivals: Arrivals?
        let trusted: Row<Network>
        let allow: Row<Network>
        let deny: Row<Network>
    }

    private let block: Cell<Block>

    /// `before`: the listener's rules until now, whose clients may still be awaited. The arrivals stay their owner's.
    init(
        _ rules: ListenerRules, bound: Endpoint, pool: Int = 0, connectionsMax: Int? = nil, arrivals: Arrivals? = nil, before: Gate? = nil
    ) {
        let (trusted, headerTimeout): ([Network], Int64?) = switch rules.acceptProxy {
        case .no: ([], nil)
        case .required(let networks, let timeout): (networks, timeout.wholeNanoseconds)
        }
        let end = IPEndpoint(bound)
        block = Cell(Block(
            pool: pool, headerTimeout: headerTimeout, headerPatience: headerTimeout ?? before?.headerPatience ?? 0, connectionsMax: connectionsMax ?? .max,
            judges: !AccessList.admitsEverybody(allow: rules.allow, deny: rules.deny),
            local: end.flatMap { $0.address == Network.everyIPv4.base || $0.address == Network.everyIPv6.base ? nil : $0 },
            arrivals: arrivals, trusted: Row(trusted), allow: Row(rules.allow), deny: Row(rules.deny)))
    }

    /// Nil: no PROXY header is expected. Nanoseconds.
    var headerTimeout: Int64? { block.value.headerTimeout }

    /// How long who has been asked for one is waited for, even if new clients are no longer asked. Nanoseconds.
    var headerPatience: Int64 { block.value.headerPatience }

    /// Where new connections go.
    var pool: Int { block.value.pool }

    /// Most connections at once, over all workers.
    var connectionsMax: Int { block.value.connectionsMax }

    /// The lists make a difference.
    var judges: Bool { block.value.judges }

    /// Our end of every connection, where the listener is bound to one address; else each socket knows.
    var local: IPEndpoint? { block.value.local }

    /// Nil: new connections are not limited.
    var arrivals: Arrivals? { block.value.arrivals }

    /// Everybody is welcome.
    var isOpen: Bool { headerTimeout == nil && !judges }

    func trusts(_ proxy: IPAddress) -> Bool {
        block.value.trusted.withSpan { AccessList.holds(proxy, $0) }
    }

    func admits(_ client: IPAddress) -> Bool {
        guard judges else { return true }
        return block.value.allow.withSpan { allow in block.value.deny.withSpan { AccessList.admits(client, allow: allow, deny: $0) } }
    }

    /// After this no worker may hold the block: all have acknowledged another, or have ended.
    func free() {
        for row in [block.value.trusted, block.value.allow, block.value.deny] { row.free() }
        block.free()
    }
}

/// All that a worker has to know of a listener besides its socket.
struct ListenerOrders: Sendable {
    let gate: Gate
    let sourceCounts: SourceCounts?
}
