// Drains: nothing new arrives, what stands goes on, and `drained` is said only when nobody holds the backend.
import ControlProtocol
import Glibc
import Model
import Testing

@Suite(.lab) struct Drain {
    let lab = Lab.current
    private let first: TestServer
    private let balancer: Balancer

    init() throws {
        first = try TestServer.named("web-1", lab)
        let second = try TestServer.named("web-2", lab)
        balancer = try Balancer(lab, ConfigurationText([("web-1", first), ("web-2", second)]))
    }

    /// How soon it ends: see DrainComplaints.
    @Test("drain --wait ends after the last connection, and nothing new arrives meanwhile")
    func waits() throws {
        let held = try balancer.connection(to: "web-1")
        let drain = try balancer.startLbctl(["drain", "web/web-1", "--wait"])
        try balancer.backend("web-1") { $0.availability == .draining }
        let before = first.accepted
        #expect(try balancer.census(200) == ["web-2": 200])
        #expect(first.accepted == before, "a new connection reached a draining backend")
        #expect(try drain.isRunning(), "the drain ended while a connection was open")
        try held.send("still here\n")
        #expect(try held.line() == "still here")

        held.close()
        let end = try drain.end()
        #expect(end.status == 0, "\(end)")
        let report = try balancer.backend("web-1")
        #expect(report.availability == .drained)
        #expect(report.connections == 0)
        #expect(try balancer.census(20) == ["web-2": 20])
    }

    @Test("drain --wait of a backend that is removed meanwhile: it was empty, so exit 0, and the answer says so")
    func removedMeanwhile() throws {
        let held = try balancer.connection(to: "web-1")
        let drain = try balancer.startLbctl(["drain", "web/web-1", "--wait"])
        try balancer.backend("web-1") { $0.availability == .draining }
        #expect(try balancer.command("backend remove web/web-1").code == .done)
        held.close()
        let end = try drain.end()
        #expect(end.status == 0 && end.output.contains("web/web-1 drained: no connection holds it; it was removed meanwhile"), "\(end)")
        let gone = try balancer.lbctl("explain", "web/web-1")
        #expect(gone.status == 1 && gone.errors.contains("there is no backend 'web/web-1' any more: it was removed"), "\(gone)")
    }

    @Test("drain --wait of a backend that is removed with its connections exits 1")
    func removedAtOnce() throws {
        let held = try balancer.connection(to: "web-1")
        let drain = try balancer.startLbctl(["drain", "web/web-1", "--wait"])
        try balancer.backend("web-1") { $0.availability == .draining }
        #expect(try balancer.command("backend remove web/web-1 now=yes").code == .done)
        let end = try drain.end()
        #expect(end.status == 1 && end.errors.contains("web/web-1 was removed while it was drained, and its connections reset"), "\(end)")
        #expect(try held.toEnd().ending == .reset)
    }

    @Test("the same drain once more keeps what it does not say: reason, deadline, what happens then")
    func againKeeps() throws {
        #expect(try balancer.command("drain web/web-1 owner=ann reason=disk deadline=2h at-deadline=close lease=1h").code == .done)
        let before = try #require(try balancer.backend("web-1").drain)
        #expect(try balancer.command("drain web/web-1 owner=ann").code == .done)
        let after = try #require(try balancer.backend("web-1").drain)
        #expect(after.reason == "disk" && after.deadline == before.deadline && after.atDeadline == .close && after.since == before.since)
        // A lease is asked for each time.
        #expect(after.lease == nil && after.leaseUntil == nil)
        #expect(try balancer.command("drain web/web-1 owner=ann reason=fan deadline=3h").code == .done)
        let changed = try #require(try balancer.backend("web-1").drain)
        #expect(changed.reason == "fan" && changed.deadline != before.deadline && changed.atDeadline == .close)
    }

