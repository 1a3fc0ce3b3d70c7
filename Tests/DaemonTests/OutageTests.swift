// Pools without backends and backends that come back, while the configuration changes. Faults: a new backend that is
// flooded, a pool that cannot leave because somebody is held in it or was diverted to it, who is held for backends that
// never come.
import EventLoop
import Model
import Statistics
import TestSupport
import Testing

@testable import Daemon

struct OutageTests {
    @Test func aNewBackendOfAServingPoolIsHeldBackAndThoseOfTheStartAreNot() async throws {
        let servers = try (1...4).map { try named("\($0)") }
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({
            try configuration(in: $0, ["a": Array(at[..<3])]) { $0.pools[0].balance = .leastConnections }
        }) { lbd in
            let endpoint = try await onLoop {
                #expect(try (1...3).allSatisfy { try lbd.backend("a/\($0)").comeback.share == nil })
                return try lbd.endpoint()
            }
            let held = try (0..<30).map { _ in try connect(endpoint) }
            try await onLoop {
                try lbd.apply { $0.pools[0].backends.append(try backend("4", at[3])) }
                try await lbd.settle()
                let new = try lbd.backend("a/4")
                #expect(new.comeback.share == 320 && new.availability == .available)
            }
            let next = try (0..<32).map { _ in try connect(endpoint) }
            #expect((8...12).contains(next.count { $0.backend == "4" }), "\(next.map(\.backend))")
            try await onLoop {
                try lbd.apply { $0.pools[0].slowStart = .seconds(60) }
                // Another address is another server.
                try lbd.apply { $0.pools[0].backends[3].address = at[0]; $0.pools[0].backends[0].address = at[3] }
                #expect(try lbd.backend("a/4").availability == .warming)
                let shares = lbd.status().pools[0].backends.map(\.share)
                #expect(shares.map { $0.map { (9...20).contains($0) } } == [true, nil, nil, true], "\(shares)")
            }
            for client in held + next { client.socket.close() }
        }
    }

    @Test(arguments: [1, 2])
    func aPoolLeavesWithThoseWhoAreHeldInIt(_ workers: Int) async throws {
        let servers = try (1...2).map { try named("\($0)") }
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({
            try configuration(in: $0, workers: workers, ["a": [at[0]], "b": [at[1]]]) {
                $0.pools[0].whenNone = .hold(lengthMax: 100, timeout: .seconds(60))
                $0.pools[0].backends[0].wish = .drain
            }
        }) { lbd in
            let (numbers, endpoint) = try await onLoop { (lbd.numbersLeft, try lbd.endpoint()) }
            let held = try (0..<8).map { _ in try BlockingSocket.connect(to: endpoint) }
            try await onLoop {
                try await lbd.waitUntil("all are held") { lbd.status().pools[0].held == 8 }
                try lbd.apply { $0.pools.removeFirst(); $0.listeners[0].pool = $0.pools[0].name }
            }
            for client in held { #expect(client.receiveAll().end == .reset) }
            try await onLoop {
                try await lbd.settle()
                try await lbd.waitUntil("its numbers are back") { lbd.numbersLeft.0 == numbers.0 + 1 && lbd.numbersLeft.1 == numbers.1 + 1 }
            }
            #expect(try connect(endpoint).backend == "2")
        }
    }

    /// They are the other pool's connections: the first may leave, the other waits for them.
    @Test(arguments: [1, 2])
    func aDivertedConnectionCountsForThePoolThatItIsIn(_ workers: Int) async throws {
        let servers = try (1...3).map { try named("\($0)") }
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({
            try configuration(in: $0, workers: workers, ["a": [at[0]], "b": [at[1]], "c": [at[2]]]) {
                $0.pools[0].whenNone = .divert($0.pools[1].name)
                $0.pools[0].backends[0].wish = .drain
            }
        }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint() }
            let clients = try (0..<8).map { _ in try connect(endpoint) }
            #expect(clients.allSatisfy { $0.backend == "2" })
            try await onLoop {
                #expect(lbd.status().pools[0].diverted == 8)
                // The first pool goes, with its listener's clients to the third.
                try lbd.apply { $0.pools.removeFirst(); $0.listeners[0].pool = $0.pools[1].name }
                try await lbd.settle()
                try lbd.apply { $0.pools.removeFirst(); $0.listeners.remove(at: 1) }
                #expect(lbd.daemon.table.pools.count == 2, "the second waits for its connections")
            }
            for client in clients {
                try greet(client.socket)
                client.socket.close()
            }
            try await onLoop {
                try await lbd.settle()
                #expect(lbd.daemon.table.pools.count == 1)
            }
            #expect(try connect(endpoint).backend == "3")
        }
    }

    /// Held, then sent to another pool by a change.
    @Test func whoIsHeldFollowsANewWhenNone() async throws {
        let servers = try (1...2).map { try named("\($0)") }
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({
            try configuration(in: $0, ["a": [at[0]], "b": [at[1]]]) {
                $0.pools[0].whenNone = .hold(lengthMax: 100, timeout: .seconds(60))
                $0.pools[0].backends[0].wish = .drain
            }
        }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint() }
            let held = try (0..<8).map { _ in try BlockingSocket.connect(to: endpoint) }
            try await onLoop {
                try await lbd.waitUntil("all are held") { lbd.status().pools[0].held == 8 }
                try lbd.apply { $0.pools[0].whenNone = .divert($0.pools[1].name) }
            }
            for client in held { #expect(client.receive(exactly: 1) == Array("2".utf8)) }
            try await onLoop { #expect(lbd.status().pools[0].held == 0 && lbd.status().pools[0].diverted == 8) }
        }
    }
}
