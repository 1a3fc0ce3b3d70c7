// What a rollout asks a running lbd: what its pools carry, and to send new connections elsewhere for a while. Faults: an
// answer that no program can read, a share that a monitor does not see.
import ControlProtocol
import Foundation
import Model
import Testing

@Suite(.lab) struct Measuring {
    let lab = Lab.current

    private func measure(_ balancer: Balancer, _ options: String = "") throws -> MeasureReport {
        let reply = try balancer.command("measure web \(options) output=json")
        guard reply.status == .ok else { throw HarnessError("measure answered \(reply)") }
        return try JSONDecoder().decode(MeasureReport.self, from: Data(reply.data.joined(separator: "\n").utf8))
    }

    @Test("measure: loads, peaks, capacities, ages and outcomes; options change at run time")
    func measures() throws {
        let first = try TestServer.named("web-1", lab), second = try TestServer.named("web-2", lab)
        let balancer = try Balancer(lab, ConfigurationText([("web-1", first), ("web-2", second)], ["capacity: { connections: 500, bytes-per-second: 1MiB }"], workers: 1))
        try balancer.becomesAvailable()
        let clients = try (0..<8).map { _ in try balancer.connect() }
        for client in clients { #expect(try client.line().hasPrefix("web-")) }
        let loaded = try eventually(within: .seconds(20), "the load to be measured") {
            let report = try measure(balancer, "ages=yes")
            return report.load.connections == 8 ? report : nil
        }
        #expect(loaded.backends.map { $0.ages?.reduce(0, +) } == [4, 4])
        #expect(loaded.backends.allSatisfy { $0.capacity.capacity == Capacity(connections: 500, bytesPerSecond: 1 << 20) })
        #expect(try balancer.command("backend set web/web-1 capacity.connections=70 capacity.connects-per-second=9").code == .done)
        for client in clients { client.close() }
        let after = try eventually(within: .seconds(20), "the load to be gone") {
            let report = try measure(balancer)
            return report.load.connections == 0 ? report : nil
        }
        #expect(after.peak.connections == 8 && after.backends.map(\.peak.connections) == [4, 4])
        #expect(after.backends[0].capacity.capacity == Capacity(connections: 70, connectsPerSecond: 9, bytesPerSecond: 1 << 20))
        #expect(after.backends[0].ages == nil)
        #expect(after.backends[1].outcomes.outcomes.firstBytes.reduce(0, +) == 4)
        #expect(after.lifetimes.reduce(0, +) == 8)
        let text = try balancer.command("measure web").data
        #expect(text.contains { $0.hasPrefix("web/web-1") && $0.contains("70 connections, 9 connects/s") }, "\(text)")
    }

    @Test("lbctl measure, share and unshare: table and JSON, and a refusal where the shares are another's")
    func verbs() throws {
        let first = try TestServer.named("web-1", lab), second = try TestServer.named("web-2", lab)
        let balancer = try Balancer(lab, ConfigurationText([("web-1", first), ("web-2", second)]))
        try balancer.becomesAvailable()
        let table = try balancer.lbctl("measure", "web")
        #expect(table.status == 0 && table.output.contains("BACKEND") && table.output.contains("web/web-2"), "\(table)")
        let json = try balancer.lbctl("measure", "web", "--ages", "-o", "json")
        #expect(try JSONDecoder().decode(MeasureReport.self, from: Data(json.output.utf8)).backends.count == 2)
        let shared = try balancer.lbctl("share", "web/web-1=0", "web/web-2=40", "--lease", "1h", "--owner", "ann", "--reason", "new disk")
        #expect(shared.status == 0 && shared.output.hasPrefix("pool web: of their weights web-1 0 %, web-2 40 %, until "), "\(shared)")
        #expect(try balancer.lbctl("unshare", "web", "--owner", "bob").status == 4)
        let ended = try balancer.lbctl("unshare", "web", "--owner", "bob", "--force", "-o", "json")
        #expect(ended.status == 0 && ended.output.contains("\"pool\":\"web\"") && !ended.output.contains("percents"), "\(ended)")
        let both = try balancer.lbctl("listener", "set", "web", "web", "connections-max=7")
        #expect(both.status == 64, "\(both)")
    }

    @Test("share: seen in status, explain and events, ended by its lease or by unshare")
    func shares() throws {
        let first = try TestServer.named("web-1", lab), second = try TestServer.named("web-2", lab)
        let balancer = try Balancer(lab, ConfigurationText([("web-1", first), ("web-2", second)]))
        try balancer.becomesAvailable()
        let follower = try EventFollower(balancer, lab)
        let reply = try balancer.command("share web/web-1=0 lease=1h owner=rollout-7 reason=\"new release\"")
        #expect(reply.code == .done && reply.data.first?.hasPrefix("pool web: of their weights web-1 0 %, until ") == true, "\(reply)")
        for _ in 0..<6 {
            let client = try balancer.connect()
            #expect(try client.line() == "web-2")
            client.close()
        }
        #expect(try balancer.command("status web").data.contains { $0.contains("0 % of its weight by rollout-7") })
        #expect(try balancer.command("explain web/web-1").data.contains { $0.contains("only what no other backend can take, by rollout-7 until") })
        #expect(try balancer.command("share web/web-2=0 lease=1h owner=other").code == .refused)
        #expect(try balancer.command("config reload").code == .done)
        #expect(try balancer.status().pools[0].shares?.percents == ["web-1": 0])
        #expect(try balancer.command("share web/web-2=50 lease=300ms owner=rollout-7").code == .done)
        try eventually(within: .seconds(20), "the lease to end the shares") { try balancer.status().pools[0].shares == nil }
        #expect(try balancer.command("share web/web-2=50 lease=1h owner=rollout-7").code == .done)
        #expect(try balancer.command("unshare web owner=rollout-7").code == .done)
        #expect(try balancer.command("share web/web-2=101 lease=1h").code == .badUsage)
        #expect(try balancer.command("share web/web-2=10").code == .badUsage)
        try eventually(within: .seconds(20), "the events to tell what the status does") {
            RebuiltState(follower.events) == RebuiltState(try balancer.status())
        }
    }
}