    @Test("drain --wait --deadline 2s exits 3, the node stays draining, and nothing new reached it")
    func deadline() throws {
        let held = try balancer.connection(to: "web-1")
        let started = ContinuousClock.now
        let drain = try balancer.startLbctl(["drain", "web/web-1", "--wait", "--deadline", "2s"])
        try balancer.backend("web-1") { $0.availability == .draining }
        let before = first.accepted
        while try drain.isRunning() { #expect(try balancer.census(20) == ["web-2": 20]) }
        let end = try drain.end()
        let took = ContinuousClock.now - started
        #expect(end.status == 3, "\(end)")
        #expect(took > .milliseconds(1900) && took < .seconds(2) + Scale.lateness, "took \(took.spoken)")
        let report = try balancer.backend("web-1")
        #expect(report.availability == .draining)
        #expect(report.wish == .drain)
        #expect(report.connections == 1)
        #expect(first.accepted == before, "a new connection reached a draining backend")
        try held.send("still here\n")
        #expect(try held.line() == "still here")
    }

    @Test("at the deadline JSON tells once more what it ended with, in whole milliseconds")
    func lastRecord() throws {
        let held = try balancer.connection(to: "web-1")
        let end = try balancer.lbctl("drain", "web/web-1", "--wait", "--deadline", "1500ms", "-o", "json")
        #expect(end.status == 3, "\(end)")
        let waited = end.output.matches(of: /"waited":([0-9.]+)/).map { String($0.1) }
        #expect(waited.last.flatMap(Double.init).map { $0 >= 1.5 } == true, "\(end)")
        #expect(waited.allSatisfy { $0.split(separator: ".").last.map { $0.count <= 3 } == true }, "\(end)")
        held.close()
    }

    @Test("a backend without connections is drained at once, and undrain brings it back")
    func emptyAndBack() throws {
        let end = try balancer.lbctl("drain", "web/web-1", "--wait", "--reason", "new kernel")
        #expect(end.status == 0, "\(end)")
        let drained = try balancer.backend("web-1")
        #expect(drained.availability == .drained)
        #expect(drained.drain?.reason == "new kernel")
        #expect(try balancer.census(20) == ["web-2": 20])
        #expect(try balancer.lbctl("undrain", "web/web-1").status == 0)
        #expect(try balancer.backend("web-1").availability == .available)
        #expect(try balancer.census(20).keys.sorted() == ["web-1", "web-2"])
    }

    @Test("a half-closed connection still holds its backend")
    func halfClosedHolds() throws {
        let held = try balancer.connection(to: "web-1")
        let goOn = Outbox<Void>()
        let slow = try TestServer(lab) { peer in
            _ = try peer.toEnd()
            _ = try goOn.take()
        }
        held.close()
        var configuration = ConfigurationText([("web-1", slow)])
        configuration.stateDirectory = "other"
        let other = try Balancer(lab, configuration, name: "other")
        let client = try other.connect()
        client.halfClose()
        try other.backend("web-1") { $0.connections == 1 }
        let drain = try other.startLbctl(["drain", "web/web-1", "--wait"])
        try other.backend("web-1") { $0.availability == .draining }
        #expect(client.isQuiet(for: .milliseconds(500)))
        #expect(try drain.isRunning(), "a half-closed connection was not counted")
        goOn.put(())
        #expect(try drain.end().status == 0)
    }

    @Test("a drain belongs to its owner: another's undrain and drain are refused with 4, --force is not")
    func owners() throws {
        #expect(try balancer.lbctl("drain", "web/web-1", "--owner", "alice").status == 0)
        let undrain = try balancer.lbctl("undrain", "web/web-1", "--owner", "bob")
        #expect(undrain.status == 4, "\(undrain)")
        #expect(undrain.text.contains("--owner alice or --force"), "\(undrain)")
        #expect(try balancer.lbctl("drain", "web/web-1", "--owner", "bob").status == 4)
        #expect(try balancer.backend("web-1").drain?.owner == "alice")
        #expect(try balancer.lbctl("undrain", "web/web-1", "--owner", "bob", "--force").status == 0)
        #expect(try balancer.backend("web-1").wish == .ready)
    }

    @Test("renew=yes updates a drain of one's own and begins none: an operator's undrain has the last word")
    func renewal() throws {
        #expect(try balancer.command("drain web/web-1 owner=r lease=30s renew=yes").code == .refused)
        #expect(try balancer.command("drain web/web-1 owner=r lease=30s").code == .done)
        #expect(try balancer.command("drain web/web-1 owner=r lease=40s renew=yes").code == .done)
        #expect(try balancer.backend("web-1").drain?.lease == 40)
        #expect(try balancer.command("undrain web/web-1 owner=ann force=yes").code == .done)
        let late = try balancer.command("drain web/web-1 owner=r lease=30s renew=yes")
        #expect(late.code == .refused)
        #expect(late.message.contains("ended: undrain by ann"), "\(late)")
        #expect(try balancer.backend("web-1").wish == .ready)
    }

    @Test("a lease that nobody renews and lease-end: keep: it stays drained, by its owner")
    func leaseEndKeep() throws {
        var text = ConfigurationText([("web-1", first)], ["drain: { lease-end: keep }"])
        text.stateDirectory = "kept"
        let keeping = try Balancer(lab, text, name: "keeping")
        #expect(try keeping.command("drain web/web-1 owner=r reason=disk lease=300ms").code == .done)
        try keeping.backend("web-1", within: .seconds(5)) { $0.drain?.lease == nil }
        let report = try keeping.backend("web-1")
        #expect(report.wish == .drain && report.drain?.owner == "r" && report.drain?.reason == "disk", "\(report)")
        #expect(report.drain?.leaseUntil == nil)
        #expect(try keeping.command("events").data.contains { $0.contains("was not renewed for 300 ms; it stays out") })
        #expect(try keeping.command("undrain web/web-1 owner=ann").code == .refused)
        #expect(try keeping.command("undrain web/web-1 owner=r").code == .done)
    }

    @Test("a wait for a backend that moves to another address meanwhile fails: who was connected there is still there")
    func moved() throws {
        let held = try balancer.connection(to: "web-1")
        let drain = try balancer.startLbctl(["drain", "web/web-1", "--wait"])
        try balancer.backend("web-1") { $0.availability == .draining }
        let other = try TestServer.named("web-3", lab)
        #expect(try balancer.command("backend set web/web-1 address=\(other.endpoint)").code == .done)
        let end = try drain.end()
        #expect(end.status == 1 && end.errors.contains("was moved from"), "\(end)")
        try held.send("still here\n")
        #expect(try held.line() == "still here")
    }

    @Test("a renewal in the same round of the loop as the end of the lease: what is answered is what holds")
    func renewalInTheLastMoment() throws {
        let conversation = try ControlConversation(balancer.control)
        try conversation.send("drain web/web-1 owner=r lease=300ms\n")
        #expect(try conversation.reply().code == .done)
        kill(balancer.process, SIGSTOP)
        // Both are waiting when it goes on: the line, and the end of the lease.
        do {
            defer { kill(balancer.process, SIGCONT) }
            try conversation.send("drain web/web-1 owner=r lease=300s renew=yes\n")
            #expect(conversation.isQuiet(for: .milliseconds(600)))
        }
        let renewed = try conversation.reply().code == .done
        #expect(try balancer.backend("web-1").wish == (renewed ? .drain : .ready))
    }

    @Test("a lease that nobody renews ends the drain: a dead tool leaves no node out")
    func lease() throws {
        let started = ContinuousClock.now
        #expect(try balancer.lbctl("drain", "web/web-1", "--lease", "1s").status == 0)
        #expect(try balancer.backend("web-1").wish == .drain)
        try balancer.backend("web-1", within: .seconds(5)) { $0.wish == .ready && $0.availability == .available }
        #expect(ContinuousClock.now - started > .milliseconds(950))
    }

    @Test("with every backend drained a client is reset at once: never a fallback, never a clean end")
    func allDrained() throws {
        #expect(try balancer.lbctl("drain", "web/web-1", "web/web-2", "--wait").status == 0)
        for _ in 0..<10 {
            let (bytes, ending) = try balancer.connect().toEnd()
            #expect(bytes.isEmpty)
            #expect(ending == .reset)
        }
        #expect(try balancer.lbctl("undrain", "web/web-2").status == 0)
        #expect(try balancer.census(5) == ["web-2": 5])
    }

    @Test("a name that is not there: exit 1, and the nearest one", arguments: ["drain", "undrain"])
    func unknownName(verb: String) throws {
        let end = try balancer.lbctl(verb, "web/web-11")
        #expect(end.status == 1, "\(end)")
        #expect(end.text.contains("web/web-11"))
        #expect(end.text.replacing("web/web-11", with: "").contains("web-1"), "no suggestion in: \(end)")
        let pool = try balancer.lbctl(verb, "wbe/web-1")
        #expect(pool.status == 1, "\(pool)")
        #expect(pool.text.contains("'web'") || pool.text.contains("web/web-1"), "no suggestion in: \(pool)")
        #expect(try balancer.status().pools[0].backends.allSatisfy { $0.wish == .ready })
    }
}
