// What the orders of a rollout come to: questions to the balancers, restarts, waits. Each gives the machine's answer.
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Rollout

extension Orchestrator {
    func look(_ look: RolloutMachine.Look, without: [BackendReference], after: Duration) async -> RolloutMachine.LookEnd {
        if after > .zero { await EventLoop.pause(for: after) }
        if case .before = look, let refusal = await observer.settleShares() { return .failed(reason: refusal) }
        do throws(Failure) {
            let reports = try await fleet.reports(of: order.plan.pool)
            let snapshot = try PoolSnapshot(reading: reports)
            guard let measured = await fleet.measured(order.plan.pool) else { return .pool(snapshot, capacity: .notProvable(text: "")) }
            return .pool(snapshot, capacity: RolloutMachine.Capacity(measured, connections: snapshot.connections, without: without))
        } catch {
            return .failed(reason: error.message)
        }
    }

    func version(of backend: BackendReference) async -> RolloutMachine.VersionEnd {
        guard let command = step(backend).version else { return .failed(reason: "no command asks for it") }
        return await VersionCommand.ask(command)
    }

    func probe(_ backends: [BackendReference], timeout: Duration) async -> RolloutMachine.ProbeEnd {
        let records = Collected<ProbeRecord>()
        do throws(Failure) {
            try await fleet.perform(.probe(backends, timeout: timeout), taking: timeout, decoding: ProbeRecord.self) { records.values[$0] = $1 }
        } catch {
            let why = records.values.values.compactMap(\.failure).first.map { ": \($0)" } ?? ""
            return .failed(reason: error.code == .deadlinePassed ? "not up within \(timeout.spoken)\(why)" : error.message)
        }
        for index in fleet.balancers.indices where records.values[index]?.probe != .up {
            return .failed(reason: "the balancer ended its probes without finding it up")
        }
        return .up
    }

    /// In rotation, and with its whole share: a return that is slow on purpose is waited for.
    func warm(_ backend: BackendReference) async -> RolloutMachine.ProbeEnd {
        while true {
            do throws(Failure) {
                let snapshot = try PoolSnapshot(reading: try await fleet.reports(of: backend.pool))
                guard let now = snapshot[backend] else { return .failed(reason: "is no longer in its pool") }
                if now.availability != .warming { return now.availability.isUsable ? .up : .failed(reason: "is \(now.availability.rawValue) now") }
            } catch { return .failed(reason: "may not be well: \(error.message)") }
            guard await EventLoop.pause(for: .milliseconds(200)) else { return .up }
        }
    }

    /// Ends early where they are found to be worse.
    func watch(_ backends: [BackendReference], for duration: Duration) async -> RolloutMachine.JudgeEnd {
        let clock = LoopClock()
        let end = clock.now.advanced(by: duration)
        while true {
            guard let reading = await observer.read() else {
                if duration > .zero { await EventLoop.pause(for: clock.now.duration(to: end)) }
                return .good(text: "the balancers do not measure, so nobody can say")
            }
            if let worse = reading.worse { return .bad(reason: worse) }
            let left = clock.now.duration(to: end)
            guard left > .zero, await EventLoop.pause(for: min(left, .seconds(1))) else {
                if duration > .zero { observer.noteBaked() }
                return .good(text: reading.lines.joined(separator: "; "))
            }
        }
    }
}

// Restarts: by a runner that outlives us, or by a person.
extension Orchestrator {
    private func way(_ backend: BackendReference, _ direction: RolloutMachine.Direction) -> RestartWay {
        let step = step(backend)
        switch direction {
        case .forward: return step.restart
        case .rollback: return step.rollback ?? step.restart
        }
    }

    func restart(
        _ backend: BackendReference, _ direction: RolloutMachine.Direction, _ timeout: Duration
    ) async -> RolloutMachine.RestartEnd {
        switch way(backend, direction) {
        case .manual(let task): return await waitForHand(backend, task, within: order.limits.byHand)
        case .command, .systemd:
            guard let order = way(backend, direction).order(timeout: timeout) else { preconditionFailure("nobody does it by hand") }
            return RolloutMachine.RestartEnd(await command(backend, direction).run(order))
        }
    }

