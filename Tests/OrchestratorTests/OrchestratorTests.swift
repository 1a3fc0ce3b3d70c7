// What a rollout says to a balancer, in which order, and that it holds to its lease.
import TestSupport
import ControlClient
import ControlProtocol
import EventLoop
import FoundationEssentials
import Glibc
import Model
import Rollout
import SystemCalls
import Testing

@testable import Orchestrator

private func json(_ value: some Encodable) -> ReplyLine {
    do { return .data(String(decoding: try JSONEncoder().encode(value), as: UTF8.self)) } catch {
        preconditionFailure("plain values: \(error)")
    }
}

private func pool() -> PoolReport {
    let backends = (1...2).map { number in
        BackendReport(
            name: "web-\(number)", address: "127.0.0.1:900\(number)", wish: .ready, probe: .up, availability: .available,
            connections: 0, connectionsTotal: 0, connectFailures: 0, resets: 0, bytesToBackend: 0, bytesToClient: 0,
            weight: 1, backup: false, probeSequence: 1, probedAt: nil, probeFailure: nil, drain: nil)
    }
    return PoolReport(name: "web", balance: "round-robin", drainDeadline: 60, restart: nil, eligible: 2, backends: backends)
}

private func status() -> ReplyLine {
    json(StatusReport(
        version: "0", pid: 1, generation: 1, startedAt: "", stopping: false, workers: 1, connections: 0, connectionsMax: 9, listeners: [], pools: [pool()]))
}

private func drained(_ backends: [BackendReference], _ state: Availability = .drained) -> [ReplyLine] {
    backends.map { json(DrainRecord(backend: $0.description, availability: state, connections: state == .drained ? 0 : 1, waited: 0)) }
}

/// Answers as a balancer does where all is well.
private func well(_ command: Command) -> [ReplyLine] {
    switch command {
    case .status: return [status(), .ok]
    case .drain(let order): return drained(order.backends) + [.ok]
    case .undrain(let backends, _, _):
        return backends.map { json(WishRecord(backend: $0.description, wish: .ready, availability: .available)) } + [.ok]
    case .probe(let backends, _):
        return backends.map { json(ProbeRecord(backend: $0.description, probe: .up, probeSequence: 2, failure: nil)) } + [.ok]
    case .help, .maintain, .ready, .events, .configuration, .connections, .close, .explain, .share, .unshare, .measure, .rolloutReport: return [.failure(Failure(.failed, "not expected"))]
    }
}

/// The same, and it measures.
private func measuring(_ command: Command) -> [ReplyLine] {
    switch command {
    case .measure(let pool, _):
        let load = Load(connections: 10, connectsPerSecond: 1, bytesPerSecond: 10)
        let backends = ["web-1", "web-2"].map {
            MeasuredBackend(
                name: BackendName(unchecked: $0), availability: .available, weight: 1, backup: false, connectionsMax: 100, capacity: Capacity(),
                load: load, peak: load, outcomes: ConnectionOutcomes(), ages: LifetimeCounts([.seconds(3)]))
        }
        let lifetimes = LifetimeCounts((1...50).map { .seconds($0) })
        return [
            json(MeasureReport(
                pool: pool, window: .seconds(60), measured: .seconds(60), load: load + load, peak: load + load, lifetimes: lifetimes, backends: backends)),
            .ok,
        ]
    case .share(let order): return [json(SharesRecord(pool: order.pool, shares: nil)), .ok]
    case .unshare(let pool, _, _): return [json(SharesRecord(pool: pool, shares: nil)), .ok]
    case .help, .status, .drain, .undrain, .maintain, .ready, .probe, .events, .configuration, .connections, .close, .explain, .rolloutReport:
        return well(command)
    }
}

@ControlPlane private func orchestrator(_ balancer: ScriptedBalancer, restart: [String] = ["true"]) throws -> Orchestrator {
    try orchestrator([balancer], restart: restart)
}

@ControlPlane private func orchestrator(
    _ balancers: [ScriptedBalancer], restart: [String] = ["true"], way: RestartTemplate? = nil, byHand: Duration? = nil, policy: Policy = Policy(),
    progress: @escaping @ControlPlane (Progress) -> Void = { _ in }
) throws -> Orchestrator {
    let plan = try Plan(pool: try PoolSnapshot(reading: pool()), restart: way ?? .command(restart))
    let limits = RolloutLimits(drain: .seconds(600), restart: .seconds(600), ready: .seconds(600), byHand: byHand)
    let folder = try RolloutStore(path: balancers[0].state.path).create(for: plan.pool)
    let order = RolloutOrder(id: folder.id, owner: "me", balancers: balancers.map(\.path), plan: plan, limits: limits, policy: policy)
    return Orchestrator(order, journal: try Journal.create(in: folder), runner: [try Products.path("lbctl"), Runner.verb], progress: progress)
}

