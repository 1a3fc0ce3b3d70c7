// Carries out what the step machine says, against one balancer: orders go out, answers go back in.
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Rollout
import SystemCalls

@ControlPlane package final class Orchestrator {
    package static let lease = Lease.length

    private let balancer: Balancer
    private let patient: PatientBalancer
    private let plan: Plan
    private let owner: String
    private let progress: @ControlPlane (Progress) -> Void

    private let inbox = Inbox<StepMachine.Input>()
    private var machine: StepMachine
    private let atDeadline: DrainEnd
    /// What is being waited for.
    private var work: Task<Void, Never>?
    private var renewal: LeaseRenewal?
    /// Gets an element when the drain order has arrived; false where the balancer has refused it.
    private var drainTaken = Inbox<Bool>()
    /// The last whose restart has begun.
    private var restarted: BackendReference?

    package init(
        balancer: Balancer, plan: Plan, limits: RolloutLimits, owner: String,
        progress: @escaping @ControlPlane (Progress) -> Void
    ) {
        self.balancer = balancer
        patient = PatientBalancer(balancer: balancer)
        self.plan = plan
        self.owner = owner
        self.progress = progress
        atDeadline = limits.atDeadline
        machine = StepMachine(plan: plan, limits: limits)
    }

    /// Unique enough among the rollouts that a balancer may see within a lease.
    package static func newOwner() -> String {
        let time = Clocks.calendar().rfc3339.filter { $0.isASCII && ($0.isNumber || $0 == "T") }.prefix(15)
        return "rollout-\(time)-\(Processes.own)"
    }

    package func run() async -> Verdict {
        let clock = LoopClock()
        inbox.put(.begin)
        while true {
            for action in machine.handle(await inbox.next(), now: clock.now) {
                if case .end(let verdict) = action {
                    work?.cancel()
                    await renewal?.stop()
                    return verdict
                }
                carryOut(action)
            }
        }
    }

    /// Once: finish or undo the step in hand. Twice: leave it as it is.
    package func requestStop() { inbox.put(.stopRequested) }

    private func carryOut(_ action: StepMachine.Action) {
        switch action {
        case .look: begin { .looked(await self.look()) }
        case .drain(let backend, let deadline):
            drainTaken = Inbox()
            begin { .drainEnded(await self.drain(backend, deadline: deadline)) }
        case .confirm(let backend): begin { .confirmed(await self.confirm(backend)) }
        case .restart(let step, let timeout):
            restarted = step.backend
            begin { .restartEnded(await RestartCommand.run(step.command, timeout: timeout)) }
        case .probe(let backend, let timeout): begin { .probed(await self.probe(backend, timeout: timeout)) }
        case .undrain(let backend):
            let given = work
            begin { .undrained(await self.undrain(backend, instead: given)) }
        case .hold(let backend, let reason):
            work?.cancel()
            begin { .held(await self.hold(backend, reason: reason)) }
        case .abandonRestart: work?.cancel()
        case .tell(let backend, let milestone): tell(backend, .milestone(milestone))
        case .end: preconditionFailure("run ends with it")
        }
    }

    private func begin(_ operation: @escaping @ControlPlane @Sendable () async -> StepMachine.Input) {
        work = start { self.inbox.put(await operation()) }
    }

    private func tell(_ backend: BackendReference, _ news: Progress.News) {
        guard let index = plan.steps.firstIndex(where: { $0.backend == backend }) else {
            preconditionFailure("\(backend) is not in the plan")
        }
        progress(Progress(backend: backend, step: index + 1, steps: plan.steps.count, news: news))
    }
}

// The orders themselves.
extension Orchestrator {
    private func look() async -> StepMachine.LookEnd {
        do throws(Failure) {
            let report = Latest<StatusReport>()
            try await patient.perform(.status(.pool(plan.pool)), decoding: StatusReport.self) { report.value = $0 }
            guard let pool = report.value?.pools.first(where: { $0.name == plan.pool.text }) else {
                return .failed(reason: "the balancer reports no pool \(plan.pool)")
            }
            return .pool(try PoolSnapshot(reading: pool))
        } catch {
            return .failed(reason: error.message)
        }
    }

