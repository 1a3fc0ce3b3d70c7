// A listener's rules as workers read them: one flat block, made by the control plane when the listener is opened.
//
// A block is immutable once handed over, so it is shared by all workers without a lock and without reference
// counting. The control plane frees it when the workers have ended: connections ask it as long as they wait for
// their header, and that may be longer than the listener is open.
import Decisions
import Model

/// Copying copies the reference; `free` is the control plane's alone.
struct Gate: @unchecked Sendable {
    /// Nil: no PROXY header is expected. Nanoseconds.
    let headerTimeout: Int64?
    /// The lists make a difference.
    let judges: Bool
    /// Our end of every connection, where the listener is bound to one address; else each socket knows.
    let local: IPEndpoint?
    private let trustedCount: Int
    private let allowCount: Int
    private let denyCount: Int
    /// Trusted, allowed and denied ones one after the other; nothing writes to them after `init`.
    private let networks: UnsafeMutablePointer<Network>

    init(_ rules: ListenerRules, bound: Endpoint) {
        let trusted: [Network]
        switch rules.acceptProxy {
        case .no: (trusted, headerTimeout) = ([], nil)
        case .required(let networks, let timeout): (trusted, headerTimeout) = (networks, timeout.wholeNanoseconds)
        }
        judges = !AccessList.admitsEverybody(allow: rules.allow, deny: rules.deny)
        let end = IPEndpoint(bound)
        local = end.flatMap { $0.address == Network.everyIPv4.base || $0.address == Network.everyIPv6.base ? nil : $0 }
        (trustedCount, allowCount, denyCount) = (trusted.count, rules.allow.count, rules.deny.count)
        let all = trusted + rules.allow + rules.deny
        networks = .allocate(capacity: max(1, all.count))
        networks.initialize(from: all, count: all.count)
    }

    /// Nobody asks who comes: accepting need not tell.
    var isOpen: Bool { headerTimeout == nil && !judges }

    func trusts(_ proxy: IPAddress) -> Bool {
        AccessList.holds(proxy, UnsafeBufferPointer(start: networks, count: trustedCount).span)
    }

    func admits(_ client: IPAddress) -> Bool {
        guard judges else { return true }
        return AccessList.admits(
            client, allow: UnsafeBufferPointer(start: networks + trustedCount, count: allowCount).span,
            deny: UnsafeBufferPointer(start: networks + trustedCount + allowCount, count: denyCount).span)
    }

    /// After this no worker may hold the block: all have ended.
    func free() { networks.deallocate() }
}
