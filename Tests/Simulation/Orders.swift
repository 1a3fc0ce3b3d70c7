// How the world obeys each order, with faults, and where it is held against the promises.
import Model
import Rollout

extension Process {
    mutating func obey(_ action: Action) throws {
        guard verdict == nil else { throw Broken("goes on after its end: \(action)") }
        switch action {
        case .look(let look, _, let after): self.look(look, after: after.wholeMilliseconds)
        case .version(let backend): post(.versioned(backend, .version("\(world.servers[world.index(backend)].generation)")), after: delay())
        case .drain(let backend, let deadline): drain(backend, deadline.wholeMilliseconds)
        case .confirm(let backend): confirm(backend)
        case .retake(let backend): retake(backend)
        case .findRestart(let backend, let direction): findRestart(backend, direction)
        case .restart(let backend, let direction, let timeout): try restart(backend, direction, timeout)
        case .probe(let backend, let timeout): try probe(backend, timeout)
        case .undrain(let backend): try undrain(backend)
        case .warm(let backend):
            post(.warmed(backend, world.servers[world.index(backend)].isRunning ? .up : .failed(reason: "down")), after: Int64(world.random.below(3000)))
        case .hold(let backend, _): hold(backend)
        case .abandonRestart(let backend): abandon(backend)
        case .watch(_, let duration):
            let isBad = world.random.percent(world.faults.badRelease)
            post(.watched(isBad ? .bad(reason: "5 % resets") : .good(text: "")), after: duration.wholeMilliseconds + delay())
        case .proveStandby:
            let fails = world.random.percent(world.faults.neverBack)
            post(.standbyProved(fails ? .failed(reason: "down") : .up), after: delay())
        case .switchTraffic(let pool):
            if world.random.percent(world.faults.unreachable) { return post(.switched(.failed(reason: "no answer")), after: delay()) }
            world.trafficOn = pool
            post(.switched(.done), after: delay())
        case .tell: return
        case .end(let verdict): end(verdict)
        }
        let out = world.servers.indices.count { index in world.balancers.contains { world.holds[$0][index]?.owner == Process.owner } }
        mostOut = max(mostOut, out)
        if out > outMax { throw Broken("\(out) are out, \(outMax) may be\(tail)") }
    }

    private var outMax: Int { order.policy.strategy == .rolling ? order.policy.unavailableMax : order.plan.steps.count }

    private mutating func isDeaf() -> Bool {
        if world.random.percent(world.faults.unreachable) {
            world.deafUntil[world.random.below(world.deafUntil.count)] = world.now + Int64(world.random.below(30_000))
        }
        return world.deafUntil.contains { $0 > world.now }
    }

    private mutating func look(_ look: RolloutMachine.Look, after: Int64) {
        if isDeaf() { return post(.looked(look, .failed(reason: "no answer")), after: after + delay()) }
        if world.loadUntil <= world.now, world.random.percent(world.faults.load) { world.loadUntil = world.now + Int64(world.random.below(20_000)) }
        let capacity: RolloutMachine.Capacity = world.loadUntil > world.now + after ? .fails(text: "12 connections too many") : .carries(text: "")
        post(.looked(look, .pool(world.snapshot(), capacity: capacity)), after: after + delay())
    }

    private func isTheirs(_ index: Int) -> Bool {
        world.balancers.contains { world.holds[$0][index].map { $0.owner != Process.owner } ?? false }
    }

    private func isOurs(_ index: Int) -> Bool { world.balancers.allSatisfy { world.holds[$0][index]?.owner == Process.owner } }

    private mutating func take(_ index: Int) {
        for balancer in world.balancers { world.holds[balancer][index] = Hold(owner: Process.owner, until: .max) }
        renewing.insert(index)
    }

    private mutating func drain(_ backend: BackendReference, _ deadline: Int64) {
        let index = world.index(backend)
        if world.random.percent(world.faults.refused), world.isInRotation(index) {
            for balancer in world.balancers { world.holds[balancer][index] = Hold(owner: "alice", until: world.now + 60_000) }
        }
        if isTheirs(index) { return post(.drainEnded(backend, .refused(reason: "drained by alice")), after: delay()) }
        disturbed.remove(index)
        take(index)
        if isDeaf() { return post(.drainEnded(backend, .failed(reason: "no answer")), after: delay()) }
        waits[index] = world.now + deadline
    }

