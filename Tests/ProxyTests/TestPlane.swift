// A data plane inside the test process: started, routed, listened with, and asked for its news.
import Glibc
import Model
import Statistics
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

struct PlaneProblem: Error, CustomStringConvertible { let description: String }

/// To be used on one thread, as the control plane does.
final class TestPlane {
    let plane: DataPlane
    /// News that nobody has asked for yet, in order.
    private var waiting: [WorkerReport] = []

    /// `folders`: of a segment that others can look into.
    init(
        workers: Int, slots: Int = 4, descriptorLimit: Int = 8192, descriptorsOpen: Int = 0, connectionsMax: Int? = nil, folders: [String]? = nil
    ) throws {
        let layout = SegmentLayout(workers: workers, slots: slots, listeners: 2)
        let segment = try folders.map { try Segment(layout: layout, in: $0) } ?? Segment(layout: layout)
        try segment.reserve(slots: Array(0..<slots), pools: Array(0..<layout.pools), listeners: [0, 1])
        plane = try DataPlane(
            segment: segment, descriptorLimit: descriptorLimit,
            descriptorsOpen: descriptorsOpen, backends: 0, connectionsMax: connectionsMax)
        try plane.start()
    }

    deinit { plane.end() }

    /// Backends get the slots from `slot` on.
    func route(
        _ backends: [Endpoint], slot: Int = 0, balance: Balance = .roundRobin, connect: Duration = .seconds(60), idle: Duration = Patience.limit,
        halfClosed: Duration = Patience.limit, retries: Int = 3, sendProxy: SendProxy = .none,
        transport: PoolTransport = PoolTransport(), stalled: Duration = Patience.limit, lifetime: Lifetime? = nil,
        most: Int? = nil, whenFull: WhenFull = .refuse, whenNone: PoolRouting.WhenNone = .refuse, shares: [Int: Int] = [:], percents: [Int: Int] = [:],
        pool: Int = 0
    ) throws {
        let routing = PoolRouting(
            balance: balance,
            timeouts: PoolTimeouts(connect: connect, idle: idle, halfClosed: halfClosed, stalled: stalled, lifetime: lifetime),
            connectRetries: retries, sendProxy: sendProxy, transport: transport, whenFull: whenFull, whenNone: whenNone,
            targets: backends.enumerated().map {
                PoolRouting.Target(
                    slot: slot + $0.offset, address: $0.element, weight: 1, connectionsMax: most, share: shares[$0.offset],
                    percent: percents[$0.offset] ?? 100)
            })
        try waitUntilFollowed(plane.publish(routing, pool: pool))
    }

    /// Does not wait until the workers follow; the generation of the routing.
    func publish(_ backends: [Endpoint], slot: Int) -> UInt64 {
        plane.publish(
            PoolRouting(
                balance: .roundRobin, timeouts: PoolTimeouts(connect: .seconds(60), idle: Patience.limit, halfClosed: Patience.limit), connectRetries: 3,
                targets: backends.map { PoolRouting.Target(slot: slot, address: $0, weight: 1) }),
            pool: 0)
    }

    func listen(
        _ endpoint: Endpoint = .ipv4(0x7F00_0001, port: 0), listener: Int = 0, connectionsMax: Int? = nil,
        rules: ListenerRules = ListenerRules(), tcp: TCPOptions = TCPOptions()
    ) throws -> Endpoint {
        try plane.open(
            listener: listener, endpoint, backlog: 1024, pool: 0, connectionsMax: connectionsMax, rules: rules, tcp: tcp)
    }

    /// When this returns, each worker has also posted all that it had to say before.
    func waitUntilFollowed(_ generation: UInt64) throws {
        while !plane.isFollowed(generation) { try hear() }
        try takeNews()
    }

    /// Waits for news that matches, and takes it; other news stays for others.
    func wait(for matches: (WorkerReport) -> Bool) throws {
        while true {
            if let index = waiting.firstIndex(where: matches) {
                waiting.remove(at: index)
                return
            }
            try hear()
        }
    }

    func news(_ matches: (WorkerReport) -> Bool) throws -> Int {
        try takeNews()
        return waiting.count { matches($0) }
    }

    /// Returns when no connection holds the backend.
    func waitUntilFree(slot: Int) throws {
        let tickets = plane.statistics.tickets(slot: slot)
        defer { tickets.watch(false) }
        while tickets.watch(true) > 0 { try hear() }
    }

    /// Returns when no connection is open, and its tickets are back.
    func waitUntilEmpty() throws {
        defer { plane.statistics.process.watch(false) }
        while plane.statistics.process.watch(true) > 0 { try hear() }
        // The thread that gave the last ticket back may still be in its round: a generation later it is not.
        try waitUntilFollowed(plane.publish(
            PoolRouting(balance: .roundRobin, timeouts: PoolTimeouts(connect: .zero, idle: .zero, halfClosed: .zero), connectRetries: 0, targets: []),
            pool: 1))
    }

    /// Takes the news of refused headers: why, in order.
    func takeRefusals() throws -> [HeaderRefusal] {
        try takeNews()
        let refusals = waiting.compactMap { report -> HeaderRefusal? in
            guard case .headerRefused(_, _, let refusal, _) = report else { return nil }
            return refusal
        }
        waiting.removeAll { if case .headerRefused = $0 { true } else { false } }
        return refusals
    }

    func hear() throws {
        guard isReadable(plane.reportsDescriptor) else { throw PlaneProblem(description: "no news within \(Patience.limit.spoken)") }
        try takeNews()
    }

    private func takeNews() throws {
        let taken = plane.takeReports()
        guard !taken.overflowed else { throw PlaneProblem(description: "news was lost") }
        waiting += taken.reports
    }
}

/// Bytes that differ from place to place, so that a swap or a gap shows.
func pattern(_ count: Int, seed: Int = 1) -> [UInt8] {
    // A prime: the blocks do not line up with anybody's buffers.
    let block = (0..<min(count, 16_381)).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761 &+ seed) >> 7) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + block.count)
    while bytes.count < count { bytes += block }
    bytes.removeLast(bytes.count - count)
    return bytes
}

/// Whether both hold the same; quick, and silent about what megabytes look like.
func isSame(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.count == right.count && memcmp(left, right, left.count) == 0
}

extension WorkerReport {
    func isLastConnectionGone(of slot: Int) -> Bool {
        if case .lastConnectionGone(slot) = self { return true }
        return false
    }

    var isPause: Bool {
        switch self {
        case .acceptPaused, .processFull: true
        default: false
        }
    }

    var isResume: Bool {
        switch self {
        case .acceptResumed, .processHasRoom: true
        default: false
        }
    }
}

/// A byte there and back.
func greet(_ client: BlockingSocket, at location: SourceLocation = #_sourceLocation) throws {
    try client.send("x")
    #expect(client.receive(exactly: 1).count == 1, sourceLocation: location)
}

/// Nothing comes for a moment: no byte, no end.
func isSilent(_ client: BlockingSocket) -> Bool {
    var entry = pollfd(fd: client.number, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 50) == 0
}
