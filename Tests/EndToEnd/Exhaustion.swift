// Running out: of descriptors, and of patience with clients that do not read. lbd waits, bounded, and recovers.
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct Exhaustion {
    let lab = Lab.current

    /// Class 6: libevent's own listener wrote 2.57 million warnings in ten seconds at EMFILE, one core busy.
    @Test("64 descriptors and 200 clients: lbd rests, answers its operator, and serves everybody in the end")
    func descriptors() throws {
        let server = try TestServer.named("web-1", lab)
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]), prelude: "ulimit -n 64")
        let endpoint = try balancer.endpoint()
        var clients = try (0..<200).map { _ in try Peer(connecting: endpoint) }
        try eventually(within: .seconds(5), "as many connections as 64 descriptors carry") {
            try balancer.status().listeners[0].connections >= 4
        }
        let used = try ProcessTable.processorTime(balancer.process)
        #expect(clients.last!.isQuiet(for: .seconds(2)))
        #expect(try ProcessTable.processorTime(balancer.process) - used < .milliseconds(200), "lbd spins")
        #expect(try balancer.status().pid == balancer.process)
        let said = balancer.program.errors.split(separator: "\n").filter { $0.contains("paused") }
        #expect((1...12).contains(said.count), "said \(said.count) times that accepting is paused")

        // One after the other leaves and makes room: each of the others is served. Whose turn it is depends on which
        // worker the kernel gave it to, so whoever was served leaves.
        try eventually(within: .seconds(20), "the others to be served, \(clients.count) left") {
            for (index, client) in clients.enumerated().reversed() where !client.isQuiet(for: .zero) {
                let name = try client.line()
                #expect(name == "web-1")
                clients.remove(at: index).close()
            }
            return clients.isEmpty
        }
        #expect(try balancer.census(10) == ["web-1": 10])
        try balancer.backend("web-1") { $0.connections == 0 }
    }

    /// Class 24: what a backend sends for a client that does not read must not pile up in lbd.
    @Test("a hundred clients that do not read a fast backend: memory stays bounded")
    func slowReaders() throws {
        let block = [UInt8](repeating: 0x41, count: 1 << 20)
        let server = try TestServer(lab) { peer in for _ in 0..<64 { try peer.send(block) } }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]))
        let before = try ProcessTable.residentKiB(balancer.process)
        let clients = try (0..<100).map { _ in try balancer.connect() }
        try balancer.backend("web-1") { $0.connections == 100 }
        try awaitStandstill(balancer)
        let grown = try ProcessTable.residentKiB(balancer.process) - before
        #expect(grown < 100 * 2 * 64 + 8 * 1024, "\(grown) KiB for 100 clients that do not read")
        let count = try clients[0].toEnd().bytes.count
        #expect(count == 64 << 20)
        for client in clients { client.reset() }
        try balancer.backend("web-1") { $0.connections == 0 }
    }

    /// Until the bytes that lbd has passed on no longer grow.
    private func awaitStandstill(_ balancer: Balancer) throws {
        var last: UInt64 = 0
        var same = 0
        try eventually(within: .seconds(20), "traffic to stand still") {
            let passed = try balancer.backend("web-1").bytesToClient
            same = passed == last ? same + 1 : 0
            last = passed
            return same >= 20
        }
    }
}
