// A data plane with one listener and one pool, its workers running, for tests with real sockets.
import Glibc
import Model
import Proxy
import Statistics
import SystemCalls
import TestSupport
import Testing

/// To be used on one thread.
final class PlaneUnderTest {
    let plane: DataPlane
    let endpoint: Endpoint

    init(
        workers: Int, backends: [Endpoint], at bind: Endpoint = .ipv4(0x7F00_0001, port: 0), rules: ListenerRules = ListenerRules(),
        sendProxy: SendProxy = .none
    ) throws {
        plane = try DataPlane(
            layout: SegmentLayout(workers: workers, slots: backends.count, listeners: 1), descriptorLimit: 4096,
            descriptorsOpen: 64, backends: backends.count)
        plane.publish(
            PoolRouting(
                balance: .roundRobin,
                timeouts: PoolTimeouts(connect: .seconds(5), idle: .seconds(60), halfClosed: .seconds(20)), connectRetries: 2,
                sendProxy: sendProxy,
                targets: backends.enumerated().map { PoolRouting.Target(slot: $0.offset, address: $0.element, weight: 1) }),
            pool: 0)
        try plane.start()
        endpoint = try plane.open(listener: 0, bind, backlog: 64, pool: 0, rules: rules)
    }

    func connect(from source: Endpoint? = nil) throws -> BlockingSocket { try .connect(to: endpoint, from: source) }

    var totals: ListenerTotals { plane.statistics.totals(listener: 0) }

    /// Waits until no connection is left, so that every counter is final.
    func settle() {
        while totals.open > 0 || plane.statistics.process.held > 0 { sched_yield() }
    }

    /// Everything that was reported so far.
    func refusals() -> [HeaderRefusal] {
        plane.takeReports().reports.compactMap { report in
            guard case .headerRefused(_, _, let refusal, _) = report else { return nil }
            return refusal
        }
    }

    func end() { plane.end() }
}

/// Sends `bytes` in the given pieces, each delivered before the next goes out.
func send(_ bytes: [UInt8], over client: BlockingSocket, cutAt cuts: [Int]) throws {
    var start = 0
    for cut in cuts + [bytes.count] where cut > start {
        try client.send(Array(bytes[start..<cut]))
        client.waitUntilDelivered()
        start = cut
    }
}
