// The probes of one backend: regular ones, hurried ones while something changes, and fresh ones on demand.
import Decisions
import EventLoop
import Model
import SystemCalls

/// What the probes of a backend have shown so far.
package struct ProbeHistory: Sendable {
    package var finding: ProbeFinding
    /// When that was found; nil: it is what it was at first.
    package var since: Timestamp?
    /// Finished probes.
    package var sequence: UInt64 = 0
    /// Those of them that failed.
    package var failures: UInt64 = 0
    package var finishedAt: Timestamp?
    /// Why the last one failed, or could not be made; nil when it succeeded.
    package var failure: String?
}

@ControlPlane package final class Prober {
    private var configuration: HealthConfiguration
    private var target: ProbeTarget
    private var health: ProbeHealth
    private var burst = FailureBurst()
    /// Started and not stopped since; without a check there is nothing to do for it.
    private var isWanted = false
    private var regular: Task<Void, Never>?
    /// Between two regular probes.
    private var rest: Wait?
    /// The next one is not waited for, and so many after it come at the fast interval: a burst of failures.
    private var isDueNow = false
    private var hurried = 0
    package private(set) var history: ProbeHistory
    /// Called when the finding changes, with the old one and the reason.
    private let changed: @ControlPlane (ProbeFinding, String) -> Void

    package init(
        _ configuration: HealthConfiguration, of target: ProbeTarget, changed: @escaping @ControlPlane (ProbeFinding, String) -> Void
    ) {
        self.configuration = configuration
        self.target = target
        self.changed = changed
        health = ProbeHealth(rise: configuration.rise, fall: configuration.fall)
        // Without a check there is nothing to wait for: the backend counts as up.
        history = ProbeHistory(finding: configuration.check == .none ? .up : .unknown)
    }

    package func start() {
        isWanted = true
        guard configuration.check != .none, regular == nil else { return }
        regular = EventLoop.start { [weak self] in await self?.probeRegularly() }
    }

    package func stop() {
        isWanted = false
        endRegular()
    }

    private func endRegular() {
        regular?.cancel()
        (regular, rest) = (nil, nil)
    }

    /// What was found before says nothing any more: the backend was out of probing.
    package func forget() {
        guard configuration.check != .none, history.finding != .unknown else { return }
        health = ProbeHealth(rise: configuration.rise, fall: configuration.fall)
        change(to: .unknown, because: "not probed any more")
    }

    /// Other probes from now on. What was found stays until they find something else. A probe that is under way goes with
    /// its task.
    package func change(to new: HealthConfiguration, of newTarget: ProbeTarget) {
        guard new != configuration || newTarget != target else { return }
        let hadNoCheck = configuration.check == .none
        (configuration, target) = (new, newTarget)
        endRegular()
        if new.check == .none {
            health = ProbeHealth(rise: new.rise, fall: new.fall, finding: .up)
            history.failure = nil
            if history.finding != .up { change(to: .up, because: "not checked any more") }
        } else if hadNoCheck {
            health = ProbeHealth(rise: new.rise, fall: new.fall, finding: history.finding)
        } else {
            health.follow(rise: new.rise, fall: new.fall)
        }
        if isWanted { start() }
    }

    /// Clients' connections have failed, so many since the last time: when they are a burst the backend is probed at
    /// once, and quickly for a while. How many there were then; nil: no burst.
    package func noteFailures(_ count: Int) -> Int? {
        guard let rule = configuration.passive, regular != nil, history.finding == .up,
            let failures = burst.count(count, at: LoopClock().now, rule: rule)
        else { return nil }
        hurried = configuration.fall
        isDueNow = true
        rest?.finish(.ready)
        return failures
    }

    private func probeRegularly() async {
        let clock = LoopClock()
        let rest = Wait()
        self.rest = rest
        var next = clock.now.advanced(by: ProbePacing.first(interval: configuration.interval, random: .random(in: 0..<1)))
        while await pause(rest, until: ProbePacing.aligned(next, interval: interval)) {
            let started = clock.now
            isDueNow = false
            let result = await probe()
            // A probe that was cut short by `stop` has found nothing.
            guard !Task.isCancelled else { return }
            take(result)
            hurried = max(0, hurried - 1)
            next = started.advanced(by: ProbePacing.next(interval: interval, jitter: configuration.jitter, random: .random(in: 0..<1)))
        }
    }

    /// False: cancelled.
    private func pause(_ rest: Wait, until next: MonotonicTime) async -> Bool {
        guard !isDueNow else { return !Task.isCancelled }
        let now = LoopClock().now
        // After a standstill all backends are overdue, and would be probed at once, and at once again an interval later.
        let isOverdue = next.duration(to: now) > configuration.interval
        let rested = isOverdue
            ? ProbePacing.first(interval: configuration.interval, random: .random(in: 0..<1)) : now.duration(to: next)
        return await rest.pause(for: rested) != .cancelled
    }

    /// From the start of one probe to the next, as things stand.
    private var interval: Duration {
        health.isSettled && hurried == 0 ? configuration.interval : configuration.fastInterval
    }

    /// Fresh probes, one after the other, every one begun after this call: up after `rise` successes in a row, else
    /// what is known when `timeout` has passed (at least one probe is made). Nil on cancellation.
    package func confirm(timeout: Duration) async -> ProbeHistory? {
        guard configuration.check != .none else { return history }
        let clock = LoopClock()
        let deadline = clock.now.advanced(by: timeout)
        var successes = 0
        while true {
            let result = await probe()
            guard !Task.isCancelled else { return nil }
            take(result)
            switch result {
            case .success: successes += 1
            case .failure: successes = 0
            case .inconclusive: break
            }
            if successes >= configuration.rise {
                confirmUp()
                return history
            }
            guard clock.now < deadline else {
                // Not confirmed: a finding from before this call must not pass for an answer to it.
                var unconfirmed = history
                unconfirmed.finding = .down
                return unconfirmed
            }
            let pause = ProbePacing.confirming(interval: configuration.interval, after: result)
            guard await EventLoop.pause(for: pause) else { return nil }
        }
    }

    /// One of a check that judges nobody yet.
    package static func probe(_ check: HealthConfiguration.Check, of target: ProbeTarget, timeout: Duration) async -> ProbeResult {
        await Checks.run(check, of: target, timeout: timeout)
    }

    private func probe() async -> ProbeResult {
        await Checks.run(configuration.check, of: target, timeout: configuration.timeout)
    }

    private func take(_ result: ProbeResult) {
        switch result {
        case .success: finished(nil)
        case .failure(let reason): finished(reason)
        // Not counted: who waits for a fresh probe waits on.
        case .inconclusive(let reason): history.failure = reason
        }
        guard let new = health.handle(result) else { return }
        change(to: new, because: history.failure ?? "check passed")
    }

    private func finished(_ failure: String?) {
        history.sequence += 1
        if failure != nil { history.failures += 1 }
        history.finishedAt = Clocks.calendar()
        history.failure = failure
    }

    private func confirmUp() {
        guard let new = health.confirmUp() else { return }
        change(to: new, because: "\(configuration.rise) fresh probes passed")
    }

    private func change(to new: ProbeFinding, because reason: String) {
        let old = history.finding
        (history.finding, history.since) = (new, Clocks.calendar())
        changed(old, reason)
    }
}