private func verb(_ command: Command) -> String {
    switch command {
    case .status: "status"
    case .drain(let order): order.lease == nil ? "hold" : order.renews ? "renew" : "drain"
    case .undrain(_, "me", false): "undrain"
    case .probe: "probe"
    case .help, .undrain, .maintain, .ready, .events, .configuration, .connections, .close, .explain, .share, .unshare, .measure, .rolloutReport: "other"
    }
}

/// Without the questions of the observer, which come when they come.
@ControlPlane private func orders(_ balancer: ScriptedBalancer) -> [String] { balancer.commands.map(verb).filter { $0 != "other" } }

@Suite struct OrchestratorTests {
    @Test func aWholeRolloutInOrder() async throws {
        try await onLoop {
            let balancer = try ScriptedBalancer("whole", answer: well)
            let orchestrator = try orchestrator(balancer)
            let verdict = try await orchestrator.run()
            #expect(verdict.cause == nil)
            let step = ["status", "drain", "status", "renew", "probe", "renew", "undrain", "status"]
            #expect(orders(balancer) == step + step + ["status"])
            let records = orchestrator.recorder.records
            guard case .begun = records.first?.content, case .ended = records.last?.content else { return #expect(Bool(false), "\(records)") }
            try balancer.close()
        }
    }

    /// Fault: killed during a restart of 38 s the drain ended after 30, and clients were sent to what was then restarted.
    @Test func theLeaseOutlastsTheRestart() async throws {
        try await onLoop {
            let balancer = try ScriptedBalancer("lease", answer: well)
            _ = try await (try orchestrator(balancer)).run()
            let leases = balancer.commands.compactMap { command -> Duration? in
                guard case .drain(let order) = command else { return nil }
                return order.lease
            }
            #expect(leases == [30, 630, 630, 30, 630, 630].map { Duration.seconds($0) })
            try balancer.close()
        }
    }

    @Test func afterAFailedRestartTheDrainIsKeptWithoutALease() async throws {
        try await onLoop {
            let balancer = try ScriptedBalancer("failed", answer: well)
            let verdict = try await (try orchestrator(balancer, restart: ["false"])).run()
            #expect(verdict.nodes[0].fate == .held)
            #expect(orders(balancer) == ["status", "drain", "status", "renew", "hold"])
            try balancer.close()
        }
    }

    /// An operator undrained it: the restart is not begun, and nothing is undrained or held.
    @Test func aRefusedConfirmationLeavesTheNodeAlone() async throws {
        try await onLoop {
            let balancer = try ScriptedBalancer("lost") { command in
                guard case .drain(let order) = command, order.renews else { return well(command) }
                return [.failure(Failure(.refused, "undrain by ann"))]
            }
            let verdict = try await (try orchestrator(balancer, restart: ["false"])).run()
            #expect(verdict.cause == .drainLost(verdict.nodes[0].backend, reason: "undrain by ann"))
            #expect(orders(balancer) == ["status", "drain", "status", "renew"])
            try balancer.close()
        }
    }

    /// An operator undrained it during the restart: it was in rotation while its server was down, and the rest is his.
    @Test func aDrainLostDuringTheRestartEndsTheRollout() async throws {
        try await onLoop {
            var hasProbed = false
            let balancer = try ScriptedBalancer("brought back") { command in
                if case .probe = command { hasProbed = true }
                guard case .drain(let order) = command, order.renews, hasProbed else { return well(command) }
                return [.failure(Failure(.refused, "undrain by ann"))]
            }
            let verdict = try await (try orchestrator(balancer)).run()
            #expect(verdict.nodes[0].fate == .drainLost(restartBegan: true, reason: "undrain by ann"))
            #expect(orders(balancer) == ["status", "drain", "status", "renew", "probe", "renew"])
            try balancer.close()
        }
    }

    /// The order to keep a failed node out must not take it from an operator either.
    @Test func aRefusedHoldIsNoDrain() async throws {
        try await onLoop {
            let balancer = try ScriptedBalancer("hold") { command in
                guard case .drain(let order) = command, order.lease == nil else { return well(command) }
                #expect(order.renews)
                return [.failure(Failure(.refused, "undrain by ann"))]
            }
            let verdict = try await (try orchestrator(balancer, restart: ["false"])).run()
            #expect(verdict.nodes[0].fate == .drainLost(restartBegan: true, reason: "undrain by ann"))
            try balancer.close()
        }
    }

    @Test func aDeadlineIsUndone() async throws {
        try await onLoop {
            let balancer = try ScriptedBalancer("deadline") { command in
                guard case .drain(let order) = command else { return well(command) }
                return drained(order.backends, .draining) + [.failure(Failure(.deadlinePassed, "not empty"))]
            }
            let verdict = try await (try orchestrator(balancer)).run()
            #expect(verdict.nodes[0].fate == .undone)
            #expect(orders(balancer) == ["status", "drain", "undrain"])
            try balancer.close()
        }
    }

    /// Another owner's drain is never touched: no undrain follows the refusal.
    @Test func aRefusedDrainIsNotUndone() async throws {
        try await onLoop {
            let balancer = try ScriptedBalancer("refused") { command in
                guard case .drain = command else { return well(command) }
                return [.failure(Failure(.refused, "drained by alice"))]
            }
            let verdict = try await (try orchestrator(balancer)).run()
            #expect(verdict.cause == .refused("drained by alice"))
            #expect(orders(balancer) == ["status", "drain"])
            try balancer.close()
        }
    }

    /// The undrain must not overtake a drain order that is still on its way: it would then stay drained.
    @Test func aStopDuringTheDrainUndrainsAfterTheOrderArrived() async throws {
        try await onLoop {
            let arrived = Inbox<Bool>(), goOn = Inbox<Bool>()
            let balancer = try ScriptedBalancer("stop") { command in
                guard case .drain(let order) = command else { return well(command) }
                arrived.put(true)
                _ = await goOn.next()
                return drained(order.backends, .draining) + [.failure(Failure(.failed, "the drain was ended"))]
            }
            let orchestrator = try orchestrator(balancer)
            let run = startThrowing { try await orchestrator.run() }
            _ = await arrived.next()
            orchestrator.requestStop()
            for _ in 0..<20 { await pause(for: .milliseconds(1)) }
            #expect(orders(balancer) == ["status", "drain"])
            goOn.put(true)
            let verdict = try await run.value
            #expect(verdict.nodes[0].fate == .undone)
            #expect(orders(balancer) == ["status", "drain", "undrain"])
            try balancer.close()
        }
    }

    /// Empty at one of two balancers is not empty: the restart waits for the other.
    @Test func aStepsDrainCountsWhenAllBalancersSayEmpty() async throws {
        try await onLoop {
            let goOn = Inbox<Bool>(), arrived = Inbox<Bool>()
            let quick = try ScriptedBalancer("quick", answer: well)
            let slow = try ScriptedBalancer("slow") { command in
                guard case .drain(let order) = command, !order.renews, order.backends[0].backend.text == "web-1" else { return well(command) }
                arrived.put(true)
                _ = await goOn.next()
                return well(command)
            }
            let orchestrator = try orchestrator([quick, slow])
            let run = startThrowing { try await orchestrator.run() }
            _ = await arrived.next()
            for _ in 0..<20 { await pause(for: .milliseconds(1)) }
            #expect(!orders(quick).contains("renew"))
            goOn.put(true)
            let verdict = try await run.value
            #expect(verdict.cause == nil)
            #expect(orders(quick) == orders(slow))
            try quick.close()
            try slow.close()
        }
    }

    /// One of two balancers has its drain refused: what the other took is given back, and nothing is restarted.
    @Test func aDrainThatOneOfTwoRefusesIsUndoneAtTheOther() async throws {
        try await onLoop {
            let taking = try ScriptedBalancer("taking", answer: well)
            let refusing = try ScriptedBalancer("refusing") { command in
                switch command {
                case .drain, .undrain: return [.failure(Failure(.refused, "drained by alice"))]
                default: return well(command)
                }
            }
            let verdict = try await (try orchestrator([taking, refusing], restart: ["false"])).run()
            #expect(verdict.nodes[0].fate == .untouched)
            #expect(orders(taking) == ["status", "drain", "undrain"])
            guard case .refused(let reason) = verdict.cause else { return #expect(Bool(false), "\(verdict)") }
            #expect(reason.contains(refusing.path))
            try taking.close()
            try refusing.close()
        }
    }

    /// Of two that begin in the same moment each has seen a pool of nobody; fault: both went on, and restarted it twice.
    @Test func aPoolThatIsAnothersIsLeftAlone() async throws {
        try await onLoop {
            let balancer = try ScriptedBalancer("rival") { command in
                guard case .share = command else { return measuring(command) }
                return [.failure(Failure(.refused, "the shares of pool web are rollout-1's"))]
            }
            let verdict = try await (try orchestrator(balancer)).run()
            #expect(verdict.cause?.short.contains("the shares of pool web are rollout-1's") == true, "\(verdict)")
            #expect(orders(balancer).allSatisfy { $0 == "status" }, "\(orders(balancer))")
            try balancer.close()
        }
    }

    /// The clients that the second drain sends away would else go by the shares of a second ago: back to one that is next.
    @Test func sharesAreSetBeforeTheNextDrain() async throws {
        try await onLoop {
            let balancer = try ScriptedBalancer("shares", answer: measuring)
            // In one wave: between two of them the watch reads anyway.
            var policy = Policy()
            (policy.batch, policy.unavailableMax) = (2, 1)
            let verdict = try await (try orchestrator([balancer], policy: policy)).run()
            #expect(verdict.cause == nil)
            let commands = balancer.commands
            let back = try #require(commands.firstIndex { verb($0) == "undrain" })
            let drain = try #require(commands[back...].firstIndex { verb($0) == "drain" })
            let shares = commands[back..<drain].compactMap { command -> [ShareOrder.Share]? in
                guard case .share(let order) = command else { return nil }
                return order.shares
            }
            let wanted = [ShareOrder.Share(try BackendReference("web/web-1"), percent: 100), ShareOrder.Share(try BackendReference("web/web-2"), percent: 0)]
            #expect(shares.contains(wanted), "\(commands[back...drain].map(verb)): \(shares)")
            try balancer.close()
        }
    }

    /// A status without the time left, or a terminal that never hears of it.
    @Test func theTimeLeftIsToldToTheTerminalAndToWhoeverAsks() async throws {
        try await onLoop {
            let balancer = try ScriptedBalancer("time left", answer: measuring)
            let told = Inbox<Prediction.Span>()
            let orchestrator = try orchestrator([balancer], restart: ["sleep", "600"]) { progress in
                if case .timeLeft(let span) = progress.news { told.put(span) }
            }
            let run = startThrowing { try await orchestrator.run() }
            let span = await told.next()
            #expect(span.median > .zero && span.ninetieth >= span.median)
            while await orchestrator.report().nodes[0].state != "restarting" { await pause(for: .milliseconds(5)) }
            let report = await orchestrator.report()
            #expect((report.timeLeft ?? 0) > 0 && (report.timeLeftAtMost ?? 0) >= (report.timeLeft ?? 0))
            #expect(report.lines.contains { $0.hasPrefix("  time left: ") && $0.hasSuffix(" (P90)") }, "\(report.lines)")
            orchestrator.requestStop()
            orchestrator.requestStop()
            #expect(try await run.value.cause != nil)
            #expect(await orchestrator.report().timeLeft == nil)
            try balancer.close()
        }
    }

    /// Fault: whoever was answered 'paused' could find it going on after a kill in that moment.
    @Test func anOrderIsAnsweredWhenItIsOnTheDisk() async throws {
        try await onLoop {
            let balancer = try ScriptedBalancer("answered", answer: well)
            let orchestrator = try orchestrator([balancer], way: .pause("restart it"))
            let run = startThrowing { try await orchestrator.run() }
            while orchestrator.byHand.isEmpty { await pause(for: .milliseconds(5)) }
            let journal = orchestrator.folder.journal
            let isWritten = { (name: String) throws in String(decoding: try Files.read(journal, bytesMax: 1 << 20), as: UTF8.self).contains(name) }
            var written: [Bool] = []
            _ = try await orchestrator.pause()
            written.append(try isWritten("\"pauseRequested\""))
            _ = try await orchestrator.goOn()
            written.append(try isWritten("\"continueRequested\""))
            let done = try await orchestrator.done()
            written.append(try isWritten("\"result\":\"restarted\""))
            _ = try await orchestrator.abort()
            written.append(try isWritten("\"abortRequested\""))
            #expect(written == [true, true, true, true])
            #expect(done == "web/web-1: taken as done")
            _ = try await run.value
            // Its process may live on for a moment: nobody is left waiting for an answer.
            await #expect(throws: Failure.self) { try await orchestrator.pause() }
            try balancer.close()
        }
    }

    /// Fault: neither a second abort nor any time ended the wait for a person.
    @Test(arguments: [nil, Duration.milliseconds(50)])
    func aPersonIsNotWaitedForWithoutEnd(limit: Duration?) async throws {
        try await onLoop {
            let balancer = try ScriptedBalancer(limit == nil ? "person" : "late person", answer: well)
            var told: [String] = []
            let orchestrator = try orchestrator([balancer], way: .pause("restart it"), byHand: limit) { told.append($0.text) }
            let run = startThrowing { try await orchestrator.run() }
            if limit == nil {
                while orchestrator.byHand.isEmpty { await pause(for: .milliseconds(5)) }
                #expect(try await orchestrator.abort().contains("a second abort leaves it drained"))
                #expect(try await orchestrator.abort().contains("is not waited for any more"))
            }
            let verdict = try await run.value
            #expect(verdict.nodes[0].fate == .held)
            #expect(orders(balancer) == ["status", "drain", "status", "renew", "hold"])
            let hint = "when that is done, type: lbctl rollout done \(orchestrator.folder.words)"
            #expect(told.contains { $0.contains(hint) }, "\(told)")
            try balancer.close()
        }
    }

    /// Here and on resume the same: nobody knows, so the node is held and nothing is given again.
    @Test func aRunnerKilledUnderItsOrchestratorIsUnknown() async throws {
        try await onLoop {
            let balancer = try ScriptedBalancer("runner killed", answer: well)
            let orchestrator = try orchestrator(balancer, restart: ["sleep", "600"])
            let run = startThrowing { try await orchestrator.run() }
            let step = RunnerFolder(path: orchestrator.folder.step(1, .forward))
            while !Files.exists(step.process) { await pause(for: .milliseconds(5)) }
            let runner = try #require(try ProcessLock.holder(of: step.lock))
            kill(runner, SIGKILL)
            let verdict = try await run.value
            let command = try #require(Int32(String(decoding: try Files.read(step.process, bytesMax: 20), as: UTF8.self).dropLast()))
            kill(command, SIGKILL)
            guard case .restartUnknown(_, let reason, _) = verdict.cause else { return #expect(Bool(false), "\(verdict)") }
            #expect(reason.contains("its process was \(command)"))
            #expect(verdict.nodes[0].fate == .held)
            #expect(orders(balancer) == ["status", "drain", "status", "renew", "hold"])
            try balancer.close()
        }
    }

    @Test func anOrderIsRepeatedWhileTheBalancerIsAway() async throws {
        try await onLoop {
            let tries = Tries()
            let balancer = try ScriptedBalancer("away") { command in
                guard case .undrain = command, tries.first() else { return well(command) }
                return []  // closed without an answer, as by a balancer that is being replaced
            }
            let verdict = try await (try orchestrator(balancer)).run()
            #expect(verdict.cause == nil)
            #expect(orders(balancer).count { $0 == "undrain" } == 3)
            try balancer.close()
        }
    }
}

@ControlPlane private final class Tries {
    private var count = 0
    func first() -> Bool {
        count += 1
        return count == 1
    }
}

@Suite struct LeaseRenewalTests {
    @Test func renewsUntilStoppedAndNeverAfter() async throws {
        try await onLoop {
            let renewed = Inbox<Bool>()
            let renewal = LeaseRenewal(interval: .milliseconds(5)) { renewed.put(true) }
            for _ in 0..<3 { _ = await renewed.next() }
            await renewal.stop()
        }
    }

    @Test func stoppingWaitsForTheRenewalThatIsOnItsWay() async throws {
        try await onLoop {
            let began = Inbox<Bool>()
            let ended = Tries()
            let renewal = LeaseRenewal(interval: .milliseconds(1)) {
                began.put(true)
                // Not cut short: a pause that was cancelled would end at once.
                #expect(await pause(for: .milliseconds(50)))
                _ = ended.first()
            }
            _ = await began.next()
            await renewal.stop()
            let wasFirst = ended.first()
            #expect(!wasFirst)
        }
    }
}