    private mutating func confirm(_ backend: BackendReference) {
        let index = world.index(backend)
        if isDeaf() { return post(.confirmed(backend, .failed(reason: "no answer")), after: delay()) }
        guard isOurs(index) else { return post(.confirmed(backend, .lost(reason: "undrained by ann")), after: delay()) }
        guard world.isEmpty(index) else { return post(.confirmed(backend, .failed(reason: "draining")), after: delay()) }
        guard world.random.percent(world.faults.late) else { return post(.confirmed(backend, .drained), after: delay()) }
        // Stopped while the answer lay unread: nobody renewed, and the machine must not believe it.
        for balancer in world.balancers { world.holds[balancer][index]?.until = world.now + 30_000 }
        post(.confirmed(backend, .drained), after: 40_000)
    }

    private mutating func retake(_ backend: BackendReference) {
        let index = world.index(backend)
        if isTheirs(index) { return post(.retaken(backend, .lost(reason: "drained by alice")), after: delay()) }
        take(index)
        post(.retaken(backend, isDeaf() ? .failed(reason: "no answer") : .done), after: delay())
    }

    private mutating func hold(_ backend: BackendReference) {
        let index = world.index(backend)
        renewing.remove(index)
        if isDeaf() {
            for balancer in world.balancers where world.holds[balancer][index]?.owner == Process.owner {
                world.holds[balancer][index]?.until = world.now + 30_000
            }
            return post(.held(backend, .failed(reason: "no answer")), after: delay())
        }
        guard isOurs(index) else { return post(.held(backend, .lost(reason: "undrained by ann")), after: delay()) }
        for balancer in world.balancers { world.holds[balancer][index]?.until = nil }
        post(.held(backend, .done), after: delay())
    }

    private mutating func undrain(_ backend: BackendReference) throws {
        let index = world.index(backend)
        let server = world.servers[index]
        if server.generation > 0, probed[index] != server.generation, !disturbed.contains(index) {
            guard journalSaysUp(backend) else { throw Broken("\(backend) is undrained before a probe after its restart\(tail)") }
        }
        waits[index] = nil
        renewing.remove(index)
        if isDeaf() {
            for balancer in world.balancers where world.holds[balancer][index]?.owner == Process.owner {
                world.holds[balancer][index]?.until = world.now + 30_000
            }
            return post(.undrained(backend, .failed(reason: "no answer")), after: delay())
        }
        if isTheirs(index) { return post(.undrained(backend, .lost(reason: "drained by alice")), after: delay()) }
        if probed[index] != nil, !isOurs(index) { return post(.undrained(backend, .lost(reason: "undrained by ann")), after: delay()) }
        for balancer in world.balancers { world.holds[balancer][index] = nil }
        post(.undrained(backend, .done), after: delay())
    }

    private func journalSaysUp(_ backend: BackendReference) -> Bool {
        var neverStarted = 0
        for record in journal.reversed() {
            switch record.content {
            case .input(let event) where event.backend == backend.description && event.name == "probe" && event.result == "up": return true
            case .input(let event) where event.backend == backend.description && event.result == "neverStarted": neverStarted += 1
            case .action(let event) where event.backend == backend.description && event.name == "restart":
                guard neverStarted > 0 else { return false }
                neverStarted -= 1
            case .begun, .input, .action, .seen, .ended: continue
            }
        }
        return true
    }
}

// Restarts.
extension Process {
    private func key(_ backend: BackendReference, _ direction: RolloutMachine.Direction) -> String { "\(backend) \(direction.rawValue)" }

