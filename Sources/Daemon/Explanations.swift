// Why a backend is in or out of rotation, who holds it, and when it will be empty: read from the table and the workers.
import ControlProtocol
import Decisions
import EventLoop
import Model
import Proxy
import Statistics
import SystemCalls

@ControlPlane struct Explanations {
    let table: PoolTable
    let listeners: Listeners
    let plane: DataPlane
    let surveys: Surveys

    /// How many connections are listed, and how many addresses.
    private static let listed = 5
    /// Most that are blamed by name.
    private static let blamedMax = 10

    func explain(_ backend: Backend) async throws(Failure) -> ExplainReport {
        let (pool, all) = try await connections(of: backend.reference.pool)
        let judged = judge(backend, of: pool, all)
        let oldest = judged.holders.first(Explanations.listed, by: .age)
        let idlest = judged.holders.first(Explanations.listed, by: .idle)
        // All of them, for the sum by address.
        let peers = try await surveys.peers(of: judged.holders)
        var addresses: [String: Int] = [:]
        for peer in peers.values { addresses[peer.address.description, default: 0] += 1 }
        let byPeer = addresses.sorted { ($0.value, $1.key) > ($1.value, $0.key) }.prefix(Explanations.listed)
        var report = ExplainReport(
            backend: backend.reference.description, address: backend.configuration.address.description, wish: backend.wish,
            probe: backend.history.finding, availability: backend.availability, reasons: reasons(backend),
            drain: backend.drain.map { DrainReport($0, leaseUntil: backend.leaseUntil) },
            holders: ExplainReport.Holders(
                connections: judged.holders.count, halfClosed: judged.holders.count { $0.phase.isHalfClosed },
                ending: judged.holders.count { $0.phase == .flushing || $0.phase == .resetting },
                connecting: judged.holders.count { $0.phase == .connecting },
                bytesInLastMinute: judged.holders.reduce(0) { $0 + $1.bytesInLastMinute },
                byAge: groups(judged.holders.map(\.age)), byIdle: groups(judged.holders.map(\.idle)),
                byPeer: byPeer.map { ExplainReport.Group(name: $0.key, connections: $0.value) },
                oldest: oldest.map { self.report($0, peer: peers[$0.id]) }, idlest: idlest.map { self.report($0, peer: peers[$0.id]) }),
            timeToEmpty: self.report(judged, peers))
        report.deadlineIn = untilDeadline(backend)?.inSeconds
        return report
    }

    // MARK: Time to empty

    struct Judged {
        let holders: [ConnectionSnapshot]
        let time: TimeToEmpty
        let toBlame: [ConnectionSnapshot]
    }

    /// Who holds it, and how long that will be.
    private func judge(_ backend: Backend, of pool: Pool, _ all: PoolConnections) -> Judged {
        let holders = all.bySlot[backend.slot] ?? []
        let time = TimeToEmpty(completed: pool.lifetimes, open: all.ages, holders: holders.map(\.age), deadline: untilDeadline(backend))
        var toBlame = holders.filter { time.blames(age: $0.age) }.first(Explanations.blamedMax, by: .age)
        // Where nothing is odd but the curve has no end, the oldest are what it waits for.
        if time.isNever, toBlame.isEmpty { toBlame = holders.first(1, by: .age) }
        return Judged(holders: holders, time: time, toBlame: toBlame)
    }

    /// Below 0 after it; nil: it has none.
    private func untilDeadline(_ backend: Backend) -> Duration? {
        backend.drain?.deadline.map { .milliseconds($0.milliseconds - Clocks.calendar().milliseconds) }
    }

    private func connections(of name: PoolName) async throws(Failure) -> (Pool, PoolConnections) {
        guard let pool = table.pool(name) else { throw Failure(.failed, "pool \(name) is gone") }
        return (pool, PoolConnections(try await surveys.connections(pool: pool.index)))
    }

    /// Of backends of one pool, whose connections are asked for once.
    func forecasts(_ backends: [Backend], of name: PoolName) async throws(Failure) -> [BackendReference: TimeToEmptyReport] {
        let (pool, all) = try await connections(of: name)
        var judged: [BackendReference: Judged] = [:]
        for backend in backends {
            judged[backend.reference] = judge(backend, of: pool, all)
            await Task.yield()
        }
        let peers = try await surveys.peers(of: judged.values.flatMap(\.toBlame))
        return judged.mapValues { report($0, peers) }
    }

    private func report(_ judged: Judged, _ peers: [ConnectionID: IPEndpoint]) -> TimeToEmptyReport {
        TimeToEmptyReport(
            p50: judged.time.median, p90: judged.time.ninetieth, leftAtDeadline: judged.time.leftAtDeadline, ended: judged.time.ended,
            toBlame: judged.toBlame.map { report($0, peer: peers[$0.id]) })
    }

    // MARK: Words

