// Observations as a reader of the segment would find them, made up.
import Model
import SystemCalls

@testable import Statistics
@testable import lbctl

enum MadeUp {
    /// 2026-11-21T08:00:00.000Z
    static let calendar = Timestamp(milliseconds: 1_795_248_000_000)

    static func before(_ duration: Duration) -> Timestamp { Timestamp(milliseconds: calendar.milliseconds - duration.wholeMilliseconds) }

    static func process(_ liveness: Liveness = .running, pid: Int32 = 4711) -> ObservedProcess {
        ObservedProcess(
            version: "1.0", pid: pid, startedAt: before(.seconds(3 * 3600 + 120)), liveness: liveness, connections: 12,
            connectionsMax: 9000, descriptors: 40, descriptorsMax: 20_000)
    }

    static func backend(
        _ slot: Int, _ name: String? = nil, connections: Int = 0, max: Int? = nil, total: UInt64 = 0, failures: UInt64 = 0, resets: UInt64 = 0,
        bytes: UInt64 = 0, availability: Availability = .available, drain: ObservedDrain? = nil, rate: Double = 0, byteRate: Double = 0
    ) -> ObservedBackend {
        var totals = BackendTotals()
        (totals.connections, totals.connectFailures, totals.backendResets, totals.bytesToClient) = (total, failures, resets, bytes)
        return ObservedBackend(
            slot: slot, name: name ?? "web-\(slot)", address: "127.0.0.1:\(9000 + slot)", wish: drain == nil ? .ready : .drain, probe: .up,
            availability: availability, drain: drain, weight: 1, connections: connections, connectionsMax: max, totals: totals, rate: rate,
            byteRate: byteRate)
    }

    static func drain(_ owner: String = "alice", reason: String? = nil, deadline: Duration? = nil, lease: Duration? = nil) -> ObservedDrain {
        ObservedDrain(
            owner: owner, reason: reason, since: before(.seconds(200)), deadline: deadline.map { before(.zero - $0) },
            leaseUntil: lease.map { before(.zero - $0) })
    }

    static func connection(_ serial: UInt64, slot: Int? = 1, pool: Int = 0, age: Int = 10, idle: Int = 1, bytes: UInt64 = 0) -> ObservedConnection {
        ObservedConnection(
            id: ConnectionID(worker: 1, serial: serial), client: IPEndpoint(IPAddress(ipv4: 0x0A00_0001), port: UInt16(4000 + serial % 1000)),
            listener: 0, pool: pool, slot: slot, phase: .relaying, bytesToBackend: bytes, bytesToClient: 0, age: .seconds(age), idle: .seconds(idle))
    }

    static func observation(
        _ backends: [ObservedBackend], _ connections: [ObservedConnection] = [], liveness: Liveness = .running, pool: String = "web"
    ) -> Observation {
        Observation(
            process: process(liveness), workers: [ObservedWorker(index: 0, connections: 12, lag: .microseconds(340))],
            listeners: [ObservedListener(index: 0, name: "web", bind: "127.0.0.1:8080", pool: pool, connections: 12, connectionsTotal: 100, refused: 0, rate: 3)],
            pools: [ObservedPool(index: 0, name: pool, balance: "least-connections", backends: backends)], connections: connections)
    }

    static func look(_ observation: Observation, after seconds: Double = 0) -> TopLook {
        TopLook(observation: observation, at: MonotonicTime(nanoseconds: 1_000_000_000_000 + Int64(seconds * 1e9)), calendar: calendar)
    }

    static func scene(_ looks: [TopLook], view: TopView = TopView(), pool: String? = nil) -> TopScene {
        var scene = TopScene(view: view, pool: pool, calendar: calendar)
        for look in looks { scene.pace.take(look) }
        return scene
    }
}

extension TopScene {
    func texts(_ columns: Int, _ rows: Int) -> [String] { TopPicture.lines(self, TerminalSize(columns: columns, rows: rows)).map(\.text) }
}
