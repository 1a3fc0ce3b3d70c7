// What lbd's own HTTP pages bear. Faults: clients that send a byte now and then until nobody else is answered, libevent's
// spin when descriptors run out, memory and descriptors of clients that vanish, and bytes that bring lbd down.
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct AdminAbuse {
    let lab = Lab.current

    private func balancer(prelude: String = ":") throws -> Balancer {
        var text = ConfigurationText([("web-1", try TestServer.named("web-1", lab))])
        text.settings = ["admin: 127.0.0.1:0"]
        return try Balancer(lab, text, prelude: prelude)
    }

    @Test("clients of a byte now and then are cut off after ten seconds in all, and others are answered meanwhile")
    func slowClients() throws {
        let balancer = try balancer()
        let admin = try balancer.admin()
        let began = ContinuousClock.now
        var slow = try (0..<Scale.of(200, full: 1000)).map { _ in try Peer(connecting: admin) }
        let connected = ContinuousClock.now
        for peer in slow { try peer.send("G") }
        var times: [Duration] = []
        let count = slow.count
        var firstEnd: ContinuousClock.Instant?
        var nextByte = ContinuousClock.now + .seconds(5)
        try eventually(within: .seconds(60), "the end of all slow clients") {
            let asked = ContinuousClock.now
            let status = try balancer.get("/healthz").status
            #expect(status == 200)
            times.append(ContinuousClock.now - asked)
            if ContinuousClock.now > nextByte {
                for peer in slow { _ = Sockets.send(peer.number, from: "E", count: 1) }
                nextByte += .seconds(30)
            }
            slow = slow.filter { peer in !Sockets.isReadable(peer.number) }
            if firstEnd == nil, slow.count < count { firstEnd = .now }
            observe(for: .milliseconds(100))
            return slow.isEmpty
        }
        let whole = ContinuousClock.now - connected
        let first = try #require(firstEnd)
        #expect(first - began > .seconds(9), "cut off too early")
        #expect(whole < .seconds(25) * Scale.patience)
        // The promise is 50 ms; a debug build on a busy machine is slower.
        #expect(times.sorted()[times.count / 2] < .milliseconds(50) * Scale.slowness, "\(times.sorted().suffix(5))")
        try eventually(within: .seconds(10), "no socket left") { try ProcessTable.descriptors(balancer.process) < 60 }
    }

    @Test("out of descriptors lbd waits for some without spinning, and answers again when they are back")
    func descriptorsRunOut() throws {
        let balancer = try balancer(prelude: "ulimit -n 64")
        let admin = try balancer.admin()
        var held = try (0..<40).map { _ in try Peer(connecting: admin) }
        for peer in held { try peer.send("G") }
        observe(for: .seconds(1))
        let before = try ProcessTable.processorTime(balancer.process)
        observe(for: .seconds(2))
        let used = try ProcessTable.processorTime(balancer.process) - before
        #expect(used < .milliseconds(500) * Scale.slowness / 4, "a spin: \(used) in 2 s")
        for peer in held { peer.close() }
        held = []
        // What was accepted while there was no descriptor for its other side is cut off.
        try eventually(within: .seconds(20), "an answer") {
            do { return try balancer.get("/healthz").status == 200 } catch { return false }
        }
        #expect(try balancer.command("status").status == .ok)
    }

    @Test("10,000 requests, whole, cut and nonsense: lbd lives, with the memory and the descriptors it had")
    func nonsense() throws {
        let balancer = try balancer()
        let admin = try balancer.admin()
        let seed = SeededRandom.seedOfThisRun
        func storm(_ rounds: Int, _ seed: UInt64) throws {
            _ = try concurrently(4) { thread in
                var fuzz = HTTPFuzz(seed: seed &+ UInt64(thread))
                for _ in 0..<rounds / 4 { fuzz.converse(at: admin) }
            }
        }
        try storm(Scale.of(1000, full: 5000), seed)
        #expect(try balancer.get("/healthz").status == 200, "SEED=\(seed)")
        let before = try ProcessTable.residentKiB(balancer.process)
        try storm(Scale.of(2000, full: 10_000), seed &+ 100)
        #expect(try balancer.get("/healthz").status == 200, "SEED=\(seed)")
        try eventually(within: .seconds(20), "no socket left") { try ProcessTable.descriptors(balancer.process) < 60 }
        let grown = try ProcessTable.residentKiB(balancer.process) - before
        #expect(Scale.isSanitized || grown < 4096, "\(grown) KiB more, SEED=\(seed)")
        #expect(try balancer.stop().status == 0, "SEED=\(seed)")
    }
}
