// A process that stood still (SIGSTOP, a suspended machine) finds every deadline passed and all news still unread.
import Glibc
import Model
import Testing

@Suite(.lab) struct Standstill {
    let lab = Lab.current

    /// Class 25: everything seems overdue, and everybody would be cut off at once.
    @Test("two seconds of SIGSTOP, twice every timeout: nobody who has spoken or read meanwhile is cut off", arguments: Scale.workers)
    func nobodyIsCutOff(workers: Int) throws {
        let block = [UInt8](repeating: 0x45, count: 256 * 1024)
        let server = try TestServer(lab) { peer in
            guard try peer.receive(exactly: 1) == Array("s".utf8) else { return try peer.echoToEnd() }
            while true { try peer.send(block) }
        }
        var configuration = ConfigurationText(
            [("web-1", server)], ["idle-timeout: 1s", "half-closed-timeout: 1s", "stalled-timeout: 1s"])
        configuration.workers = workers
        let balancer = try Balancer(lab, configuration)
        let talkers = try (0..<100).map { _ in try balancer.connect() }
        let readers = try (0..<10).map { _ in try balancer.connect() }
        for talker in talkers {
            try talker.send("ex")
            #expect(try talker.receive(exactly: 1) == Array("x".utf8))
        }
        for reader in readers { try reader.send("s") }
        for reader in readers { _ = try reader.receive(exactly: 1 << 20) }

        try ProcessTable.stop(balancer.process)
        for talker in talkers { try talker.send("still here") }
        // The readers take what the kernel has for them, and wait for more.
        for reader in readers { while !reader.isQuiet(for: .milliseconds(10)) { _ = try reader.receive() } }
        observe(for: .seconds(2))
        kill(balancer.process, SIGCONT)

        for talker in talkers { #expect(try talker.receive(exactly: 10) == Array("still here".utf8)) }
        for reader in readers { #expect(try reader.receive(exactly: 4 << 20).count == 4 << 20) }
        for peer in talkers + readers { peer.reset() }
        try balancer.backend("web-1") { $0.connections == 0 }
    }
}
