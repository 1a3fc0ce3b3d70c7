// Listeners that come, go and move while clients connect. Faults: a client that is refused or cut though somebody should
// have answered; a Unix path that is removed under the one who has it now; connections that end with their listener.
import ControlProtocol
import EventLoop
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

struct ListenerChangeTests {
    /// Clients without pause, while rules, limits, backlog, options and pool of their listener change.
    @Test(arguments: [1, 2])
    func nobodyIsDisturbedByChangesOfTheSameBind(_ workers: Int) async throws {
        let servers = try ["a", "b"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, workers: workers, ["a": [at[0]], "b": [at[1]]]) }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint() }
            let isOver = Counter(), count = Counter()
            async let clients: Void = onThreads(3) { _ in
                while isOver.value == 0 {
                    let client = try connect(endpoint)
                    #expect(client.backend == "a" || client.backend == "b")
                    try greet(client.socket)
                    client.socket.close()
                    count.add(1)
                }
            }
            for round in 0..<60 {
                try await onLoop {
                    try lbd.apply {
                        $0.listeners[0].connectionsMax = round % 2 == 0 ? nil : 50
                        $0.listeners[0].backlog = 512 + round
                        $0.listeners[0].tcp.keepalive = round % 3 == 0 ? nil : Keepalive(idle: .seconds(60 + round), interval: .seconds(5), count: 3)
                        $0.listeners[0].rules.arrivals.sourceConnectionsMax = round % 4 == 0 ? nil : 40
                        $0.listeners[0].rules.arrivals.rate = round % 5 == 0 ? nil : ConnectionRate(perSecond: 100_000, burst: 1000)
                        $0.listeners[0].pool = $0.pools[round % 2].name
                    }
                }
                let seen = count.value
                try await onLoop { try await lbd.waitUntil("clients come") { count.value > seen + 3 } }
            }
            isOver.add(1)
            try await clients
            try await onLoop {
                #expect(try lbd.endpoint() == endpoint)
                #expect(lbd.events("listenerOpened").count == 2)
                try await lbd.settle()
                #expect(lbd.status().listeners[0].refused == 0)
            }
        }
    }

    /// It accepts to the end, its connections go on, its number comes back; status shows it until then.
    @Test(arguments: [1, 2])
    func aRemovedListenerLetsItsConnectionsGoOn(_ workers: Int) async throws {
        let server = try named("a")
        defer { server.stop() }
        let at = server.endpoint
        try await DaemonUnderTest.with({ try configuration(in: $0, workers: workers, ["a": [at]]) { $0.listeners.append(try listener("b", pool: "a")) } }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint("b") }
            let client = try connect(endpoint)
            try await onLoop {
                try lbd.apply { $0.listeners.removeLast() }
                let report = try #require(lbd.status().listeners.last)
                #expect(report.name == "b" && report.closing && report.connections == 1)
                try await lbd.waitUntil("it is followed") { lbd.daemon.plane.isFollowed(lbd.daemon.plane.generation) }
            }
            #expect(throws: (any Error).self) { try connect(endpoint) }
            try greet(client.socket)
            client.socket.close()
            try await onLoop {
                try await lbd.settle()
                #expect(lbd.status().listeners.map(\.name) == ["a"])
                #expect(lbd.events("listenerRemoved").count == 1)
                // Now: its connections do not go on.
                try lbd.apply { $0.listeners.append(try listener("b", pool: "a")) }
            }
            let other = try connect(try await onLoop { try lbd.endpoint("b") })
            try await onLoop { try lbd.apply(now: true) { $0.listeners.removeLast() } }
            #expect(other.socket.receiveAll().end == .reset)
            try await onLoop { try await lbd.settle() }
        }
    }

    /// Renamed: the socket's file is the new one's in one moment, and nobody removes it under it.
    @Test(arguments: [1, 2])
    func aUnixPathGoesFromOneListenerToAnother(_ workers: Int) async throws {
        let server = try named("a")
        defer { server.stop() }
        let at = server.endpoint
        try await DaemonUnderTest.with({ folder in
            try configuration(in: folder, workers: workers, ["a": [at]]) { $0.listeners[0].bind = .unix(path: folder + "/0.sock") }
        }) { lbd in
            let endpoint = try await onLoop { try lbd.endpoint() }
            let isOver = Counter()
            async let clients: Void = onThreads(2) { _ in
                while isOver.value == 0 {
                    // One that is still in the old one's queue when it closes has connected to nobody's socket: it is cut.
                    let client = try BlockingSocket.connect(to: endpoint)
                    _ = client.receive(max: 1)
                    client.close()
                }
            }
            for round in 1...40 {
                try await onLoop {
                    try lbd.apply { $0.listeners[0].name = try ListenerName("n\(round)") }
                    await pause(for: .milliseconds(5))
                }
            }
            isOver.add(1)
            try await clients
            let client = try connect(endpoint)
            try greet(client.socket)
            client.socket.close()
            // To another path: the old one is removed.
            guard case .unix(let path) = endpoint else { return }
            try await onLoop {
                try lbd.apply { $0.listeners[0].bind = .unix(path: path + "2") }
                try await lbd.settle()
            }
            #expect(access(path, F_OK) != 0)
            let moved = try connect(.unix(path: path + "2"))
            moved.socket.close()
        }
    }

    /// From one address of a port to all addresses, and two that swap their ports: what is in the way is our own.
    @Test func bindsThatOverlapOurOwn() async throws {
        let servers = try ["a", "b"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ folder in
            try configuration(in: folder, ["a": [at[0]], "b": [at[1]]]) {
                // So that nobody else has that port at another address.
                $0.listeners[0].bind = .ipv4(0, port: 0)
            }
        }) { lbd in
            let (everywhere, b) = try await onLoop { (try lbd.endpoint("a"), try lbd.endpoint("b")) }
            let a = Endpoint.ipv4(0x7F00_0001, port: try #require(everywhere.port))
            try await onLoop {
                try lbd.apply { $0.listeners[0].bind = a }
                try await lbd.settle()
                try lbd.apply { ($0.listeners[0].bind, $0.listeners[1].bind) = (b, a) }
                try await lbd.settle()
            }
            #expect(try connect(a).backend == "b")
            #expect(try connect(b).backend == "a")
            try await onLoop {
                try lbd.apply { $0.listeners[1].bind = everywhere }
                try await lbd.settle()
            }
            #expect(try connect(.ipv4(0x7F00_0002, port: try #require(everywhere.port))).backend == "b")
        }
    }
}
