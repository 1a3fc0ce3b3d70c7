// What goes on beside the steps: restarted backends are compared with the others, and new connections prefer them.
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Rollout

/// Asks once a second, from the beginning to the end of the rollout. A balancer that measures nothing (an older lbd) is
/// asked once. The shares, of all of a weight where nobody is preferred, are also the rollout's lease on the pool: as long
/// as they are renewed no other begins there, also while none is drained.
@ControlPlane final class RolloutObserver {
    private static let interval = Duration.seconds(1)

    private let fleet: BalancerFleet
    private let order: RolloutOrder
    private let badRelease: @ControlPlane @Sendable (String) -> Void
    private let clock = LoopClock()
    private var watch = ReleaseWatch()
    /// Whose connections are judged.
    private var restarted: Set<BackendReference> = []
    /// Where the traffic goes: what becomes of connections elsewhere is nobody's release.
    private var serving: PoolName
    private var out: Set<BackendReference> = []
    private var next: Set<BackendReference> = []
    private var preferred: [BackendReference: Int] = [:]
    private var renewed: MonotonicTime?
    /// Why the pool is not ours to restart: somebody else's shares stand there.
    private var refusal: String?
    private var hasPreferred = false
    private var isBaked = false
    private var task: Task<Void, Never>?
    private var reading: Task<Reading?, Never>?

    struct Reading: Sendable {
        let verdict: ReleaseVerdict
        let worse: String?
        let lines: [String]
    }

    init(_ fleet: BalancerFleet, _ order: RolloutOrder, badRelease: @escaping @ControlPlane @Sendable (String) -> Void) {
        self.fleet = fleet
        self.order = order
        self.badRelease = badRelease
        serving = order.plan.pool
    }

    private var standby: Policy.Standby? {
        switch order.policy.strategy {
        case .rolling: nil
        case .hotStandby(let standby): standby
        }
    }

    func begin() {
        guard task == nil else { return }
        task = start { [self] in
            repeat { guard await read() != nil else { return } } while await pause(for: RolloutObserver.interval)
        }
    }

    /// All of the weights are given back; where that fails they come back when the lease ends.
    func end() async {
        task?.cancel()
        await task?.value
        guard !preferred.isEmpty else { return }
        do throws(Failure) {
            try await fleet.perform(.unshare(order.plan.pool, owner: order.owner, force: false), decoding: SharesRecord.self)
        } catch { return }
    }

    func note(out backend: BackendReference) {
        out.insert(backend)
        next.remove(backend)
        watch.note(out: backend)
    }

    func note(back backend: BackendReference, isNew: Bool) {
        out.remove(backend)
        // While a standby serves it has no connections to be judged by.
        guard isNew, standby == nil else { return }
        restarted.insert(backend)
        watch.note(restarted: backend, at: clock.now)
    }

    /// All traffic goes there: its pool is compared with the one that served before.
    func note(serving pool: PoolName) {
        guard let standby, pool != serving else { return }
        serving = pool
        restarted = Set(pool == standby.pool ? standby.backends : order.plan.steps.map(\.backend))
        watch = ReleaseWatch(after: watch)
        for backend in restarted { watch.note(restarted: backend, at: clock.now) }
    }

    /// The same after a kill: what the other pool's balancers have counted is what it is compared with.
    func recall(serving pool: PoolName) async {
        guard let standby else { return }
        let other = pool == standby.pool ? order.plan.pool : standby.pool
        for (backend, outcomes) in await fleet.measured(other)?.outcomes ?? [:] { watch.read(backend, outcomes) }
        serving = other
        note(serving: pool)
    }

    private var sides: ReleaseVerdict.Sides {
        guard let standby, !restarted.isEmpty else { return .rolling }
        let before = serving == standby.pool ? order.plan.pool : standby.pool
        return ReleaseVerdict.Sides(own: "pool \(serving)", others: "pool \(before) before")
    }

    func note(next backends: [BackendReference]) { next = Set(backends) }

    /// The first wave was watched for its time: from now on the restarted ones are preferred.
    func noteBaked() { isBaked = true }

    /// Before a backend goes out: the pool must be ours, and the clients that its drain sends away must find the shares as they
    /// are to be now, with the restarted ones preferred. Why it must not go out; nil: it may.
    func settleShares() async -> String? {
        guard task != nil else { return nil }
        _ = await read()
        return refusal
    }

