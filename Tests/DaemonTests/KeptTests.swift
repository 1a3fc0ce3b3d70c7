// What a change must not touch: wishes, leases, findings, counters, and what goes to a backend that is known to be dead.
import ControlProtocol
import EventLoop
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

struct KeptTests {
    private let often = HealthConfiguration(check: .connect, interval: .milliseconds(100), timeout: .seconds(1), rise: 1, fall: 1)

    /// Other rules of health go on from what was found: no moment in which a dead backend counts as unknown, or as up.
    @Test func aDeadBackendStaysDeadWhenItsHealthOptionsChange() async throws {
        let server = try named("1")
        // Bound and never listened on: nobody else gets the port meanwhile.
        let bound = try BlockingSocket(owning: try Sockets.bind(.ipv4(0x7F00_0001, port: 0)).release())
        let (at, nowhere) = (server.endpoint, try Sockets.localEndpoint(of: bound.number))
        defer {
            server.stop()
            bound.close()
        }
        try await DaemonUnderTest.with({ try configuration(in: $0, ["a": [at, nowhere]]) { $0.pools[0].health = often } }) { lbd in
            try await onLoop {
                try await lbd.waitUntil("the dead one is found") { try lbd.backend("a/2").availability == .down && lbd.backend("a/1").availability == .available }
                for interval in 1...20 {
                    let prober = try lbd.backend("a/2").prober
                    try lbd.apply { $0.pools[0].health = HealthConfiguration(
                        check: .connect, interval: .milliseconds(100 + interval), timeout: .seconds(1), rise: 2, fall: 3) }
                    let backend = try lbd.backend("a/2")
                    #expect(backend.availability == .down && backend.prober === prober)
                    #expect(lbd.status().pools[0].eligible == 1)
                }
                let sequence = try lbd.backend("a/2").history.sequence
                try await lbd.waitUntil("it is probed on") { try lbd.backend("a/2").history.sequence > sequence + 3 }
                // Found down once, and nothing since: by the new rules too one success would not do.
                #expect(lbd.events("probe").count == 2)
                // Without a check it counts as up, as at the start; with one again that is what is known.
                try lbd.apply { $0.pools[0].health.check = .none }
                #expect(lbd.status().pools[0].backends.allSatisfy { $0.probe == .up })
                try lbd.apply { $0.pools[0].health.check = .connect }
                try await lbd.waitUntil("it is found again") { try lbd.backend("a/2").availability == .down }
            }
        }
    }

