// The metrics while everything changes under traffic, by seed. Faults: a total that goes down because a number became
// another's, or a name another number's; a text that is half of one moment and half of the next; sums that do not agree.
import EventLoop
import Glibc
import Model
import Synchronization
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

struct MetricsChurnTests {
    /// The highest value that each total has been seen at; also of series that are gone, as they may come back.
    private struct Totals {
        private var highest: [String: Double] = [:]
        var count: Int { highest.count }

        mutating func look(at metrics: Exposition, _ scrape: Int) {
            for family in metrics.families where family.type == "counter" || family.type == "histogram" {
                for sample in family.samples {
                    let before = highest.updateValue(sample.value, forKey: sample.series) ?? 0
                    #expect(sample.value >= before, "\(sample.series) went from \(before) to \(sample.value) in scrape \(scrape)")
                }
            }
        }
    }

    @Test("totals never go down over 100 scrapes while pools, backends and listeners come, move and go")
    func totals() async throws {
        let servers = try (1...4).map { try named("\($0)") }
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({ try configuration(in: $0, ["a": [at[0]]]) }) { lbd in
            let targets = Targets()
            async let traffic: Void = onThreads(2) { index in
                var random = SeededGenerator(seed: SeededGenerator.seed &+ UInt64(index))
                while !targets.hasEnded {
                    if let endpoint = targets.pick(&random) { visit(endpoint, &random) } else { sched_yield() }
                }
            }
            do {
                var (random, totals) = (SeededGenerator(seed: SeededGenerator.seed), Totals())
                for scrape in 0..<100 {
                    let seed = random.next()
                    let (endpoints, metrics) = try await onLoop {
                        var changes = RandomChanges(at: at, seed: seed)
                        try lbd.apply(now: changes.isHasty) { try changes.make(in: &$0) }
                        // While the change is under way, and while it is not.
                        if scrape % 2 == 0 { await pause(for: .milliseconds(3)) }
                        return (lbd.daemon.listeners.open.map(\.endpoint), try await lbd.metrics(scrape % 3 == 0 ? .prometheus : .openMetrics))
                    }
                    targets.set(endpoints)
                    totals.look(at: metrics, scrape)
                }
                #expect(totals.count > 100)
            } catch { Issue.record(error) }
            targets.end()
            try await traffic
        }
    }

    @Test("what listeners have accepted is what backends got and what was refused; who is connected is counted once on either side")
    func sums() async throws {
        let servers = try (1...3).map { try named("\($0)") }
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({
            try configuration(in: $0, ["a": [at[0], at[1]], "b": [at[2]], "none": []])
        }) { lbd in
            let (first, second, third) = try await onLoop { (try lbd.endpoint("a"), try lbd.endpoint("b"), try lbd.endpoint("none")) }
            var open: [BlockingSocket] = []
            for turn in 0..<30 {
                let client = try connect(turn % 3 == 0 ? second : first).socket
                if turn % 2 == 0 { open.append(client) } else { client.close() }
                if turn % 5 == 0 { _ = try BlockingSocket.connect(to: third).receive(max: 1) }
            }
            // The first backend moves: those who hold it stay its own.
            try await onLoop { try lbd.apply { $0.pools[0].backends[0].address = at[2] } }
            for _ in 0..<10 { try connect(first).socket.close() }
            let held = open.count
            let metrics = try await onLoop {
                // Their tickets come back one after the other.
                let (statistics, table) = (lbd.daemon.plane.statistics, lbd.daemon.table)
                try await lbd.waitUntil("all but those that are held have ended") {
                    let backends = table.pools.flatMap { $0.backends.map(\.holders) + $0.leaving.map(\.holders) }
                    let listeners = lbd.daemon.listeners.open.map { statistics.tickets(listener: $0.index).held }
                    return [statistics.process.held, backends.reduce(0, +), listeners.reduce(0, +)] == [held, held, held]
                }
                return try await lbd.metrics()
            }
            #expect(metrics.sum("lb_listener_connections_total") == 46)
            #expect(metrics.sum("lb_listener_refused_total") == 6)
            #expect(metrics.sum("lb_backend_connections_total") + metrics.sum("lb_listener_refused_total") == metrics.sum("lb_listener_connections_total"))
            #expect(metrics.sum("lb_listener_connections") == 15)
            #expect(metrics.sum("lb_backend_connections") == 15)
            #expect(metrics.value("lb_process_connections") == 15)
            #expect(metrics.sum("lb_backend_bytes_total", where: ["direction": "to-client"]) == 40)
            for client in open { client.close() }
        }
    }

    @Test("a backend that is removed ends its series; one that comes back by that name counts on, its probes too")
    func comesBack() async throws {
        let servers = try (1...2).map { try named("\($0)") }
        defer { for server in servers { server.stop() } }
        let at = servers.map(\.endpoint)
        try await DaemonUnderTest.with({
            try configuration(in: $0, ["a": at]) { $0.pools[0].health = HealthConfiguration(check: .connect, interval: .milliseconds(20), timeout: .seconds(1), rise: 1, fall: 2) }
        }) { lbd in
            let labels = ["pool": "a", "backend": "2"]
            let endpoint = try await onLoop {
                try await lbd.waitUntil("both are up") { try lbd.pool().backends.allSatisfy { $0.availability == .available } }
                return try lbd.endpoint()
            }
            // Until the second has had one too: where the first is always free again at once it may take a while.
            for _ in 0..<200 {
                for _ in 0..<10 { try connect(endpoint).socket.close() }
                if try await onLoop({ try await lbd.metrics().value("lb_backend_connections_total", labels) ?? 0 > 0 }) { break }
            }
            try await onLoop {
                let before = try await lbd.metrics()
                let (connections, probes) = (try #require(before.value("lb_backend_connections_total", labels)), before.sum("lb_backend_probes_total", where: labels))
                #expect(connections > 0 && probes > 0)
                try lbd.apply { $0.pools[0].backends.removeLast() }
                try await lbd.settle()
                #expect(try await lbd.metrics().samples.allSatisfy { $0.labels["backend"] != "2" })
                try lbd.apply { $0.pools[0].backends.append(try backend("2", at[0])) }
                let after = try await lbd.metrics()
                #expect(after.value("lb_backend_connections_total", labels) == connections)
                #expect(after.sum("lb_backend_probes_total", where: labels) >= probes)
            }
        }
    }
}
