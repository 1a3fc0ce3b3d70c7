// At a drain's deadline lbd does what was ordered: keeps, closes at a pace, or resets. Complaint: a wait for zero that
// ends in a kill (7).
import ControlProtocol
import Foundation
import Glibc
import Model
import Synchronization
import Testing

@Suite(.lab) struct DrainDeadlines {
    let lab = Lab.current

    private func balancer(_ settings: [String] = []) throws -> Balancer {
        let first = try TestServer.named("web-1", lab), second = try TestServer.named("web-2", lab)
        return try Balancer(lab, ConfigurationText([("web-1", first), ("web-2", second)], ["balance: round-robin"] + settings))
    }

    @Test("close: whether or not anybody waits, idle ones first, each with a FIN; --wait exits 0")
    func close() throws {
        let balancer = try balancer(["drain: { at-deadline: close, close-rate: 20 }"])
        let idle = try (0..<10).map { _ in try balancer.connection(to: "web-1") }
        let busy = try balancer.connection(to: "web-1")
        let stopping = StopFlag()
        let chat = Background {
            // Until it is ended: how many of the idle ones were open still cannot be told from here, only that it was last.
            var rounds = 0
            while !stopping.isRaised {
                do {
                    try busy.send("ping\n")
                    _ = try busy.line()
                } catch { break }
                rounds += 1
                poll(nil, 0, 20)
            }
            return ContinuousClock.now
        }
        try eventually(within: .seconds(10), "ten idle connections") {
            try balancer.connections("web/web-1 sort=idle").connections.prefix(10).allSatisfy { $0.idle > 1.1 }
        }
        let drain = try balancer.startLbctl(["drain", "web/web-1", "--wait", "--deadline", "500ms", "-o", "json"])
        for peer in idle { #expect(try peer.toEnd().ending == .end) }
        let idleEnded = ContinuousClock.now
        #expect(try chat.result(within: .seconds(30)) > idleEnded - .milliseconds(200), "the busy one was not the last")
        stopping.raise()
        let end = try drain.end()
        #expect(end.status == 0, "\(end)")
        try balancer.tells("the drain's deadline has passed and 11 connections hold it: they are closed, idle ones first, at most 20 a second")
        try balancer.tells("closed 11 connections since the drain's deadline; none is left")
    }

    @Test("reset: all at once, without a waiter; the status says when and what")
    func reset() throws {
        let balancer = try balancer()
        let held = try (0..<20).map { _ in try balancer.connection(to: "web-1") }
        let other = try balancer.connection(to: "web-2")
        #expect(try balancer.command("drain web/web-1 deadline=700ms at-deadline=reset").code == .done)
        let drain = try #require(try balancer.backend("web-1").drain)
        #expect(drain.atDeadline == .reset && drain.deadline != nil)
        #expect(held[0].isQuiet(for: .milliseconds(300)))
        for peer in held { #expect(try peer.toEnd().ending == .reset) }
        try balancer.backend("web-1") { $0.availability == .drained }
        try other.send("still here\n")
        #expect(try other.line() == "still here")
    }

    @Test("complaint 7: nobody is killed at a deadline that says keep: they go on, the wait exits 3, and the event says so")
    func keep() throws {
        let balancer = try balancer(["drain: { deadline: 300ms, at-deadline: keep }"])
        let held = try balancer.connection(to: "web-1")
        #expect(try balancer.lbctl("drain", "web/web-1", "--wait").status == 3)
        try balancer.tells("1 connection holds it: they are kept")
        try held.send("still here\n")
        #expect(try held.line() == "still here")
    }

    @Test("the owner's drain again gives a new deadline; a renewal that names none leaves it")
    func again() throws {
        let balancer = try balancer()
        let held = try balancer.connection(to: "web-1")
        #expect(try balancer.command("drain web/web-1 owner=r deadline=2s at-deadline=reset").code == .done)
        #expect(try balancer.command("drain web/web-1 owner=r deadline=1h at-deadline=close").code == .done)
        let before = try #require(try balancer.backend("web-1").drain)
        #expect(before.atDeadline == .close)
        #expect(try balancer.command("drain web/web-1 owner=r lease=1h renew=yes").code == .done)
        #expect(try balancer.backend("web-1").drain?.deadline == before.deadline)
        #expect(held.isQuiet(for: .milliseconds(2500)), "the first deadline was forgotten")
        #expect(try balancer.command("undrain web/web-1 owner=r").code == .done)
        try held.send("still here\n")
        #expect(try held.line() == "still here")
    }

    @Test("a renewal after the deadline begins nothing anew: a rollout renews all the time")
    func renewed() throws {
        let server = try TestServer(lab) { peer in
            try peer.sendUntilStuck()
            _ = try peer.toEnd()
        }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]))
        let client = try balancer.connect()
        try balancer.backend("web-1") { $0.connections == 1 }
        #expect(try balancer.command("drain web/web-1 owner=r lease=1h deadline=100ms at-deadline=close").code == .done)
        // A reader that has stopped is ended after eight seconds: renewals must not put that off.
        let renewals = Background {
            for _ in 0..<30 {
                _ = try balancer.command("drain web/web-1 owner=r lease=1h renew=yes")
                poll(nil, 0, 500)
            }
        }
        try balancer.backend("web-1", within: .seconds(20)) { $0.availability == .drained }
        #expect(try client.toEnd().ending == .reset)
        try renewals.result(within: .seconds(60))
        let told = try balancer.command("events").data
        #expect(told.count { $0.contains("the drain's deadline has passed") } == 1, "\(told)")
        #expect(told.count { $0.contains("since the drain's deadline, 1 of them by a reset") && $0.contains("none is left") } == 1, "\(told)")
    }

    @Test("drains of one pool share its close-rate")
    func sharedRate() throws {
        let balancer = try balancer(["drain: { at-deadline: close, close-rate: 10 }"])
        let held = try (0..<30).map { _ in try balancer.connect() }
        try balancer.backend("web-1") { $0.connections == 15 }
        try balancer.backend("web-2") { $0.connections == 15 }
        let ends = held.map { peer in
            Background {
                _ = try peer.toEnd()
                return ContinuousClock.now
            }
        }
        #expect(try balancer.command("drain web/web-1 web/web-2 wait=yes deadline=0s", within: .seconds(30)).code == .done)
        let times = try ends.map { try $0.result(within: .seconds(30)) }.sorted()
        #expect(times[29] - times[0] > .milliseconds(2200), "29 in \((times[29] - times[0]).spoken) at 10 a second")
    }

    @Test("undrain before the deadline ends it: nobody is closed")
    func undrained() throws {
        let balancer = try balancer()
        let held = try balancer.connection(to: "web-1")
        #expect(try balancer.command("drain web/web-1 deadline=500ms at-deadline=reset").code == .done)
        #expect(try balancer.command("undrain web/web-1").code == .done)
        #expect(held.isQuiet(for: .milliseconds(900)))
    }

    @Test("a deadline survives a restart of lbd, and wishes saved by older versions are read")
    func restart() throws {
        let server = try TestServer.named("web-1", lab)
        let file = try lab.write("lbd.yaml", ConfigurationText([("web-1", server)]).yaml(control: "lbd.sock"))
        let old = "{\"web/web-1\":{\"wish\":\"drain\",\"owner\":\"ann\",\"since\":1700000000000}}"
        try lab.write("run/wishes.json", old)
        let first = try Balancer(lab, file: file)
        let drain = try #require(try first.backend("web-1").drain)
        #expect(drain.owner == "ann" && drain.deadline == nil && drain.atDeadline == nil)
        #expect(try first.command("drain web/web-1 owner=ann deadline=1h at-deadline=close").code == .done)
        let deadline = try first.backend("web-1").drain?.deadline
        try first.stop()
        let second = try Balancer(lab, file: file)
        let kept = try #require(try second.backend("web-1").drain)
        #expect(kept.deadline == deadline && kept.deadline != nil && kept.atDeadline == .close)
    }

    /// Each restart would give a dead tool's drain its whole time again.
    @Test("a lease goes on over a restart of lbd: it ends when it would have ended")
    func leaseOverRestart() throws {
        let server = try TestServer.named("web-1", lab)
        let file = try lab.write("lbd.yaml", ConfigurationText([("web-1", server)]).yaml(control: "lbd.sock"))
        let first = try Balancer(lab, file: file)
        #expect(try first.command("drain web/web-1 owner=tool lease=5s").code == .done)
        let until = try DrainDeadlines.date(#require(try first.backend("web-1").drain?.leaseUntil))
        observe(for: .milliseconds(1200))
        try first.stop()
        let second = try Balancer(lab, file: file)
        // A machine that is slow to start it may find the lease over already.
        if let kept = try second.backend("web-1").drain?.leaseUntil {
            #expect(try abs(DrainDeadlines.date(kept).timeIntervalSince(until)) < 0.1, "\(kept) instead of \(until)")
        } else {
            #expect(until < .now, "the lease was forgotten")
        }
        try second.backend("web-1", within: .seconds(10)) { $0.wish == .ready }
        #expect(until < .now, "it ended too early")
    }

    private static func date(_ text: String) throws -> Date {
        try Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    @Test("a reader that has stopped is ended after all others, and the drain ends")
    func stalled() throws {
        let server = try TestServer(lab) { peer in
            try peer.sendUntilStuck()
            _ = try peer.toEnd()
        }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]))
        let client = try balancer.connect()
        try balancer.backend("web-1") { $0.connections == 1 }
        let end = try balancer.lbctl("drain", "web/web-1", "--wait", "--deadline", "100ms", "--at-deadline", "close")
        #expect(end.status == 0, "\(end)")
        #expect(try client.toEnd().ending == .reset, "bytes were lost and it was told as a clean end")
        try balancer.tells("closed 1 connection since the drain's deadline, 1 of them by a reset, no quiet moment having come; none is left")
    }

    @Test("while it waits JSON tells the deadline, what happens then, and when it will be empty")
    func live() throws {
        let balancer = try balancer()
        let held = try balancer.connection(to: "web-1")
        for _ in 0..<20 { try balancer.connection(to: "web-1").close() }
        let reply = try balancer.command("drain web/web-1 wait=yes deadline=1500ms output=json")
        #expect(reply.code == .deadlinePassed)
        let records = try reply.data.map { try JSONDecoder().decode(DrainRecord.self, from: Data($0.utf8)) }
        #expect(records.allSatisfy { $0.atDeadline == .keep })
        #expect(records.first?.deadlineIn.map { $0 > 1 && $0 <= 1.6 } == true)
        #expect(records.last?.timeToEmpty?.toBlame.count == 1, "\(reply)")
        held.close()
    }

    @Test("without a rate the others' own busiest second is the budget, ten a second at least")
    func measured() throws {
        let balancer = try balancer()
        let held = try (0..<15).map { _ in try balancer.connection(to: "web-1") }
        let started = ContinuousClock.now
        let end = try balancer.lbctl("drain", "web/web-1", "--wait", "--deadline", "0s", "--at-deadline", "close")
        #expect(end.status == 0, "\(end)")
        // Idle for a second, the first second at a tenth of ten, the rest at ten.
        #expect(ContinuousClock.now - started > .seconds(1), "all at once")
        try balancer.tells("at most 10 a second")
        for peer in held { #expect(try peer.toEnd().ending == .end) }
    }

    @Test("what came before to the number of a backend that is added meanwhile is no busy second of the others")
    func usedNumbers() throws {
        let balancer = try balancer()
        let address = try balancer.backend("web-2").address
        _ = try balancer.census(400)
        #expect(try balancer.command("backend remove web/web-2").code == .done)
        try eventually(within: .seconds(10), "web-2 to be gone") { try balancer.status().pools[0].backends.count == 1 }
        let held = try (0..<5).map { _ in try balancer.connection(to: "web-1") }
        #expect(try balancer.command("drain web/web-1 deadline=2500ms at-deadline=close").code == .done)
        #expect(try balancer.command("backend add web/web-3 address=\(address)").code == .done)
        try balancer.tells("at most 10 a second")
        for peer in held { #expect(try peer.toEnd().ending == .end) }
    }

    @Test("a rollout that may reset what is left goes on where it would have given up")
    func rollout() throws {
        let balancer = try balancer(["health: { check: connect, interval: 100ms }"])
        try balancer.becomesAvailable()
        let held = try balancer.connection(to: "web-1")
        let options = ["--restart", "true", "--drain-deadline", "300ms"]
        #expect(try balancer.startLbctl(["rollout", "run", "web"] + options).end().status == 3)
        try held.send("still here\n")
        #expect(try held.line() == "still here")
        let end = try balancer.startLbctl(["rollout", "run", "web", "--at-deadline", "reset"] + options).end()
        #expect(end.status == 0, "\(end)")
        #expect(try held.toEnd().ending == .reset)
    }
}

extension Balancer {
    /// Waits for an event with such words.
    func tells(_ words: String, at location: SourceLocation = #_sourceLocation) throws {
        try eventually(within: .seconds(10), "an event that says: \(words)", at: location) {
            try command("events").data.contains { $0.contains(words) }
        }
    }
}
