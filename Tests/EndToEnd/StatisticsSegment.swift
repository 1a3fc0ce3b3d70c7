// The statistics segment of a real lbd, looked into from outside: while it runs, stands still and has been killed.
import ControlProtocol
import Foundation
import Glibc
import Model
import Statistics
import SystemCalls
import Testing

@Suite(.lab) struct StatisticsSegment {
    let lab = Lab.current

    private func reader(_ balancer: Balancer) throws -> SegmentReader {
        try SegmentReader(record: SegmentFile.record(beside: balancer.control))
    }

    /// What is seen is compared with what clients and `status` know; a moment may lie between the two.
    private func seen(_ reader: SegmentReader, within limit: Duration = .seconds(30), _ isSo: (Observation) -> Bool) throws -> Observation {
        var last: Observation?
        return try eventually(within: limit, "another look than \(last.map { "\($0)" } ?? "none")") {
            let now = try reader.observe()
            last = now
            return isSo(now) ? now : nil
        }
    }

    @Test("live connections are listed with their clients, and all sums are those of the counters", arguments: Scale.workers)
    func lists(workers: Int) throws {
        let balancer = try Balancer(lab, ConfigurationText([("web-1", .echo(lab)), ("web-2", .echo(lab))], workers: workers))
        let peers = try (0..<Scale.of(40, full: 4000)).map { _ in try balancer.connect() }
        for (index, peer) in peers.enumerated() {
            let bytes = [UInt8](repeating: 7, count: index + 1)
            try peer.send(bytes)
            #expect(try peer.receive(exactly: bytes.count) == bytes)
        }
        let reader = try reader(balancer)
        let seen = try seen(reader) { $0.connections.count == peers.count && $0.process.connections == peers.count && $0.unread == 0 }
        #expect(seen.process.pid == balancer.process && seen.process.liveness == .running && seen.unlisted == 0)
        #expect(Set(seen.connections.compactMap { $0.client?.description }) == Set(try peers.map { try $0.localEndpoint().description }))
        let moved = UInt64(peers.count * (peers.count + 1) / 2)
        #expect(seen.connections.reduce(0) { $0 + $1.bytesToBackend } == moved && seen.connections.reduce(0) { $0 + $1.bytesToClient } == moved)
        let status = try balancer.status()
        let backends = try #require(seen.pools.first).backends
        #expect(seen.pools[0].name == "web" && seen.listeners.map(\.name) == ["web"] && seen.listeners[0].bind == status.listeners[0].bind)
        for (backend, report) in zip(backends, status.pools[0].backends) {
            #expect(backend.name == report.name && backend.address == report.address && backend.availability == report.availability)
            #expect(backend.connections == report.connections && backend.totals.connections == report.connectionsTotal)
            #expect(backend.totals.bytesToBackend == report.bytesToBackend && backend.totals.bytesToClient == report.bytesToClient)
            #expect(seen.connections.count { $0.slot == backend.slot } == report.connections)
        }
        #expect(seen.pools[0].connectTimes.total == UInt64(peers.count) && seen.pools[0].firstBytes.total == UInt64(peers.count))
        #expect(Set(seen.connections.map(\.id)).count == peers.count && seen.workers.count == workers)
    }

    @Test("names and states follow what is ordered: drains with owner and reason, changes, removals")
    func follows() throws {
        let first = try TestServer.named("web-1", lab), second = try TestServer.named("web-2", lab)
        let balancer = try Balancer(lab, ConfigurationText([("web-1", first), ("web-2", second)]))
        let reader = try reader(balancer)
        #expect(try balancer.lbctl("drain", "web/web-1", "--owner", "amy", "--reason", "new disk", "--lease", "1h").status == 0)
        let drained = try seen(reader) { $0.pools[0].backends[0].availability == .drained }
        let drain = try #require(drained.pools[0].backends[0].drain)
        #expect(drain.owner == "amy" && drain.reason == "new disk" && drain.leaseUntil != nil && drain.deadline != nil)
        #expect(try balancer.lbctl("undrain", "web/web-1", "--owner", "amy").status == 0)
        _ = try seen(reader) { $0.pools[0].backends[0].wish == .ready && $0.pools[0].backends[0].drain == nil }
        #expect(try balancer.command("backend set web/web-2 weight=7 connections-max=5").status == .ok)
        _ = try seen(reader) { $0.pools[0].backends[1].weight == 7 && $0.pools[0].backends[1].connectionsMax == 5 }
        #expect(try balancer.command("backend remove web/web-2 now=yes").status == .ok)
        _ = try seen(reader) { $0.pools[0].backends.map(\.name) == ["web-1"] }
        #expect(try balancer.command("pool add api backends.api-1=127.0.0.1:9").status == .ok)
        #expect(try balancer.command("listener add api bind=127.0.0.1:0 pool=api").status == .ok)
        _ = try seen(reader) { $0.pools.map(\.name) == ["web", "api"] && $0.listeners.map(\.name) == ["web", "api"] }
        #expect(try balancer.command("listener remove api").status == .ok)
        #expect(try balancer.command("pool remove api").status == .ok)
        _ = try seen(reader) { $0.pools.map(\.name) == ["web"] && $0.listeners.map(\.name) == ["web"] }
    }

