// A rollout as its balancers show it. Faults: one that nobody sees but whoever began it, and one that fails because a
// balancer does not want to hear of it.
import ControlProtocol
import Model
import Testing

@Suite(.lab) struct RolloutShown {
    let lab = Lab.current

    @Test("a rollout's steps are in the status and on the page while it runs, and its end afterwards")
    func shown() throws {
        let servers = try (1...3).map { ("web-\($0)", try TestServer.named("web-\($0)", lab)) }
        var text = ConfigurationText(servers, ["health: { check: connect, interval: 100ms, rise: 1, fall: 1 }"])
        text.settings = ["admin: 127.0.0.1:0"]
        let balancer = try Balancer(lab, text)
        try balancer.becomesAvailable()
        let held = try balancer.connect()
        let holder = String(try held.line())
        let rollout = try balancer.startLbctl(["rollout", "run", "web", "--restart", "true", "--drain-deadline", "5m"])
        try eventually(within: .seconds(30), "the step that waits for the connection") {
            try balancer.status().pools[0].rollout?.nodes.contains { $0.backend == holder && $0.step == .draining } ?? false
        }
        let standing = try #require(try balancer.status().pools[0].rollout)
        #expect(standing.state == .running && standing.steps == 3 && standing.owner.hasPrefix("rollout-"), "\(standing)")
        let page = try balancer.get("/").body
        #expect(page.contains("Rollout \(standing.id)") && page.contains("draining"))
        held.close()
        let end = try rollout.end(within: .seconds(60))
        #expect(end.status == 0, "\(end)")
        let last = try #require(try balancer.status().pools[0].rollout)
        #expect(last.state == .done && last.stepsDone == 3 && last.nodes.allSatisfy { $0.step == .done }, "\(last)")
        // A page is half a second old at most.
        try eventually(within: .seconds(20), "its end on the page") { try balancer.get("/").body.contains("3 of 3 done") }
    }
}
