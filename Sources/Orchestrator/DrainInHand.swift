// One backend's drain at every balancer: ordered, its lease renewed, confirmed, ended or kept.
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Rollout

@ControlPlane final class DrainInHand {
    enum News: Sendable {
        case lost(reason: String)
        case connections(Int, waited: Duration)
        /// Although it was drained.
        case took(Int)
        case note(String)
    }

    let backend: BackendReference
    /// Whether it must still be ours when it is undrained: it was in rotation while it was restarted, else.
    var restartBegan = false
    private let fleet: BalancerFleet
    private let owner: String
    private let reason: String
    private let atDeadline: DrainEnd
    /// The longest that a restart may take.
    private let restartLimit: Duration
    /// Long enough for the restart too, from the confirmation before it on: the runner goes on where we are killed, and
    /// the backend must not come back under its hands.
    private var lease = Lease.length
    private let tell: @ControlPlane @Sendable (News) -> Void
    private var renewals: [Int: LeaseRenewal] = [:]
    /// Each gets an element when the order has arrived; false where the balancer has refused it.
    private var taken: [Inbox<Bool>] = []
    private var counts: [Int: Int] = [:]
    /// Every balancer has said so.
    private var isDrained = false

    init(
        _ backend: BackendReference, at fleet: BalancerFleet, owner: String, reason: String, atDeadline: DrainEnd, restartLimit: Duration,
        tell: @escaping @ControlPlane @Sendable (News) -> Void
    ) {
        self.backend = backend
        self.fleet = fleet
        self.owner = owner
        self.reason = reason
        self.atDeadline = atDeadline
        self.restartLimit = restartLimit
        self.tell = tell
    }

    /// Drained when every balancer says so.
    func drain(deadline: Duration) async -> RolloutMachine.DrainEnd {
        taken = fleet.balancers.map { _ in Inbox() }
        let end = await fleet.first(except: { $0 == .drained }) { await self.drain(at: $0, deadline: deadline) }
        // Where one has refused, there is nothing of ours at that one; at the others there is.
        if case .refused = end { await release(at: await ordered()) }
        isDrained = end == nil
        return end ?? .drained
    }

    private func drain(at index: Int, deadline: Duration) async -> RolloutMachine.DrainEnd {
        let taken = taken[index]
        let latest = Collected<DrainRecord>()
        let command = Command.drain(order(lease: lease, deadline: deadline))
        do throws(Failure) {
            try await fleet.balancers[index].perform(command, decoding: DrainRecord.self, within: deadline + patience) { record in
                if latest.values[0] == nil {
                    // Not before: a renewal that overtakes the order finds no drain and is refused.
                    self.keepLease(at: index)
                    taken.put(true)
                }
                latest.values[0] = record
                guard record.availability == .draining else { return }
                self.counts[index] = record.connections
                self.tell(.connections(self.counts.values.reduce(0, +), waited: .milliseconds(Int64(record.waited * 1000))))
            }
        } catch {
            let error = fleet.named(error, index)
            taken.put(error.code != .refused || latest.values[0] != nil)
            switch error.code {
            case .deadlinePassed: return .deadlinePassed
            case .refused where latest.values[0] == nil: return .refused(reason: error.message)
            case .done, .failed, .refused, .noAnswer, .badUsage: return .failed(reason: error.message)
            }
        }
        guard let last = latest.values[0], last.availability == .drained else {
            return .failed(reason: "the balancer ended the wait, but \(latest.values[0]?.text ?? "said nothing")")
        }
        counts[index] = 0
        return .drained
    }

    /// For the end of the drain after its deadline.
    private var patience: Duration {
        switch atDeadline {
        case .keep, .reset: PatientBalancer.answer
        case .close: PatientBalancer.closing
        }
    }

    /// The lease is renewed by the same order that asks, so that the answer holds for as long as the lease does.
    func confirm() async -> RolloutMachine.ConfirmEnd {
        lease = restartLimit + Lease.length
        let records = Collected<DrainRecord>()
        do throws(Failure) {
            try await fleet.perform(.drain(renewal), decoding: DrainRecord.self) { records.values[$0] = $1 }
        } catch {
            return error.code == .refused ? .lost(reason: error.message) : .failed(reason: error.message)
        }
        for index in fleet.balancers.indices where records.values[index]?.availability != .drained {
            return .failed(reason: "it was drained, but now \(records.values[index]?.text ?? "the balancer says nothing")")
        }
        return .drained
    }