    private func drain(_ backend: BackendReference, deadline: Duration) async -> StepMachine.DrainEnd {
        let taken = drainTaken
        let latest = Latest<DrainRecord>()
        let command = Command.drain(order(for: backend, lease: Lease.length, deadline: deadline))
        do throws(Failure) {
            try await balancer.perform(command, decoding: DrainRecord.self, within: deadline + patience) { record in
                if latest.value == nil {
                    // Not before: a renewal that overtakes the order finds no drain and is refused.
                    self.keepLease(of: backend)
                    taken.put(true)
                }
                latest.value = record
                guard record.availability == .draining else { return }
                self.tell(backend, .connections(record.connections, waited: .milliseconds(Int64(record.waited * 1000))))
            }
        } catch {
            taken.put(error.code != .refused || latest.value != nil)
            switch error.code {
            case .deadlinePassed: return .deadlinePassed
            case .refused where latest.value == nil: return .refused(reason: error.message)
            case .done, .failed, .refused, .noAnswer, .badUsage: return .failed(reason: error.message)
            }
        }
        guard let last = latest.value, last.availability == .drained else {
            return .failed(reason: "the balancer ended the wait, but \(latest.value?.text ?? "said nothing")")
        }
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
    private func confirm(_ backend: BackendReference) async -> StepMachine.ConfirmEnd {
        let record = Latest<DrainRecord>()
        do throws(Failure) {
            try await patient.perform(.drain(renewal(of: backend)), decoding: DrainRecord.self) { record.value = $0 }
        } catch {
            return error.code == .refused ? .lost(reason: error.message) : .failed(reason: error.message)
        }
        guard let now = record.value, now.availability == .drained else {
            return .failed(reason: "it was drained, but now \(record.value?.text ?? "the balancer says nothing")")
        }
        return .drained
    }

    private func probe(_ backend: BackendReference, timeout: Duration) async -> StepMachine.ProbeEnd {
        let record = Latest<ProbeRecord>()
        do throws(Failure) {
            try await patient.perform(.probe([backend], timeout: timeout), taking: timeout, decoding: ProbeRecord.self) { record.value = $0 }
        } catch {
            let why = record.value.flatMap(\.failure).map { ": \($0)" } ?? ""
            return .failed(reason: error.code == .deadlinePassed ? "not up within \(timeout.spoken)\(why)" : error.message)
        }
        guard let finding = record.value?.probe, finding == .up else {
            return .failed(reason: "the balancer ended its probes without finding it up")
        }
        return .up
    }

    /// `given`: the work that this takes the place of. A drain order that is still on its way must arrive
    /// first, or it would take the backend out again for good; its wait then ends by the undrain.
    private func undrain(_ backend: BackendReference, instead given: Task<Void, Never>?) async -> StepMachine.OrderEnd {
        let taken = await isDrainTaken()
        await renewal?.stop()
        defer { given?.cancel() }
        guard taken else { return .done }
        do throws(Failure) {
            // The drain must be ours still: `undrain` is content with a backend that somebody else has brought back, but
            // then it was in rotation while it was restarted.
            if restarted == backend { try await patient.perform(.drain(renewal(of: backend)), decoding: DrainRecord.self) }
            try await patient.perform(.undrain([backend], owner: owner, force: false), decoding: WishRecord.self)
            return .done
        } catch {
            return error.code == .refused ? .lost(reason: error.message) : .failed(reason: error.message)
        }
    }

    /// False only where the balancer has refused: then there is nothing of ours to undo. No answer counts as
    /// taken: an undrain too many does no harm.
    private func isDrainTaken() async -> Bool {
        let taken = drainTaken
        let giveUp = start {
            guard await pause(for: PatientBalancer.answer) else { return }
            taken.put(true)
        }
        defer { giveUp.cancel() }
        return await taken.next()
    }

    private func hold(_ backend: BackendReference, reason: String) async -> StepMachine.OrderEnd {
        await renewal?.stop()
        do throws(Failure) {
            try await patient.perform(.drain(order(for: backend, reason: reason, lease: nil, renews: true)), decoding: DrainRecord.self)
            return .done
        } catch {
            return error.code == .refused ? .lost(reason: error.message) : .failed(reason: error.message)
        }
    }

    private func keepLease(of backend: BackendReference) {
        let order = renewal(of: backend)
        renewal = LeaseRenewal { [self] in
            do throws(Failure) {
                try await patient.perform(.drain(order), decoding: DrainRecord.self)
            } catch {
                guard error.code != .refused else { return inbox.put(.drainLost(reason: error.message)) }
                tell(backend, .note("the drain could not be renewed: \(error.message)"))
            }
        }
    }

    private func order(
        for backend: BackendReference, reason: String? = nil, lease: Duration?, renews: Bool = false,
        deadline: Duration? = nil
    ) -> DrainOrder {
        let text = (reason ?? "rolling restart of pool \(plan.pool)").escapedForOneLine
        // Whatever the pool does at its drains' deadlines.
        return DrainOrder(
            backends: [backend], owner: owner, reason: text, lease: lease, renews: renews, deadline: deadline, atDeadline: atDeadline,
            waits: deadline != nil)
    }

    private func renewal(of backend: BackendReference) -> DrainOrder { order(for: backend, lease: Lease.length, renews: true) }
}

/// The last value that an answer brought, also where the answer then failed.
@ControlPlane private final class Latest<Value> {
    var value: Value?
}