    private mutating func restart(_ backend: BackendReference, _ direction: RolloutMachine.Direction, _ timeout: Duration) throws {
        let index = world.index(backend)
        guard runners[key(backend, direction)] == nil else { throw Broken("\(backend) is restarted a second time") }
        if !disturbed.contains(index) {
            guard world.connections(of: index) == 0 else { throw Broken("\(backend) is restarted with \(world.connections(of: index)) connections") }
            guard isOurs(index) else { throw Broken("\(backend) is restarted, and is not drained by us") }
        }
        let faults = world.faults
        if world.random.percent(faults.notBegun) { return post(.restartEnded(backend, .notBegun(reason: "no space left")), after: delay()) }
        world.servers[index].generation += 1
        world.servers[index].isRunning = false
        var runner = Runner(ends: world.now + Int64(50 + world.random.below(5000)), end: .restarted)
        if world.random.percent(faults.runnerKilled) {
            runner = Runner(ends: runner.ends, end: nil)
        } else if world.random.percent(faults.hang) {
            runner = Runner(ends: world.now + timeout.wholeMilliseconds, end: .failed(reason: "not done within \(timeout.spoken)", output: ""))
        } else if world.random.percent(faults.command) {
            runner = Runner(ends: runner.ends, end: .failed(reason: "exit status 7", output: "no"))
        } else if !world.random.percent(faults.neverBack) {
            world.servers[index].isRunning = true
            if world.random.percent(faults.dies) { world.servers[index].diesAt = runner.ends + Int64(world.random.below(60_000)) }
        }
        runners[key(backend, direction)] = runner
        post(.restartEnded(backend, runner.end ?? .failed(reason: "the runner was killed", output: "")), after: runner.ends - world.now)
    }

    private mutating func findRestart(_ backend: BackendReference, _ direction: RolloutMachine.Direction) {
        guard let runner = runners[key(backend, direction)] else { return post(.restartFound(backend, .neverStarted), after: delay()) }
        guard let end = runner.end else {
            return post(.restartFound(backend, .ended(.unknown(reason: "started, and its end is not known", output: ""))), after: max(1, runner.ends - world.now))
        }
        post(.restartFound(backend, .ended(end)), after: max(1, runner.ends - world.now))
    }

    private mutating func abandon(_ backend: BackendReference) {
        let found = pending.contains { if case .restartFound(backend, _) = $0.input { true } else { false } }
        guard !found else { return }
        pending.removeAll { if case .restartEnded(backend, _) = $0.input { true } else { false } }
        post(.restartEnded(backend, .failed(reason: "interrupted", output: "")), after: delay())
    }

    private mutating func probe(_ backend: BackendReference, _ timeout: Duration) throws {
        let index = world.index(backend)
        let runner = runners[key(backend, .rollback)] ?? runners[key(backend, .forward)]
        guard let runner, runner.ends <= world.now else { throw Broken("\(backend) is probed before its restart has ended") }
        guard world.servers[index].isRunning else {
            return post(.probed(backend, .failed(reason: "not up within \(timeout.spoken)")), after: timeout.wholeMilliseconds)
        }
        probed[index] = world.servers[index].generation
        post(.probed(backend, .up), after: delay() * 20)
    }
}

// The end against the truth.
extension Process {
    func checkEnd() throws {
        guard let verdict else { return }
        for (index, node) in verdict.nodes.enumerated() {
            let held = world.balancers.contains { world.holds[$0][index]?.owner == Process.owner && world.holds[$0][index]?.until != nil }
            switch node.fate {
            case .untouched, .restarted, .rolledBack, .undone, .outAgain:
                guard !world.balancers.contains(where: { world.holds[$0][index]?.owner == Process.owner }) else {
                    throw Broken("\(node.backend) is left drained, and said to be \(node.fate)")
                }
            case .held: guard !held || disturbed.contains(index) else { throw Broken("\(node.backend) is said to be held, and has a lease") }
            case .drainLost, .leased, .unclear: continue
            }
        }
        guard verdict.cause != nil || verdict.restarted == order.plan.steps.count else { throw Broken("done, but not all") }
        guard verdict.cause != nil || runners.count == order.plan.steps.count else { throw Broken("done, with \(runners.count) restarts") }
        let finding = JournalVerifier.verify(lines)
        guard finding.holds else { throw Broken("its journal does not hold: \((finding.breaches + finding.contradictions).first?.description ?? "no end")") }
        guard finding.mostOut <= finding.outMax, finding.restarts == runners.count || kills > 0 else {
            throw Broken("its journal tells of \(finding.restarts) restarts, and there were \(runners.count)")
        }
    }
}