    /// Drained again under the same name, whether it still was or not.
    func retake() async -> RolloutMachine.OrderEnd {
        await stopRenewals()
        lease = restartLimit + Lease.length
        do throws(Failure) {
            try await fleet.perform(.drain(order(lease: lease)), decoding: DrainRecord.self)
        } catch {
            guard error.code == .refused else { return .failed(reason: error.message) }
            await release(at: Array(fleet.balancers.indices))
            return .lost(reason: error.message)
        }
        for index in fleet.balancers.indices { keepLease(at: index) }
        return .done
    }

    /// A drain order that is still on its way must arrive first, or it would take the backend out again for good; its wait
    /// then ends by the undrain.
    func undrain() async -> RolloutMachine.OrderEnd {
        let indices = await ordered()
        await stopRenewals()
        guard !indices.isEmpty else { return .done }
        let fleet = BalancerFleet(balancers: indices.map { self.fleet.balancers[$0] })
        do throws(Failure) {
            // The drain must be ours still: `undrain` is content with a backend that somebody else has brought back, but
            // then it was in rotation while it was restarted.
            if restartBegan { try await fleet.perform(.drain(renewal), decoding: DrainRecord.self) }
            try await fleet.perform(.undrain([backend], owner: owner, force: false), decoding: WishRecord.self)
            return .done
        } catch {
            return error.code == .refused ? .lost(reason: error.message) : .failed(reason: error.message)
        }
    }

    func hold(reason: String) async -> RolloutMachine.OrderEnd {
        await stopRenewals()
        do throws(Failure) {
            try await fleet.perform(.drain(order(reason: reason, lease: nil, renews: true)), decoding: DrainRecord.self)
            return .done
        } catch {
            return error.code == .refused ? .lost(reason: error.message) : .failed(reason: error.message)
        }
    }

    /// What is ours of a drain that counts for nothing; who refuses has none of ours.
    private func release(at indices: [Int]) async {
        await stopRenewals()
        let some = BalancerFleet(balancers: indices.map { fleet.balancers[$0] })
        _ = await some.each { index in
            do throws(Failure) {
                let balancer = PatientBalancer(balancer: some.balancers[index])
                try await balancer.perform(.undrain([self.backend], owner: self.owner, force: false), decoding: WishRecord.self)
            } catch {
                guard error.code != .refused else { return }
                self.tell(.note("its drain ends with its lease, as it could not be ended: \(error.message)"))
            }
        }
    }

    /// Where a drain is to be undone: all but those that have refused it. No answer counts as taken: an undrain too many
    /// does no harm.
    private func ordered() async -> [Int] {
        guard !taken.isEmpty else { return Array(fleet.balancers.indices) }
        let taken = taken
        let giveUp = start {
            guard await pause(for: PatientBalancer.answer) else { return }
            for inbox in taken { inbox.put(true) }
        }
        defer { giveUp.cancel() }
        var indices: [Int] = []
        for (index, inbox) in taken.enumerated() where await inbox.next() { indices.append(index) }
        return indices
    }

    func stopRenewals() async {
        let stopping = renewals.values
        renewals = [:]
        for renewal in stopping { await renewal.stop() }
    }

    private func keepLease(at index: Int) {
        let balancer = PatientBalancer(balancer: fleet.balancers[index])
        renewals[index] = LeaseRenewal { [self, fleet, tell] in
            do throws(Failure) {
                try await balancer.perform(.drain(renewal), decoding: DrainRecord.self) { record in
                    if self.isDrained, record.connections > 0 { tell(.took(record.connections)) }
                }
            } catch {
                let error = fleet.named(error, index)
                guard error.code != .refused else { return tell(.lost(reason: error.message)) }
                tell(.note("the drain could not be renewed: \(error.message)"))
            }
        }
    }

    private func order(reason: String? = nil, lease: Duration?, renews: Bool = false, deadline: Duration? = nil) -> DrainOrder {
        // Whatever the pool does at its drains' deadlines.
        DrainOrder(
            backends: [backend], owner: owner, reason: (reason ?? self.reason).escapedForOneLine, lease: lease, renews: renews, deadline: deadline,
            atDeadline: atDeadline, waits: deadline != nil)
    }

    private var renewal: DrainOrder { order(lease: lease, renews: true) }
}
