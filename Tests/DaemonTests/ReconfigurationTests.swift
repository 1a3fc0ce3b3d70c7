// Changes while lbd runs. Faults: a reload that loses drains, findings or counters; a change that disturbs what it does
// not concern; connections cut, or sent where nobody should go any more; numbers that come back with their old owner's marks.
import ControlProtocol
import EventLoop
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

struct ReconfigurationTests {
    /// A change of pool A leaves B alone: its routing is not even published anew.
    @Test func aChangeOfOnePoolLeavesTheOtherAlone() async throws {
        let servers = try ["a", "b", "c"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, [ "a": [at[0]], "b": [at[1]] ]) }) { lbd in
            let b = try await onLoop { try lbd.endpoint("b") }
            let client = try connect(b)
            let (routing, slot, prober) = try await onLoop {
                (try lbd.pool("b").routing, try lbd.backend("b/1").slot, ObjectIdentifier(try lbd.backend("b/1").prober))
            }
            let generation = try await onLoop {
                try lbd.apply { $0.pools[0].backends.append(try backend("2", at[2])); $0.pools[0].balance = .random }
                return lbd.daemon.plane.generation
            }
            try await onLoop { try await lbd.settle() }
            try greet(client.socket)
            try await onLoop {
                let (pool, backend) = (try lbd.pool("b"), try lbd.backend("b/1"))
                #expect(pool.routing == routing)
                #expect(lbd.daemon.plane.generation == generation)
                #expect(backend.slot == slot)
                #expect(ObjectIdentifier(backend.prober) == prober)
                #expect(lbd.status().pools[1].backends[0].connectionsTotal == 1)
                #expect(lbd.status().pools[0].eligible == 2)
            }
        }
    }

    /// Weight, limits, backup: the connection and the counters stay, and the next routing has them.
    @Test func aBackendIsChangedUnderItsConnection() async throws {
        let servers = try ["1", "2"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, ["a": at]) }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint() }
            let client = try connect(endpoint)
            try await onLoop {
                try lbd.apply { $0.pools[0].backends[0].connectionsMax = 1; $0.pools[0].backends[1].backup = true }
                try await lbd.settle()
            }
            try greet(client.socket)
            // With 1 held by the first client or not: the only one that is no backup takes one at most.
            let others = try (0..<3).map { _ in try BlockingSocket.connect(to: endpoint) }
            let served = others.map { $0.receive(max: 1) }.filter { if case .success(["1".utf8.first!]) = $0 { true } else { false } }
            #expect(served.count == (client.backend == "1" ? 0 : 1))
            let most = try await onLoop { try lbd.backend("a/1").configuration.connectionsMax }
            #expect(most == 1)
        }
    }

    /// The old address keeps its connections until they end; the new one gets all others, and has a slot of its own.
    @Test func anAddressChangesUnderConnections() async throws {
        let servers = try ["o", "n"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, ["a": [at[0]]]) }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint() }
            let old = try connect(endpoint)
            #expect(old.backend == "o")
            try await onLoop {
                try lbd.apply { $0.pools[0].backends[0].address = at[1] }
                try await lbd.waitUntil("it is followed") { lbd.daemon.plane.isFollowed(lbd.daemon.plane.generation) }
            }
            for _ in 0..<10 { #expect(try connect(endpoint).backend == "n") }
            try greet(old.socket)
            try await onLoop {
                let pool = lbd.status().pools[0]
                #expect(pool.leaving == [LeavingReport(name: "1", address: "\(at[0])", connections: 1)])
                #expect(pool.backends[0].address == "\(at[1])")
                #expect(pool.backends[0].connectionsTotal == 10)
            }
            old.socket.close()
            try await onLoop {
                try await lbd.settle()
                #expect(lbd.status().pools[0].leaving == [])
                #expect(lbd.events("backendMoved").count == 1)
                #expect(lbd.events("backendLeft").count == 1)
            }
        }
    }

    /// Gone when empty and not before; nothing new reaches it; its name can come back meanwhile.
    @Test(arguments: [1, 2])
    func aBackendIsRemovedUnderAConnection(_ workers: Int) async throws {
        let servers = try ["1", "2"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, workers: workers, ["a": at]) }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint() }
            let clients = try (0..<2).map { _ in try connect(endpoint) }
            let held = try #require(clients.first { $0.backend == "1" } ?? clients.first)
            let name = held.backend
            let removed = try #require(Int(name)) - 1
            try await onLoop {
                try lbd.apply { $0.pools[0].backends.remove(at: removed) }
                let report = try #require(lbd.status().pools[0].backends.last)
                #expect(report.name == name && report.removing && report.availability == .draining)
                try await lbd.waitUntil("it is followed") { lbd.daemon.plane.isFollowed(lbd.daemon.plane.generation) }
            }
            for _ in 0..<10 { #expect(try connect(endpoint).backend != name) }
            try greet(held.socket)
            // Back, and out once more.
            try await onLoop {
                try lbd.apply { $0.pools[0].backends.append(try backend(name, at[removed])) }
                try await lbd.waitUntil("it is available again") { try lbd.backend("a/\(name)").availability == .available }
                #expect(lbd.events("backendTakenBack").count == 1)
                let holders = try lbd.backend("a/\(name)").holders
                #expect(holders >= 1)
                try lbd.apply { $0.pools[0].backends.removeLast() }
            }
            for client in clients { client.socket.close() }
            try await onLoop {
                try await lbd.settle()
                #expect(lbd.status().pools[0].backends.map(\.name) == [name == "1" ? "2" : "1"])
                #expect(lbd.events("backendRemoved").count == 1)
            }
        }
    }

    /// Reset, not drained, and the others are not.
    @Test func aBackendIsRemovedNow() async throws {
        let servers = try ["1", "2"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, ["a": at]) }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint() }
            let clients = try (0..<6).map { _ in try connect(endpoint) }
            try await onLoop {
                try lbd.apply(now: true) { $0.pools[0].backends.removeFirst() }
                #expect(lbd.status().pools[0].backends.map(\.name) == ["2"])
            }
            for client in clients {
                if client.backend == "2" { try greet(client.socket) } else { #expect(client.socket.receiveAll().end == .reset) }
            }
            try await onLoop { try await lbd.settle() }
        }
    }

    /// New clients go to the new pool, standing ones stay.
    @Test func aListenerIsRedirected() async throws {
        let servers = try ["a", "b"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, ["a": [at[0]], "b": [at[1]]]) }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint() }
            let old = try connect(endpoint)
            try await onLoop {
                try lbd.apply { $0.listeners[0].pool = $0.pools[1].name }
                try await lbd.waitUntil("it is followed") { lbd.daemon.plane.isFollowed(lbd.daemon.plane.generation) }
            }
            for _ in 0..<5 { #expect(try connect(endpoint).backend == "b") }
            try greet(old.socket)
            // The pool goes when the connection does.
            try await onLoop {
                try lbd.apply { $0.pools.removeFirst() ; $0.listeners.removeAll { $0.name.text == "b" } }
                #expect(lbd.status().pools.last?.removing == true)
            }
            try greet(old.socket)
            old.socket.close()
            try await onLoop {
                try await lbd.waitUntil("the pool is gone") { lbd.status().pools.count == 1 }
                try await lbd.settle()
                #expect(lbd.events("poolRemoved").count == 1)
            }
        }
    }

    /// Who waits for a backend of a pool that goes waits in vain: he is told at once, and who is connected goes on.
    @Test(arguments: [1, 2])
    func thoseInLineAreReleased(_ workers: Int) async throws {
        let server = try named("a")
        defer { server.stop() }
        let at = server.endpoint
        try await DaemonUnderTest.with({ folder in
            try configuration(in: folder, workers: workers, ["a": [at], "b": [at]]) {
                $0.pools[0].backends[0].connectionsMax = 1
                $0.pools[0].whenFull = .queue(lengthMax: 10, timeout: .seconds(60))
            }
        }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint() }
            let held = try connect(endpoint)
            let line = try (0..<4).map { _ in try BlockingSocket.connect(to: endpoint) }
            try await onLoop {
                try await lbd.waitUntil("they wait") { lbd.status().pools[0].queued == 4 }
                try lbd.apply {
                    $0.listeners[0].pool = $0.pools[1].name
                    $0.pools.removeFirst()
                }
            }
            for client in line { #expect(client.receiveAll().end == .reset) }
            try greet(held.socket)
            held.socket.close()
            try await onLoop {
                try await lbd.settle()
                #expect(lbd.status().pools.map(\.name) == ["b"])
            }
        }
    }

    /// What cannot be done leaves everything as it was, what could have been done before it too.
    @Test func allOrNothing() async throws {
        let server = try named("a")
        let other = try TestBackend.echo()
        defer { server.stop(); other.stop() }
        let (at, taken) = (server.endpoint, other.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, ["a": [at]]) }) { lbd in
            // An address that no other test of this process binds.
            let ours: UInt32 = 0x7F00_4D07
            try await onLoop {
                let generation = lbd.daemon.plane.generation
                for _ in 0..<1000 {
                    #expect(throws: Failure.self) {
                        try lbd.apply {
                            $0.pools.append(try pool("b", [at]))
                            $0.listeners.append(try listener("new", pool: "b", bind: .ipv4(ours, port: 0)))
                            $0.listeners[0].backlog = 7
                            // Somebody listens there.
                            $0.listeners.append(try listener("taken", pool: "b", bind: taken))
                        }
                    }
                }
                #expect(lbd.daemon.plane.generation == generation)
                #expect(lbd.status().pools.count == 1 && lbd.status().listeners.count == 1)
                #expect(lbd.daemon.reconfiguration.current.pools.count == 1)
            }
            let endpoint = try await onLoop { try lbd.endpoint() }
            #expect(try connect(endpoint).backend == "a")
            #expect(try OpenDescriptors.count(ofLocalAddress: ours) == 0)
        }
    }
}