    @Test("under SIGSTOP and after kill -9 all that was live is still there, and the next start clears it away")
    func outlives() throws {
        let server = try TestServer.echo(lab)
        let configuration = ConfigurationText([("web-1", server)])
        let balancer = try Balancer(lab, configuration)
        let peers = try (0..<10).map { _ in try balancer.connect() }
        for peer in peers {
            try peer.send("x")
            #expect(try peer.receive(exactly: 1).count == 1)
        }
        let reader = try reader(balancer)
        try balancer.program.signal(SIGSTOP)
        let stopped = try seen(reader) { if case .stopped = $0.process.liveness { true } else { false } }
        #expect(stopped.connections.count == peers.count)
        try balancer.program.signal(SIGCONT)
        _ = try seen(reader) { $0.process.liveness == .running }
        try balancer.program.signal(SIGKILL)
        let dead = try seen(reader) { if case .dead = $0.process.liveness { true } else { false } }
        #expect(dead.connections.count == peers.count && dead.process.connections == peers.count)
        #expect(dead.pools[0].backends[0].connections == peers.count)
        _ = try balancer.program.end()
        // By its record, as `lbctl top` does.
        _ = try self.reader(balancer).observe()
        let next = try Balancer(lab, file: lab.path("lbd.yaml"))
        #expect(!Files.exists(reader.path), "the next start removes what the crash has left")
        let after = try self.reader(next)
        #expect(after.path != reader.path)
        #expect(try seen(after) { $0.process.pid == next.process }.connections.isEmpty)
        try next.stop()
        #expect(!Files.exists(after.path) && !Files.exists(SegmentFile.record(beside: next.control)))
        #expect(!Files.exists(lab.path("run/statistics")))
    }

    @Test("where there is no memory for a file lbd serves without one, and says so once")
    func without() throws {
        // Less than the file is long: the kernel would end whoever makes it so.
        let balancer = try Balancer(lab, ConfigurationText([("web-1", .echo(lab))]), prelude: "ulimit -f 1000")
        let peer = try balancer.connect()
        try peer.send("x")
        #expect(try peer.receive(exactly: 1).count == 1)
        let said = balancer.program.errors.split(separator: "\n").count { $0.contains("lbctl top will not work") }
        #expect(said == 1 && !Files.exists(SegmentFile.record(beside: balancer.control)))
        let told = #expect(throws: SegmentError.self) { try reader(balancer) }
        #expect(told?.description.contains("No such file") == true)
    }

    @Test("behind a proxy the client is whom the PROXY header names")
    func behindProxy() throws {
        let server = try TestServer.echo(lab)
        var configuration = ConfigurationText([("web-1", server)])
        configuration.listeners[0].settings = ["accept-proxy: v1v2", "trusted: [127.0.0.0/8]"]
        let balancer = try Balancer(lab, configuration)
        let peer = try balancer.connect()
        let reader = try reader(balancer)
        _ = try seen(reader) { $0.connections.map(\.phase) == [.header] }
        try peer.send("PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\nx")
        #expect(try peer.receive(exactly: 1).count == 1)
        _ = try seen(reader) { $0.connections.map { $0.client?.description } == ["192.0.2.7:4711"] && $0.connections[0].phase == .relaying }
        peer.halfClose()
    }
}