    func report(_ connection: ConnectionSnapshot, peer: IPEndpoint?) -> ConnectionReport {
        let pool = table.pool(index: connection.pool)
        // At a former address of a backend it is that backend's too.
        let backend = connection.slot.flatMap { table.entry(slot: $0)?.backend }
        return ConnectionReport(
            id: connection.id, listener: listeners.listener(index: connection.listener)?.configuration.name.text ?? "(closed)",
            pool: pool?.configuration.name.text ?? "(gone)", backend: backend?.reference.backend.text, peer: peer?.description,
            phase: connection.phase, age: connection.age, idle: connection.idle, bytesToBackend: connection.bytesToBackend,
            bytesToClient: connection.bytesToClient, bytesInLastMinute: connection.bytesInLastMinute, unwritten: connection.unwritten)
    }

    private func groups(_ durations: [Duration]) -> [ExplainReport.Group] {
        let bounds: [(name: String, below: Duration)] = [
            ("<1m", .seconds(60)), ("1m-10m", .seconds(600)), ("10m-1h", .seconds(3600)), ("1h-1d", .seconds(86_400)),
            (">=1d", .nanoseconds(Int64.max)),
        ]
        return bounds.enumerated().map { index, bound in
            let start = index == 0 ? Duration.nanoseconds(Int64.min) : bounds[index - 1].below
            return .init(name: bound.name, connections: durations.count { $0 >= start && $0 < bound.below })
        }
    }

    private func reasons(_ backend: Backend) -> [String] {
        var reasons = [wishReason(backend), probeReason(backend)]
        guard !backend.isRemoving else {
            return ["removed from the configuration: no new connections, gone when the last one has ended; "
                + "lbctl backend remove \(backend.reference) --now resets them"] + reasons
        }
        switch backend.wish {
        case .ready:
            if backend.history.finding == .down { reasons.append("it comes back by itself when its probes pass") }
        case .drain: reasons.append("back in rotation: lbctl undrain \(backend.reference)" + ownerOption(backend) + probeCaveat(backend))
        case .maintenance: reasons.append("back in rotation: lbctl ready \(backend.reference)" + ownerOption(backend) + ", then its probes must pass")
        }
        if let pool = table.pool(backend.reference.pool), let shares = pool.shares, pool.percent(backend) < 100 {
            let part = pool.percent(backend) == 0 ? "only what no other backend can take" : "\(pool.percent(backend)) % of its weight"
            reasons.append(
                "of new connections it gets \(part), by \(shares.owner) until \(shares.until.rfc3339) unless renewed; to end that: unshare \(pool.configuration.name)")
        }
        if backend.wish == .ready, backend.configuration.backup { reasons.append("a backup: it takes connections only while no other is available") }
        return reasons
    }

    private func ownerOption(_ backend: Backend) -> String { backend.drain.map { " --owner \(RequestLine.quoted($0.owner))" } ?? "" }

    private func probeCaveat(_ backend: Backend) -> String { backend.history.finding == .down ? ", and its probes must pass" : "" }

    private func wishReason(_ backend: Backend) -> String {
        guard let drain = backend.drain else { return "wish \(backend.wish.rawValue)" + (backend.wish == .ready ? "" : " from the file") }
        let now = Clocks.calendar()
        let since = Duration.milliseconds(max(0, now.milliseconds - drain.since.milliseconds))
        var text = "wish \(backend.wish.rawValue) by \(drain.owner) for \(since.spoken), since \(drain.since.rfc3339)"
        if let reason = drain.reason { text += ": \(reason)" }
        if let until = backend.leaseUntil {
            text += "; its lease ends it in \(Duration.milliseconds(max(0, until.milliseconds - now.milliseconds)).spoken) unless renewed"
        }
        if let deadline = drain.deadline, let end = drain.atDeadline {
            let rest = Duration.milliseconds(max(0, deadline.milliseconds - now.milliseconds))
            text += "; deadline " + (rest > .zero ? "in \(rest.spoken)" : "passed") + ", then \(end.rawValue)"
        }
        return text
    }

    private func probeReason(_ backend: Backend) -> String {
        let history = backend.history
        let last = history.finishedAt.map { at in
            ", last probe \(Duration.milliseconds(max(0, Clocks.calendar().milliseconds - at.milliseconds)).spoken) ago"
        } ?? ""
        return "probe \(history.finding.rawValue)" + last + (history.failure.map { ": \($0)" } ?? "")
    }
}

/// The connections of a pool that hold a backend.
private struct PoolConnections {
    let bySlot: [Int: [ConnectionSnapshot]]
    let ages: LifetimeCounts

    init(_ all: [ConnectionSnapshot]) {
        let held = all.filter { $0.slot != nil }
        bySlot = Dictionary(grouping: held) { $0.slot ?? -1 }
        ages = LifetimeCounts(held.lazy.map(\.age))
    }
}
