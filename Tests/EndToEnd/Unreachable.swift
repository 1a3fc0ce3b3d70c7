// Backends that cannot be reached, again and again: no rest is lost over them, and nothing is left of them.
import Model
import SystemCalls
import Testing

@Suite(.lab) struct Unreachable {
    let lab = Lab.current

    /// What a backend does with a connect.
    enum Manner: String, CaseIterable, Sendable { case resets, refuses, swallows }

    /// Class 5: HUP without OUT was asked for again and again (HAProxy 5a9c637bf).
    @Test("a backend that resets, refuses or swallows connects costs less than one per cent of a processor", arguments: Scale.workers, Manner.allCases)
    func rests(workers: Int, manner: Manner) throws {
        let (server, port, hole) = (try TestServer(lab) { $0.reset() }, try ClosedPort(), try BlackHole())
        let endpoint = switch manner {
        case .resets: server.endpoint
        case .refuses: port.endpoint
        case .swallows: hole.endpoint
        }
        let balancer = try Balancer(
            lab, ConfigurationText(backends: [("web-1", "\(endpoint)")], ["connect-timeout: 1m"], workers: workers))
        let baseline = try Baseline(balancer)
        let clients = try (0..<20).map { _ in try balancer.connect() }
        if manner != .swallows { for client in clients { #expect(try client.toEnd().ending == .reset) } }
        let connections = manner == .swallows ? 20 : 0
        try eventually(within: .seconds(5), "\(connections) connections") { try balancer.status().listeners[0].connections == connections }
        try balancer.rests(max: 8, for: Scale.of(.seconds(1), full: .seconds(10)))
        let share = try balancer.processorShare(over: Scale.of(.seconds(2), full: .seconds(10)))
        #expect(share <= 0.01 * Double(Scale.patience), "\(share) of a processor")
        guard manner != .swallows else { return }
        try baseline.isBack(balancer)
    }

    /// Class 8: a descriptor and a timer stayed behind for each failed connect (HAProxy 5f713c03b).
    @Test("thousands of connects to a closed port: every client is reset, descriptors and timers are at their baseline", arguments: Scale.workers)
    func closedPort(workers: Int) throws {
        let connects = Scale.of(5_000, full: 100_000)
        let port = try ClosedPort()
        let balancer = try Balancer(lab, ConfigurationText(backends: [("web-1", "\(port.endpoint)")], workers: workers))
        let endpoint = try balancer.endpoint()
        let threads = 8
        let resetClients: @Sendable (Int) throws -> Void = { count in
            for number in 0..<count {
                let (bytes, ending) = try Peer(connecting: endpoint).toEnd()
                guard bytes.isEmpty, ending == .reset else { throw HarnessError("client \(number): \(bytes.count) bytes, then \(ending)") }
            }
        }
        _ = try concurrently(threads) { _ in try resetClients(25) }
        let baseline = try Baseline(balancer)
        let failures = try balancer.backend("web-1").connectFailures
        _ = try concurrently(threads, within: Scale.of(.seconds(60), full: .seconds(600))) { _ in try resetClients(connects / threads) }
        try baseline.isBack(balancer)
        // An idle wheel sets no timer at all.
        try balancer.rests(max: 2)
        let grown = try ProcessTable.residentKiB(balancer.process) - baseline.residentKiB
        #expect(grown < 4 * 1024 * Scale.patience, "resident memory grew by \(grown) KiB")
        let report = try balancer.backend("web-1")
        #expect(report.connectFailures - failures >= UInt64(connects))
        #expect(report.connectionsTotal == 0)
        #expect(try balancer.status().listeners[0].refused >= UInt64(connects))
    }
}
