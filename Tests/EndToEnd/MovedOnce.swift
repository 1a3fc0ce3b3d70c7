// Each client moved at most once: a rolling restart by hand, with clients that never leave and connect again when they are
// cut. A script over HAProxy moves them 1.63 times by round robin on four nodes.
import ControlProtocol
import Foundation
import Model
import Rollout
import Testing

@Suite(.lab(.heavy)) struct MovedOnce {
    let lab = Lab.current
    private static let clients = Scale.of(48, full: 600)

    private func reference(_ name: String) throws -> BackendReference { try BackendReference("web/\(name)") }

    private func measure(_ balancer: Balancer) throws -> MeasureReport {
        let reply = try balancer.command("measure web output=json")
        return try JSONDecoder().decode(MeasureReport.self, from: Data(reply.data.joined(separator: "\n").utf8))
    }

    /// What a rollout would give each backend while `out` is out.
    private func prefer(_ balancer: Balancer, out: String, next: String?, restarted: Set<String>) throws {
        let status = try balancer.status().pools[0]
        let nodes = try measure(balancer).backends.map { backend in
            let proof = CapacityProof.Node(
                try reference(backend.name), weight: backend.weight, isBackup: backend.backup, availability: backend.availability,
                connectionsMax: backend.connectionsMax, capacity: backend.capacity.capacity, peak: backend.peak.load)
            let standing: Preference.Standing = backend.name == out ? .out
                : restarted.contains(backend.name) ? .restarted : backend.name == next ? .next : .ahead
            let held = status.backends.first { $0.name == backend.name }?.connections ?? 0
            return Preference.Node(proof, standing, now: Load(connections: Double(held)))
        }
        let shares = Preference(nodes, load: Load(connections: Double(MovedOnce.clients))).shares
        let words = shares.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        #expect(try balancer.command("share \(words.joined(separator: " ")) lease=1m owner=test").code == .done)
    }

    /// The crowd after all six have been restarted, one after the other.
    private func rollOut(_ balance: Model.Balance, spare: Bool, prefers: Bool) throws -> LoyalCrowd {
        let names = (1...6).map { "web-\($0)" } + (spare ? ["spare"] : [])
        let servers = try names.map { ($0, try TestServer.named($0, lab)) }
        let balancer = try Balancer(
            lab, ConfigurationText(servers, ["balance: \(balance.rawValue)"]), name: "lbd-\(balance.rawValue)-\(spare)-\(prefers)")
        try balancer.becomesAvailable()
        if spare { #expect(try balancer.command("drain web/spare owner=test").code == .done) }
        let crowd = try LoyalCrowd(MovedOnce.clients, at: balancer.endpoint(), lab)
        try crowd.settles()
        if spare { #expect(try balancer.command("undrain web/spare owner=test").code == .done) }
        var restarted: Set<String> = spare ? ["spare"] : []
        for (index, name) in names.prefix(6).enumerated() {
            if prefers { try prefer(balancer, out: name, next: index < 5 ? names[index + 1] : nil, restarted: restarted) }
            #expect(try balancer.command("drain web/\(name) deadline=0s at-deadline=reset wait=yes owner=test").code == .done)
            try crowd.settles(without: name)
            #expect(try balancer.command("undrain web/\(name) owner=test").code == .done)
            restarted.insert(name)
        }
        crowd.stop()
        try balancer.stop()
        return crowd
    }

    @Test("six backends: 1.22 moves a client on average at most, and none more than two; by the naive order more", arguments: [Model.Balance.roundRobin, .leastConnections])
    func sixBackends(balance: Model.Balance) throws {
        let ours = try rollOut(balance, spare: false, prefers: true)
        #expect(ours.meanMoves <= 1.22 && ours.mostMoves <= 2, "\(ours.meanMoves) moves, at most \(ours.mostMoves)")
        let naive = try rollOut(balance, spare: false, prefers: false)
        #expect(naive.meanMoves >= ours.meanMoves, "naive \(naive.meanMoves)")
        if balance == .roundRobin { #expect(naive.meanMoves > 1.4, "naive \(naive.meanMoves): it is no proof of anything") }
    }

    @Test("with a spare one 1.02", arguments: [Model.Balance.roundRobin, .leastConnections])
    func withASpare(balance: Model.Balance) throws {
        let ours = try rollOut(balance, spare: true, prefers: true)
        #expect(ours.meanMoves <= 1.02 && ours.mostMoves <= 2, "\(ours.meanMoves) moves, at most \(ours.mostMoves)")
    }
}
