// The probes of one backend: regular ones, and fresh ones on demand.
import Decisions
import EventLoop
import Model
import SystemCalls

/// What the probes of a backend have shown so far.
package struct ProbeHistory: Sendable {
    package var finding: ProbeFinding
    /// Finished probes.
    package var sequence: UInt64 = 0
    package var finishedAt: Timestamp?
    /// Why the last one failed, or could not be made; nil when it succeeded.
    package var failure: String?
}

@ControlPlane package final class Prober {
    private var configuration: HealthConfiguration
    private let endpoint: Endpoint
    private var sendProxy: SendProxy
    private var source: IPAddress?
    private var health: ProbeHealth
    /// Started and not stopped since; without a check there is nothing to do for it.
    private var isWanted = false
    private var regular: Task<Void, Never>?
    package private(set) var history: ProbeHistory
    /// Called when the finding changes, with the old one and the reason.
    private let changed: @ControlPlane (ProbeFinding, String) -> Void

    package init(
        _ configuration: HealthConfiguration, endpoint: Endpoint, sendProxy: SendProxy = .none, source: IPAddress? = nil,
        changed: @escaping @ControlPlane (ProbeFinding, String) -> Void
    ) {
        self.configuration = configuration
        self.endpoint = endpoint
        self.sendProxy = sendProxy
        self.source = source
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
        regular = nil
    }

    /// What was found before says nothing any more: the backend was out of probing.
    package func forget() {
        guard configuration.check != .none, history.finding != .unknown else { return }
        health = ProbeHealth(rise: configuration.rise, fall: configuration.fall)
        change(to: .unknown, because: "not probed any more")
    }

    /// Other probes from now on, of the same endpoint. What was found stays until they find something else.
    package func change(to new: HealthConfiguration, sendProxy: SendProxy, source: IPAddress?) {
        guard new != configuration || sendProxy != self.sendProxy || source != self.source else { return }
        let hadNoCheck = configuration.check == .none
        (configuration, self.sendProxy, self.source) = (new, sendProxy, source)
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

    private func probeRegularly() async {
        let clock = LoopClock()
        guard await pause(for: ProbePacing.first(interval: configuration.interval, random: .random(in: 0..<1))) else { return }
        while !Task.isCancelled {
            let started = clock.now
            let result = await probe()
            // A probe that was cut short by `stop` has found nothing.
            guard !Task.isCancelled else { return }
            take(result)
            let next = started.advanced(by: ProbePacing.next(interval: configuration.interval, random: .random(in: 0..<1)))
            guard await pause(for: clock.now.duration(to: next)) else { return }
        }
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
            guard await pause(for: ProbePacing.confirming(interval: configuration.interval, after: result)) else { return nil }
        }
    }

    private func probe() async -> ProbeResult {
        await Checks.run(configuration.check, at: endpoint, from: source, sendProxy: sendProxy, timeout: configuration.timeout)
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
        history.finishedAt = Clocks.calendar()
        history.failure = failure
    }

    private func confirmUp() {
        guard let new = health.confirmUp() else { return }
        change(to: new, because: "\(configuration.rise) fresh probes passed")
    }

    private func change(to new: ProbeFinding, because reason: String) {
        let old = history.finding
        history.finding = new
        changed(old, reason)
    }
}
