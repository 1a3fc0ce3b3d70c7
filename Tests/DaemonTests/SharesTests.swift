// Leased shares of a pool's weights, and what is measured of it. Faults: a share that outlives the tool that set it, that a
// reload forgets, or that another tool overwrites; a peak that nobody saw.
import ControlProtocol
import EventLoop
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

extension DaemonUnderTest {
    fileprivate func share(_ percents: KeyValuePairs<String, Int>, owner: String = "tool", lease: Duration = .seconds(60)) async throws {
        let shares = try percents.map { ShareOrder.Share(try BackendReference($0.key), percent: $0.value) }
        try await daemon.handler.shares.set(try pool(), ShareOrder(shares, owner: owner, reason: "rollout", lease: lease), by: "amy")
    }
}

struct SharesTests {
    private static func census(_ endpoint: Endpoint, _ count: Int) throws -> [String: Int] {
        var had: [String: Int] = [:]
        for _ in 0..<count {
            let client = try connect(endpoint)
            had[client.backend, default: 0] += 1
            client.socket.close()
        }
        return had
    }

    @Test("all of a pool's shares change at once, stand through a reload, and are told; who is not named has all of its weight")
    func sharesAreSet() async throws {
        let servers = try ["1", "2", "3"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, workers: 1, ["a": at]) }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint() }
            try await onLoop { try await lbd.share(["a/1": 0, "a/2": 100]) }
            let first = try SharesTests.census(endpoint, 40)
            // A routing that is published meanwhile begins the round anew.
            #expect(first["1"] == nil && (first["2"] ?? 0) + (first["3"] ?? 0) == 40 && abs((first["2"] ?? 0) - 20) <= 2, "\(first)")
            try await onLoop {
                try lbd.apply {
                    $0.pools[0].slowStart = .seconds(1)
                    $0.pools[0].backends[1].weight = 3
                }
                let shares = try #require(lbd.status().pools[0].shares)
                #expect(shares.percents == ["1": 0] && shares.owner == "tool" && shares.lease == 60)
                let events = lbd.events("shared").map(EventText.init)
                #expect(events.count == 1 && events[0].text.hasPrefix("of new connections the backends get 1 0 %, by tool for 1 m 0 s, until "))
            }
            let second = try SharesTests.census(endpoint, 40)
            #expect(second["1"] == nil && second.values.reduce(0, +) == 40)
            // The others at once, and not the first any more.
            try await onLoop { try await lbd.share(["a/2": 0, "a/3": 0]) }
            #expect(try SharesTests.census(endpoint, 20) == ["1": 20])
            try await onLoop { try await lbd.daemon.handler.shares.end(lbd.pool(), owner: "tool", force: false, by: "amy") }
            let last = try SharesTests.census(endpoint, 50)
            #expect(last.keys.sorted() == ["1", "2", "3"])
            try await onLoop {
                #expect(lbd.status().pools[0].shares == nil)
                #expect(lbd.events("unshared").count == 1)
            }
        }
    }

    @Test("a lease that nobody renews ends the shares; one that is renewed does not")
    func leaseEnds() async throws {
        let servers = try ["1", "2"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, workers: 1, ["a": at]) }) { lbd in
            try await onLoop {
                try await lbd.share(["a/1": 0], lease: .seconds(2))
                try await lbd.share(["a/1": 0], lease: Patience.limit)
                let until = try #require(try lbd.pool().shares?.until)
                await pause(for: .seconds(3))
                #expect(try lbd.pool().shares?.until == until)
                try await lbd.share(["a/1": 0], lease: .milliseconds(200))
                try await lbd.waitUntil("the shares have ended") { try lbd.pool().shares == nil }
                #expect(lbd.events("shared").count == 3 && lbd.events("unshared").count == 1)
                #expect(EventText(lbd.events("unshared")[0]).text.contains("the lease of tool was not renewed for 200 ms"))
            }
            let had = try SharesTests.census(try await onLoop { try lbd.endpoint() }, 20)
            #expect(had["1", default: 0] + had["2", default: 0] == 20 && abs(had["1", default: 0] - 10) <= 2, "\(had)")
        }
    }

    @Test("another owner's shares are not touched without force")
    func owners() async throws {
        let server = try named("1")
        defer { server.stop() }
        let at = server.endpoint
        try await DaemonUnderTest.with({ try configuration(in: $0, workers: 1, ["a": [at]]) }) { lbd in
            try await onLoop {
                try await lbd.share(["a/1": 50], owner: "ann")
                let (shares, pool) = (lbd.daemon.handler.shares, try lbd.pool())
                do throws(Failure) {
                    try await shares.end(pool, owner: "bob", force: false, by: "amy")
                    Issue.record("bob ends what is ann's")
                } catch { #expect(error.code == .refused && error.message.contains("the shares of pool a are ann's")) }
                #expect(try lbd.pool().shares?.owner == "ann")
                try await shares.end(lbd.pool(), owner: "bob", force: true, by: "amy")
                #expect(try lbd.pool().shares == nil)
            }
        }
    }

    @Test("the load is measured once a second, and its peak stays when the load is gone; what became of connections is counted")
    func measured() async throws {
        let servers = try ["1", "2"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, workers: 1, ["a": at]) }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint() }
            let clients = try (0..<12).map { _ in try connect(endpoint) }
            try await onLoop { try await lbd.waitUntil("the load is seen") { try lbd.pool().meter.now.connections == 12 } }
            for client in clients {
                try greet(client.socket)
                client.socket.close()
            }
            try await onLoop {
                try await lbd.waitUntil("the load is gone") { try lbd.pool().meter.now.connections == 0 }
                #expect(try lbd.pool().meter.peak.connections == 12)
                #expect(try lbd.backend("a/1").meter.peak.connections == 6)
                #expect(try lbd.pool().meter.peak.connectsPerSecond > 0 && lbd.pool().meter.peak.bytesPerSecond > 0)
                let outcomes = try lbd.daemon.plane.statistics.outcomes(slot: lbd.backend("a/2").slot)
                #expect(outcomes.firstBytes.reduce(0, +) == 6)
                #expect(outcomes.earlyEnds.reduce(0, +) == 6)
                // Its name and the echo: two bytes each, where they ended soon enough.
                #expect(outcomes.answers.dropFirst(2).reduce(0, +) == 0 && outcomes.answers[0] == 0)
            }
        }
    }

    /// Fault: what a slot had counted for the backend before counted as the new one's first second, and a proof of
    /// capacity by that peak failed for ten minutes.
    @Test("a backend that is new brings no load with its slot")
    func newBackendsAreNoPeak() async throws {
        let servers = try ["1", "2"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, ["a": at, "b": [at[0]]]) }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint() }
            // Slowly, as its peak is what is looked at.
            for _ in 0..<10 {
                _ = try SharesTests.census(endpoint, 40)
                poll(nil, 0, 100)
            }
            let other = try await onLoop { () -> (slot: Int, peak: Load) in
                try await lbd.waitUntil("the load is gone") { lbd.status().connections == 0 }
                let slot = try lbd.backend("a/1").slot
                try lbd.apply {
                    $0.listeners.removeFirst()
                    $0.pools.removeFirst()
                }
                try await lbd.settle()
                return (slot, try lbd.pool("b").meter.peak)
            }
            #expect(other.peak.connectsPerSecond == 0)
            try await onLoop {
                // Some of them have a slot of those that went.
                try lbd.apply { for name in ["x", "y", "z"] { $0.pools[0].backends.append(try DaemonTests.backend(name, at[1])) } }
                #expect(try ["b/x", "b/y", "b/z"].contains { try lbd.backend($0).slot == other.slot })
                await pause(for: .milliseconds(2500))
                #expect(try lbd.pool("b").meter.peak.connectsPerSecond == 0)
            }
        }
    }

    /// Fault: the lease of a pool that was gone ended later on, and was told of whoever had its name by then.
    @Test("a pool takes its shares with it")
    func goneWithTheirPool() async throws {
        let servers = try ["1", "2"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, ["a": [at[0]], "b": [at[1]]]) }) { lbd in
            try await onLoop {
                try await lbd.share(["a/1": 0], lease: .seconds(1))
                let before = lbd.daemon.reconfiguration.current
                try lbd.apply {
                    $0.listeners.removeFirst()
                    $0.pools.removeFirst()
                }
                try await lbd.settle()
                // None, but on a machine that was too busy for the pool to go before.
                let ends = lbd.events("unshared").count
                try lbd.apply { $0 = before }
                await pause(for: .milliseconds(1300))
                #expect(lbd.events("unshared").count == ends && lbd.status().pools.contains { $0.name == "a" && $0.shares == nil })
            }
        }
    }

    @Test("several listeners go to another pool at once, and back")
    func redirected() async throws {
        let servers = try ["1", "2"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({
            try configuration(in: $0, workers: 1, ["a": [at[0]], "b": [at[1]]]) { $0.listeners.append(try listener("c", pool: "a")) }
        }) { lbd in
            let endpoints = try await onLoop { [try lbd.endpoint("a"), try lbd.endpoint("c")] }
            for (pool, name) in [("b", "2"), ("a", "1"), ("b", "2")] {
                try await onLoop {
                    try lbd.apply { for index in [0, 2] { $0.listeners[index].pool = try PoolName(pool) } }
                    let generation = lbd.daemon.plane.generation
                    #expect(await lbd.daemon.table.followed(generation))
                }
                for endpoint in endpoints { #expect(try SharesTests.census(endpoint, 20) == [name: 20]) }
            }
        }
    }
}

/// What people read of an event.
private struct EventText {
    let text: String
    init(_ change: Event.Change) { text = change.text }
}
