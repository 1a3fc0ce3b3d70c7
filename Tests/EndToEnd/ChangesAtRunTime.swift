// Pools, backends and listeners changed by command under a running lbd. Faults: a change that disturbs what it is not
// about, a removal that cuts connections off or is said to be done too early, a reload that forgets drains and findings.
import ControlProtocol
import Foundation
import Glibc
import Model
import Testing

@Suite(.lab) struct ChangesAtRunTime {
    let lab = Lab.current
    private let balancer: Balancer

    init() throws {
        let lab = Lab.current
        balancer = try Balancer(lab, ConfigurationText([
            ("web-1", try TestServer.named("web-1", lab)), ("web-2", try TestServer.named("web-2", lab)),
        ], ["balance: round-robin"]))
    }

    private func expectDone(_ words: String..., at location: SourceLocation = #_sourceLocation) throws {
        let end = try balancer.startLbctl(words).end(within: .seconds(30))
        #expect(end.status == 0, "\(words): \(end)", sourceLocation: location)
    }

    @Test("a backend that was added takes its share, with the weight that it was given; one that was removed takes nothing")
    func backends() throws {
        let third = try TestServer.named("web-3", lab)
        try expectDone("backend", "add", "web/web-3", "\(third.endpoint)", "weight=2")
        // Each worker goes round by itself.
        let shares = try balancer.census(80)
        #expect(shares.count == 3 && (34...46).contains(shares["web-3"] ?? 0), "\(shares)")
        try expectDone("backend", "set", "web/web-3", "weight=")
        let equal = try balancer.census(60)
        #expect(equal.values.allSatisfy { (14...26).contains($0) }, "\(equal)")
        try expectDone("backend", "remove", "web/web-1", "web/web-2", "--wait")
        #expect(try balancer.census(10) == ["web-3": 10])
        #expect(try balancer.status().pools[0].backends.map(\.name) == ["web-3"])
    }

    @Test("backend remove --wait ends when the last connection has ended, and not before")
    func removalWaits() throws {
        let held = try balancer.connection(to: "web-1")
        let removal = try balancer.startLbctl(["backend", "remove", "web/web-1", "--wait"])
        try eventually(within: .seconds(10), "the first word of the wait") { removal.output.contains("backend web/web-1: 1 connection holds it") }
        #expect(try balancer.census(20) == ["web-2": 20])
        try held.send("still here\n")
        #expect(try held.line() == "still here")
        #expect(try removal.isRunning())
        held.close()
        let end = try removal.end()
        #expect(end.status == 0 && end.output.hasSuffix("backend web/web-1: gone\n"), "\(end)")
    }

    @Test("at the wait's deadline the removal stands, its connection goes on, and the exit status is 3")
    func removalDeadline() throws {
        let held = try balancer.connection(to: "web-1")
        let end = try balancer.lbctl("backend", "remove", "web/web-1", "--wait", "--deadline", "300ms", "-o", "json")
        #expect(end.status == 3 && end.errors.contains("still held"), "\(end)")
        let lines = end.output.split(separator: "\n").map { Data($0.utf8) }
        #expect(try JSONDecoder().decode(ChangesRecord.self, from: try #require(lines.first)).changes.map(\.change) == ["removed"])
        #expect(try JSONDecoder().decode(RemovalRecord.self, from: try #require(lines.last)).connections == 1)
        try held.send("still here\n")
        #expect(try held.line() == "still here")
    }

    @Test("backend remove --now resets what is connected, and only there")
    func removalNow() throws {
        let first = try balancer.connection(to: "web-1"), second = try balancer.connection(to: "web-2")
        try expectDone("backend", "remove", "web/web-1", "--now", "--wait")
        #expect(try first.toEnd().ending == .reset)
        try second.send("still here\n")
        #expect(try second.line() == "still here")
    }

    @Test("what was removed and is still held can be hurried, and asked for again")
    func removalHurried() throws {
        let held = try balancer.connection(to: "web-1")
        try expectDone("backend", "remove", "web/web-1")
        #expect(try balancer.lbctl("backend", "remove", "web/web-1", "--wait", "--deadline", "100ms").status == 3)
        try expectDone("backend", "remove", "web/web-1", "--now", "--wait")
        #expect(try held.toEnd().ending == .reset)
        #expect(try balancer.lbctl("backend", "remove", "web/web-1").status == 1)
        let other = try balancer.connection(to: "web-2")
        try expectDone("listener", "remove", "web")
        try expectDone("pool", "remove", "web")
        try expectDone("pool", "remove", "web", "--now", "--wait")
        #expect(try other.toEnd().ending == .reset)
    }

    @Test("a pool and its listener come, serve and go; the pool that was there before notices nothing")
    func poolAndListener() throws {
        let held = try balancer.connection(to: "web-1")
        let api = try TestServer.named("api-1", lab)
        try expectDone("pool", "add", "api", "health.check=none", "backends.api-1=\(api.endpoint)")
        try expectDone("listener", "add", "api", "bind=127.0.0.1:0", "pool=api")
        let other = try balancer.connect("api")
        #expect(try other.line() == "api-1")
        let refused = try balancer.lbctl("pool", "remove", "api")
        #expect(refused.status == 4 && refused.errors.contains("listener api"), "\(refused)")
        try expectDone("listener", "remove", "api")
        let removal = try balancer.startLbctl(["pool", "remove", "api", "--wait"])
        try eventually(within: .seconds(10), "the wait for the pool") { removal.output.contains("1 connection holds it") }
        other.close()
        #expect(try removal.end().status == 0)
        #expect(try balancer.status().pools.map(\.name) == ["web"])
        try held.send("still here\n")
        #expect(try held.line() == "still here")
    }