    /// A drain with its lease and its reason stands through changes of everything about the backend, and its address.
    @Test func aDrainStands() async throws {
        let servers = try ["1", "2", "3"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, ["a": [at[0], at[1]]]) }) { lbd in
            try await onLoop {
                let order = DrainOrder(
                    backends: [try BackendReference("a/1")], owner: "tool", reason: "repair", lease: .seconds(60))
                let drains = lbd.daemon.reconfiguration.drains
                try await drains.drain([try lbd.backend("a/1")], order, by: "amy")
                let until = try lbd.backend("a/1").leaseUntil
                try lbd.apply {
                    $0.pools[0].backends[0].weight = 7
                    $0.pools[0].backends[0].wish = .maintenance
                    $0.pools[0].balance = .random
                }
                try lbd.apply { $0.pools[0].backends[0].address = at[2] }
                let backend = try lbd.backend("a/1")
                #expect(backend.wish == .drain && backend.drain?.owner == "tool" && backend.drain?.reason == "repair")
                #expect(backend.leaseUntil == until && until != nil)
                try await lbd.settle()
                #expect(backend.availability == .drained)
                #expect(lbd.status().pools[0].eligible == 1)
                // Removed and added anew it is another backend: the file's wish counts.
                try lbd.apply { $0.pools[0].backends.removeFirst() }
                try await lbd.settle()
                try lbd.apply { $0.pools[0].backends.append(try DaemonTests.backend("1", at[0])) }
                let new = try lbd.backend("a/1")
                #expect(new.wish == .ready && new.drain == nil)
            }
        }
    }

    /// Complaint 5: for a name that is there the file's wish says nothing, and for a new one it is the operator's last word
    /// that counts.
    @Test func aSavedWishWinsForANewName() async throws {
        let servers = try ["1", "2"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ folder in
            try Files.replace(folder + "/wishes.json", with: Array(#"{"a/2":{"wish":"drain","owner":"ann","since":0}}"#.utf8))
            return try configuration(in: folder, ["a": [at[0]]])
        }) { lbd in
            try await onLoop {
                try lbd.apply { $0.pools[0].backends.append(try DaemonTests.backend("2", at[1])) }
                let new = try lbd.backend("a/2")
                #expect(new.wish == .drain && new.drain?.owner == "ann")
                #expect(lbd.status().pools[0].eligible == 1)
                #expect(lbd.events("wishKept").count == 1)
            }
        }
    }

    /// Fault: a saved wish of a backend that the file lacked for a while was there or not, depending on what was ordered
    /// meanwhile.
    @Test func aSavedWishWithoutABackendIsKeptUntilThereIsOne() async throws {
        let servers = try ["1", "2"].map(named)
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ folder in
            try Files.replace(folder + "/wishes.json", with: Array(#"{"a/2":{"wish":"drain","owner":"ann","since":0}}"#.utf8))
            return try configuration(in: folder, ["a": [at[0]]])
        }) { lbd in
            try await onLoop {
                let drains = lbd.daemon.reconfiguration.drains
                let orders = DrainOrder(backends: [try BackendReference("a/1")])
                try await drains.drain([try lbd.backend("a/1")], orders, by: "amy")
                try await drains.makeReady([try lbd.backend("a/1")], owner: nil, force: false, by: "amy", verb: "undrain")
                let add = { try lbd.apply { $0.pools[0].backends.append(try DaemonTests.backend("2", at[1])) } }
                try add()
                #expect(try lbd.backend("a/2").wish == .drain && lbd.backend("a/2").drain?.owner == "ann")
                // Its own from then on: removed, it ends with it.
                try lbd.apply { $0.pools[0].backends.removeLast() }
                try await lbd.settle()
                try await drains.drain([try lbd.backend("a/1")], orders, by: "amy")
                try add()
                #expect(try lbd.backend("a/2").wish == .ready)
            }
        }
    }

    /// A slot's counters go on for ever; what is shown of a backend begins with it.
    @Test func countersBeginWithTheirBackend() async throws {
        let server = try named("1")
        defer { server.stop() }
        let at = server.endpoint
        try await DaemonUnderTest.with({ try configuration(in: $0, ["a": [at]]) }) { lbd in
            for round in 0..<40 {
                let endpoint = try await onLoop { try lbd.endpoint() }
                for _ in 0..<3 {
                    let client = try connect(endpoint)
                    try greet(client.socket)
                    client.socket.close()
                }
                try await onLoop {
                    try await lbd.waitUntil("they have ended") { lbd.status().connections == 0 }
                    let (backend, listener) = (lbd.status().pools[0].backends[0], lbd.status().listeners[0])
                    #expect(backend.connectionsTotal == 3 && backend.bytesToBackend == 3 && backend.connectFailures == 0, "round \(round)")
                    #expect(listener.connectionsTotal == 3 && listener.refused == 0, "round \(round)")
                    try lbd.apply {
                        $0.pools = [try pool("b\(round)", [at])]
                        $0.listeners = [try DaemonTests.listener("other", pool: "b\(round)")]
                    }
                    try lbd.apply { $0.listeners = [try DaemonTests.listener("a", pool: "b\(round)")] }
                    try await lbd.settle()
                }
            }
        }
    }

    /// A thousand backends that come up at once are a few publications of their pool, not a thousand.
    @Test func findingsOfOneTurnArePublishedOnce() async throws {
        let server = try TestBackend.echo()
        defer { server.stop() }
        let at = server.endpoint
        try await DaemonUnderTest.with({ folder in
            try configuration(in: folder, ["a": Array(repeating: at, count: 500)]) {
                $0.pools[0].health = HealthConfiguration(check: .connect, interval: .milliseconds(200), timeout: .seconds(5), rise: 1, fall: 1)
                $0.pools[0].balance = .sourceHash
            }
        }) { lbd in
            try await onLoop {
                try await lbd.waitUntil("all are up") { lbd.status().pools[0].eligible == 500 }
                // 200 ms of them, one publication in 10 ms at most; more time on a busy machine means more of them.
                #expect(lbd.daemon.plane.generation < 250)
            }
        }
    }
}
