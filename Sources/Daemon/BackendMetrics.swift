// What the metrics tell of a backend.
import EventLoop
import Model
import Statistics

/// Of which there is a number a backend that never goes down. Raw value: its place among a slot's counters.
enum BackendCounter: Int, CaseIterable {
    case connections, bytesToBackend, bytesToClient, backendResets, clientResets, probesPassed, probesFailed
    /// The first of them: one for each reason follows.
    case connectFailures

    static let count = BackendCounter.connectFailures.rawValue + ConnectFailureReason.allCases.count
}

struct BackendReading: Reading {
    let labels: Labels
    let availability: Availability
    let connections: Int
    let connectionsMax: Int?
    let weight: Int
    let drain: DrainLease?
    private let counts: [UInt64]

    /// `former`: connections at addresses that it had before, which are still its own.
    @ControlPlane init(_ backend: Backend, _ table: PoolTable, former: Int) {
        labels = Labels(["pool": backend.reference.pool.text, "backend": backend.reference.backend.text])
        availability = backend.availability
        connections = backend.holders + former
        connectionsMax = backend.configuration.connectionsMax
        weight = backend.configuration.weight
        drain = backend.drain
        counts = table.counters.counts(of: backend)
    }

    func count(_ counter: BackendCounter) -> UInt64 { counts[counter.rawValue] }

    /// By the reason's place.
    func connectFailures(_ reason: Int) -> UInt64 { counts[BackendCounter.connectFailures.rawValue + reason] }
}

extension BackendReading {
    private static let states = Labels.each("state", of: Availability.self)
    private static let reasons = Labels.each("reason", of: ConnectFailureReason.self).map(\.labels)
    private static let (toBackend, toClient) = (Labels(["direction": "to-backend"]), Labels(["direction": "to-client"]))
    private static let (byBackend, byClient) = (Labels(["side": "backend"]), Labels(["side": "client"]))
    private static let (passed, failed) = (Labels(["result": "passed"]), Labels(["result": "failed"]))

    static let families: [Family<BackendReading>] = [
        .gauge("lb_backend_connections", by: "pool", "backend", help: "Connections that hold the backend now, in any phase.") {
            $1.add($0.connections)
        },
        .gauge("lb_backend_connections_max", by: "pool", "backend", help: "The most it gets, where it has a limit.") { row, samples in
            if let most = row.connectionsMax { samples.add(most) }
        },
        .counter("lb_backend_connections_total", by: "pool", "backend", help: "Connections that were made to the backend for a client.") {
            $1.add($0.count(.connections))
        },
        .counter("lb_backend_bytes_total", in: .bytes, by: "pool", "backend", "direction", help: "Bytes relayed: direction is to-backend or to-client.") {
            $1.add($0.count(.bytesToBackend), toBackend)
            $1.add($0.count(.bytesToClient), toClient)
        },
        .counter(
            "lb_backend_connect_failures_total", by: "pool", "backend", "reason",
            help: "Connects that failed; most of them are tried again at another backend, and no client learns of them."
        ) { row, samples in
            for (index, label) in reasons.enumerated() { samples.add(row.connectFailures(index), label) }
        },
        .counter("lb_backend_resets_total", by: "pool", "backend", "side", help: "Connections that were reset by that side.") {
            $1.add($0.count(.backendResets), byBackend)
            $1.add($0.count(.clientResets), byClient)
        },
        .gauge(
            "lb_backend_availability", by: "pool", "backend", "state",
            help: "1 for the state that the operator's wish and the probes' finding come to together, 0 for all others."
        ) { row, samples in
            for (state, label) in states { samples.add(row.availability == state, label) }
        },
        .gauge("lb_backend_weight", by: "pool", "backend", help: "Its weight among the backends of the pool.") { $1.add($0.weight) },
        .counter("lb_backend_probes_total", by: "pool", "backend", "result", help: "Finished probes: passed or failed.") {
            $1.add($0.count(.probesPassed), passed)
            $1.add($0.count(.probesFailed), failed)
        },
        .gauge(
            "lb_backend_drain_started_timestamp_seconds", in: .seconds, by: "pool", "backend", help: "When its drain began, while it is drained by somebody."
        ) { row, samples in
            if let drain = row.drain { samples.add(drain.since) }
        },
        .gauge(
            "lb_backend_drain_deadline_timestamp_seconds", in: .seconds, by: "pool", "backend",
            help: "When something is done about the connections that are left, while it is drained with such a deadline."
        ) { row, samples in
            if let deadline = row.drain?.deadline { samples.add(deadline) }
        },
    ]
}