    @Test("listener remove --wait: the address is free at once, its connections are waited for")
    func listenerRemoval() throws {
        let held = try balancer.connection(to: "web-1")
        let address = try balancer.endpoint()
        let removal = try balancer.startLbctl(["listener", "remove", "web", "--wait"])
        try eventually(within: .seconds(10), "the wait for the listener") { removal.output.contains("1 connection holds it") }
        #expect(throws: (any Error).self) { try Peer(connecting: address) }
        held.close()
        let end = try removal.end()
        #expect(end.status == 0 && end.output.hasSuffix("listener web: gone\n"), "\(end)")
    }

    @Test("what the kernel refuses changes nothing, neither what runs nor what is saved")
    func addressInUse() throws {
        let server = try TestServer.named("other", lab)
        let before = try balancer.lbctl("config", "show").output
        let end = try balancer.lbctl("listener", "add", "more", "bind=\(server.endpoint)", "pool=web")
        #expect(end.status == 1 && end.errors.contains("in use"), "\(end)")
        #expect(try balancer.lbctl("config", "show").output == before)
        #expect(try balancer.status().listeners.map(\.name) == ["web"])
    }

    @Test("complaint 4: a reload loses no drain, no probe's finding, no connection and no counter")
    func complaint4() throws {
        try expectDone("pool", "set", "web", "health={check: connect, interval: 50ms, rise: 1, fall: 1}")
        try balancer.becomesAvailable()
        let held = try balancer.connection(to: "web-1")
        try expectDone("drain", "web/web-1", "--owner", "ann", "--reason", "disk")
        let before = try balancer.backend("web-1")
        let text = try String(contentsOfFile: lab.path("lbd.yaml"), encoding: .utf8)
        try lab.write("lbd.yaml", text.replacing("balance: round-robin", with: "balance: random").replacing("health: { check: none }", with: "health: { check: connect, interval: 50ms, rise: 1, fall: 1 }"))
        let end = try balancer.lbctl("config", "reload")
        #expect(end.status == 0 && end.output == "pool web: balance round-robin -> random\n", "\(end)")
        let after = try balancer.backend("web-1")
        #expect(after.wish == .drain && after.drain == before.drain && after.probe == .up && after.availability == .draining)
        #expect(after.probeSequence >= before.probeSequence && after.connections == 1 && after.connectionsTotal == before.connectionsTotal)
        #expect(try balancer.status().pools[0].balance == "random")
        try held.send("still here\n")
        #expect(try held.line() == "still here")
    }

    @Test("200 random changes by command: what is saved reloads to no difference, and checks")
    func randomChanges() throws {
        var random = SeededRandom(seed: 11)
        let conversation = try ControlConversation(balancer.control)
        var refused = 0
        for _ in 0..<200 {
            let name = "b\(Int.random(in: 1...6, using: &random))", pool = ["web", "api"].randomElement(using: &random)!
            let line = [
                "backend add \(pool)/\(name) 127.0.0.1:\(Int.random(in: 20_000...20_020, using: &random)) weight=\(Int.random(in: 1...9, using: &random))",
                "backend set \(pool)/\(name) weight=\(Int.random(in: 1...9, using: &random)) backup=", "backend set \(pool)/\(name) connections-max=7",
                "backend remove \(pool)/\(name)", "backend remove \(pool)/\(name) now=yes", "pool add api health.check=none", "pool remove api",
                "pool set \(pool) balance=\(["random", "source-hash", ""].randomElement(using: &random)!) idle-timeout=\(Int.random(in: 1...9, using: &random))m",
                "pool set \(pool) restart.command=\"[ssh, '{host}', 'a: b']\"", "pool set \(pool) restart=", "listener add api bind=127.0.0.1:0 pool=api",
                "listener set api pool=\(pool)", "listener remove api", "config set stop-deadline=\(Int.random(in: 1...9, using: &random))s",
            ].randomElement(using: &random)!
            try conversation.send(line + "\n")
            let reply = try conversation.reply()
            if reply.code != .done { refused += 1 }
            #expect([.done, .failed, .refused].contains(reply.code), "\(line): \(reply)")
        }
        #expect((20...180).contains(refused), "both outcomes are seen: \(refused)")
        try expectDone("config", "save")
        #expect(try balancer.lbctl("config", "diff").output == "no change\n")
        #expect(try balancer.lbctl("config", "reload").output == "no change\n")
        #expect(try lab.run([Installed.product("lbd"), "--check", "--config", lab.path("lbd.yaml")]).status == 0)
        let shown = try balancer.lbctl("config", "show").output
        let status = try balancer.status()
        for pool in status.pools { for backend in pool.backends where backend.availability != .draining { #expect(shown.contains(" \(backend.name):")) } }
    }
}