    func find(_ backend: BackendReference, _ direction: RolloutMachine.Direction) async -> RolloutMachine.FoundEnd {
        // How far a person has come nobody but that person knows.
        if case .manual(let task) = way(backend, direction) { return .ended(await waitForHand(backend, task, within: order.limits.byHand)) }
        guard let end = await command(backend, direction).find() else { return .neverStarted }
        return .ended(RolloutMachine.RestartEnd(end))
    }

    private func command(_ backend: BackendReference, _ direction: RolloutMachine.Direction) -> StepCommand {
        StepCommand(folder: folder.step(number(backend), direction), program: runner)
    }
}

extension RolloutMachine.RestartEnd {
    fileprivate init(_ end: StepEnd) {
        switch end {
        case .done: self = .restarted
        case .failed(let reason, let output): self = .failed(reason: reason, output: output)
        case .notBegun(let reason): self = .notBegun(reason: reason)
        case .unknown(let reason, let output): self = .unknown(reason: reason, output: output)
        }
    }
}

// A standby pool.
extension Orchestrator {
    private var standby: Policy.Standby? {
        switch order.policy.strategy {
        case .rolling: nil
        case .hotStandby(let standby): standby
        }
    }

    /// Up by fresh probes, with the whole share of each, and able to carry what comes.
    func proveStandby(timeout: Duration) async -> RolloutMachine.ProbeEnd {
        guard let standby, !standby.backends.isEmpty else { return .failed(reason: "it has no backends") }
        for backend in standby.backends {
            let probed = await probe([backend], timeout: timeout)
            guard probed == .up else { return probed.naming(backend) }
            let warm = await warm(backend)
            guard warm == .up else { return warm.naming(backend) }
        }
        return await carries(standby)
    }

    private func carries(_ standby: Policy.Standby) async -> RolloutMachine.ProbeEnd {
        guard let pool = await fleet.measured(order.plan.pool), let idle = await fleet.measured(standby.pool) else {
            return order.policy.requiresProof ? .failed(reason: "not provable: the balancers do not measure what the backends carry") : .up
        }
        let capacity = StandbyCapacity(standby, idle, instead: pool, connections: Int(pool.load.connections))
        return capacity.refusal(requiresProof: order.policy.requiresProof).map { .failed(reason: $0) } ?? .up
    }

    func switchTraffic(to pool: PoolName) async -> RolloutMachine.OrderEnd {
        guard let standby else { return .failed(reason: "there is no standby") }
        do throws(Failure) {
            guard !standby.listeners.isEmpty else { return .done }
            // All at once: no client finds one of them here and another there.
            try await fleet.perform(
                .configuration(.setListeners(standby.listeners, [Setting(key: "pool", value: pool.text)])), decoding: ChangesRecord.self)
            return .done
        } catch {
            return .failed(reason: "\(error.message); \(await whereTrafficGoes(standby.listeners))")
        }
    }

    /// `now listener web leads to pool idle, api to pool web`
    private func whereTrafficGoes(_ listeners: [ListenerName]) async -> String {
        let reports = Collected<StatusReport>()
        do throws(Failure) {
            try await fleet.perform(.status(.everything), decoding: StatusReport.self) { reports.values[$0] = $1 }
        } catch {
            guard !reports.values.isEmpty else { return "where the traffic goes now is not known: \(error.message)" }
        }
        return fleet.balancers.indices.map { index in
            let place = fleet.balancers.count > 1 ? " at \(fleet.balancers[index].control)" : ""
            guard let report = reports.values[index] else { return "where the traffic goes\(place) is not known" }
            let ways = listeners.map { listener in
                let pool = report.listeners.first { $0.name == listener.text }?.pool
                return pool.map { "\(listener) leads to pool \($0)" } ?? "\(listener) is no longer there"
            }
            return "now\(place) listener \(ways.joined(separator: ", listener "))"
        }.joined(separator: "; ")
    }
}

extension RolloutMachine.ProbeEnd {
    fileprivate func naming(_ backend: BackendReference) -> RolloutMachine.ProbeEnd {
        switch self {
        case .up: .up
        case .failed(let reason): .failed(reason: "\(backend): \(reason)")
        }
    }
}