    /// One after the other: shares that were worked out earlier must not arrive later. Nil: nobody measures.
    func read() async -> Reading? {
        let before = reading
        let next = start { [self] in
            _ = await before?.value
            return await readNow()
        }
        reading = next
        return await withTaskCancellationHandler {
            await next.value
        } onCancel: {
            next.cancel()
        }
    }

    /// After a fresh reading.
    private func readNow() async -> Reading? {
        guard let measured = await fleet.measured(order.plan.pool) else { return nil }
        let judged = serving
        var its: PoolMeasurement? = measured
        if judged != order.plan.pool { its = await fleet.measured(judged) }
        if judged == serving { for (backend, outcomes) in its?.outcomes ?? [:] { watch.read(backend, outcomes) } }
        let verdict = watch.verdict(at: clock.now)
        let worse = restarted.isEmpty ? nil : worse(verdict)
        if let worse { badRelease(worse) }
        await prefer(measured)
        return Reading(verdict: verdict, worse: worse, lines: verdict.lines(sides))
    }

    /// What a release is stopped for: failures, whoever gets how much. How fast it answers and how long its connections live
    /// depends on how many it gets too, so that counts only where the restarted ones were not preferred; nor do the machines of
    /// a standby need to be as fast.
    private func worse(_ verdict: ReleaseVerdict) -> String? {
        guard case .worse(let findings) = verdict.outcome else { return nil }
        let counting = findings.filter { finding in
            switch finding.quantity {
            case .connectFailures, .backendResets: true
            case .timeToFirstByte, .lifetime, .bytes: standby == nil && order.policy.bake > .zero && !hasPreferred
            }
        }
        return counting.isEmpty ? nil : counting.map { $0.text(sides) }.joined(separator: "; ")
    }

    private func prefer(_ measured: PoolMeasurement) async {
        let nodes = measured.nodes.map { Preference.Node($0, standing(of: $0.backend), now: measured.loads[$0.backend] ?? Load()) }
        let shares = mayPrefer
            ? Preference(nodes, load: measured.load).shares
            : Dictionary(uniqueKeysWithValues: nodes.filter { $0.standing != .out }.map { ($0.proof.backend, 100) })
        let isDue = renewed.map { $0.duration(to: clock.now) >= Lease.renewal } ?? true
        guard shares != preferred || isDue, !shares.isEmpty else { return }
        let order = ShareOrder(
            shares.sorted { $0.key < $1.key }.map { ShareOrder.Share($0.key, percent: $0.value) }, owner: order.owner,
            reason: "rolling restart of pool \(order.plan.pool)", lease: Lease.length)
        do throws(Failure) {
            if mayPrefer { hasPreferred = true }
            try await fleet.perform(.share(order), decoding: SharesRecord.self)
            preferred = shares
            renewed = clock.now
            refusal = nil
        } catch {
            // Of two that began at once one is refused. Another failure costs the clients' comfort only: the next reading
            // tries again.
            if error.code == .refused { refusal = error.message }
        }
    }

    /// The idle pool of a hot standby gets nobody, and what is compared must get the same.
    private var mayPrefer: Bool {
        order.policy.strategy == .rolling && (!restarted.isEmpty || !next.isEmpty) && (order.policy.bake == .zero || isBaked)
    }

    private func standing(of backend: BackendReference) -> Preference.Standing {
        if out.contains(backend) { return .out }
        if restarted.contains(backend) { return .restarted }
        return next.contains(backend) ? .next : .ahead
    }
}

extension BalancerFleet {
    /// What all of them have measured; nil where one does not say.
    func measured(_ pool: PoolName, ages: Bool = false) async -> PoolMeasurement? {
        let reports = Collected<MeasureReport>()
        do throws(Failure) {
            try await perform(.measure(pool, ages: ages), decoding: MeasureReport.self) { reports.values[$0] = $1 }
        } catch { return nil }
        let all = balancers.indices.compactMap { reports.values[$0] }
        guard all.count == balancers.count else { return nil }
        do { return try PoolMeasurement(all) } catch { return nil }
    }
}

extension RolloutMachine.Capacity {
    /// Whether the others carry what the pool carries, without these. `connections`: as they are now; measured is once a second.
    init(_ measured: PoolMeasurement, connections: Int, without: [BackendReference]) {
        let proof = CapacityProof(measured.nodes, out: without, load: measured.load.orMore(Load(connections: Double(connections))))
        let text = proof.headline(measured.window)
        switch proof.outcome {
        case .proved: self = .carries(text: text)
        case .notProvable: self = .notProvable(text: text)
        case .refused: self = .fails(text: text)
        }
    }
}
