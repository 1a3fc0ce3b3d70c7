// A test plane with one listener before one pool, and clients that send in pieces.
import Model
import Proxy
import Statistics
import SystemCalls
import TestSupport

/// To be used on one thread.
struct PlaneUnderTest {
    let plane: TestPlane
    let endpoint: Endpoint

    init(
        workers: Int, backends: [Endpoint], at bind: Endpoint = .ipv4(0x7F00_0001, port: 0), rules: ListenerRules = ListenerRules(),
        sendProxy: SendProxy = .none
    ) throws {
        plane = try TestPlane(workers: workers)
        try plane.route(backends, retries: 2, sendProxy: sendProxy)
        endpoint = try plane.listen(bind, rules: rules)
    }

    func connect(from source: Endpoint? = nil) throws -> BlockingSocket { try .connect(to: endpoint, from: source) }

    var listener: ListenerTotals { plane.plane.statistics.totals(listener: 0) }
    var backend: BackendTotals { plane.plane.statistics.totals(slot: 0) }
}

/// Sends `bytes` in the given pieces, each delivered before the next goes out.
func send(_ bytes: [UInt8], over client: BlockingSocket, cutAt cuts: [Int]) throws {
    var start = 0
    for cut in cuts + [bytes.count] where cut > start {
        if start > 0 { client.waitUntilDelivered() }
        try client.send(Array(bytes[start..<cut]))
        start = cut
    }
}
