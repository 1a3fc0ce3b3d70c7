// What a connection on which nothing happens costs in memory.
import Model
import SystemCalls
import Testing

@Suite(.lab(.heavy)) struct IdleMemory {
    let lab = Lab.current
    /// 720 to 760 since each has a row in the statistics segment; a tenth more is a change that somebody has to want.
    private static let bytesMax = 830

    /// Class 23: HAProxy's table of descriptors doubled and nobody saw it (b9915a745).
    @Test("a thousand idle connections more cost no more memory each than before", arguments: Scale.workers)
    func perConnection(workers: Int) throws {
        _ = try Limits.raiseDescriptors()
        // They take connections into their queues and never accept one: no thread of the test is needed for it.
        let queues = try (0..<3).map { _ in
            let listener = try Sockets.bind(.loopback(0))
            try Sockets.listen(listener.number, backlog: 4096)
            return try BackendQueue(listener)
        }
        let balancer = try Balancer(lab, ConfigurationText(
            backends: queues.enumerated().map { ("web-\($0)", "\($1.endpoint)") }, workers: workers))
        let endpoint = try balancer.endpoint()
        var clients = try (0..<1000).map { _ in try Peer(connecting: endpoint) }
        try awaitConnections(1000, balancer)
        let before = try ProcessTable.residentKiB(balancer.process)
        clients += try (0..<3000).map { _ in try Peer(connecting: endpoint) }
        try awaitConnections(4000, balancer)
        let each = (try ProcessTable.residentKiB(balancer.process) - before) * 1024 / 3000
        // A sanitizer keeps a shadow of all memory, and what was freed for a while.
        #expect(each <= (Scale.isSanitized ? 64 << 10 : IdleMemory.bytesMax), "\(each) bytes for each idle connection")
        #expect(each > 100, "\(each) bytes: nothing was measured")
    }

    private final class BackendQueue: Sendable {
        private let listener: Descriptor
        let endpoint: Endpoint

        init(_ listener: consuming Descriptor) throws {
            endpoint = try Sockets.localEndpoint(of: listener.number)
            self.listener = listener
        }
    }

    private func awaitConnections(_ count: Int, _ balancer: Balancer) throws {
        try eventually(within: .seconds(10), "\(count) connections") {
            try balancer.status().pools[0].backends.map(\.connections).reduce(0, +) == count
                && balancer.status().pools[0].backends.map(\.connectionsTotal).reduce(0, +) == count
        }
    }
}
