// Thousands of rollouts with faults, by seed, against the promises. `SEED=123 swift test --filter Simulation` replays one.
import Model
import Rollout
import SystemCalls
import Testing

/// A pool that obeys the machine's orders, with faults, and holds it to its promises.
private struct World {
    enum Node { case inRotation, draining, drained, confirmed, restarting, restarted, proven, theirs }

    var random: SplitMix64
    var machine: StepMachine
    var nodes: [Node]
    /// Do not answer any more, until they are restarted.
    var dead: Set<Int> = []
    let plan: Plan
    /// How likely a thing goes wrong, in percent; differs from run to run.
    let faults: UInt64
    var now = MonotonicTime(nanoseconds: 0)
    var pending: [StepMachine.Input] = [.begin]
    var drainRefused = false
    var verdict: Verdict?

    init(seed: UInt64) throws {
        random = SplitMix64(state: seed)
        let count = Int.random(in: 2...6, using: &random)
        faults = [0, 2, 10, 30].randomElement(using: &random)!
        plan = try RolloutTests.plan(healthyPool(count))
        machine = StepMachine(plan: plan, limits: limits)
        nodes = Array(repeating: .inRotation, count: count)
    }

    mutating func fault() -> Bool { UInt64.random(in: 0..<100, using: &random) < faults }

    func index(_ backend: BackendReference) -> Int { plan.steps.firstIndex { $0.backend == backend }! }

    mutating func run() throws {
        for _ in 0..<400 {
            if fault() { pending.insert(.stopRequested, at: Int.random(in: 0...pending.count, using: &random)) }
            if fault(), let lost = nodes.firstIndex(where: { [.draining, .drained, .confirmed, .restarting].contains($0) }) {
                nodes[lost] = .theirs
                pending.append(.drainLost(reason: "fault"))
            }
            guard !pending.isEmpty else { throw Broken("waits for what nobody will say") }
            let input = pending.removeFirst()
            if case .stopRequested = input, pending == [.begin] { continue }
            now = now.advanced(by: .milliseconds(Int64.random(in: 1...5000, using: &random)))
            for action in machine.handle(input, now: now) { try obey(action) }
            guard nodes.count(where: { $0 != .inRotation }) <= 1 else { throw Broken("two are out") }
            if verdict != nil, pending.isEmpty { return }
        }
        throw Broken("never ends")
    }

    mutating func obey(_ action: StepMachine.Action) throws {
        guard verdict == nil else { throw Broken("goes on after its end") }
        switch action {
        case .look: look()
        case .drain(let backend, _): drain(index(backend))
        case .confirm(let backend): try confirm(index(backend))
        case .restart(let step, _): try restart(index(step.backend))
        case .probe(let backend, _): try probe(index(backend))
        case .undrain(let backend): try undrain(index(backend))
        case .hold:
            if nodes.contains(.theirs) { return pending.append(.held(.lost(reason: "fault"))) }
            // Whatever was being waited for is given up, but its answer may still come.
            pending.append(fault() ? .held(.failed(reason: "fault")) : .held(.done))
        case .abandonRestart:
            pending.removeAll { if case .restartEnded = $0 { true } else { false } }
            pending.append(.restartEnded(.failed(reason: "interrupted", output: "")))
        case .tell: break
        case .end(let verdict): try check(verdict)
        }
    }

    mutating func look() {
        if fault() { return pending.append(.looked(.failed(reason: "fault"))) }
        if fault() { dead.insert(Int.random(in: nodes.indices, using: &random)) }
        let seen = nodes.indices.map { node in
            nodes[node] == .inRotation ? backend(node + 1, dead.contains(node) ? .down : .available)
                : backend(node + 1, .drained, wish: .drain, owner: "us")
        }
        pending.append(.looked(.pool(pool(seen))))
    }

    mutating func drain(_ node: Int) {
        drainRefused = fault()
        if drainRefused { return pending.append(.drainEnded(.refused(reason: "fault"))) }
        nodes[node] = .draining
        if fault() { return pending.append(.drainEnded(.failed(reason: "fault"))) }
        if fault() { return pending.append(.drainEnded(.deadlinePassed)) }
        nodes[node] = .drained
        pending.append(.drainEnded(.drained))
    }

    mutating func confirm(_ node: Int) throws {
        if nodes[node] == .theirs { return pending.append(.confirmed(.lost(reason: "fault"))) }
        guard nodes[node] == .drained || nodes[node] == .confirmed else { throw Broken("confirmed while \(nodes[node])") }
        if fault() { return pending.append(.confirmed(.failed(reason: "fault"))) }
        // Read late, by one that was stopped: the machine must not believe it.
        if fault() { now = now.advanced(by: .seconds(40)) } else { nodes[node] = .confirmed }
        pending.append(.confirmed(.drained))
    }

    mutating func restart(_ node: Int) throws {
        guard nodes[node] == .confirmed || nodes[node] == .theirs else { throw Broken("restarted without a fresh confirmation") }
        guard dead.subtracting([node]).isEmpty else { throw Broken("restarted while another is dead") }
        if nodes[node] == .theirs { return pending.append(.restartEnded(.restarted)) }
        dead.remove(node)
        nodes[node] = .restarting
        if fault() { return pending.append(.restartEnded(.failed(reason: "fault", output: "x"))) }
        pending.append(.restartEnded(.restarted))
    }

    mutating func probe(_ node: Int) throws {
        if nodes[node] == .theirs { return pending.append(.probed(.up)) }
        guard nodes[node] == .restarting else { throw Broken("probed before it was restarted") }
        nodes[node] = .restarted
        if fault() { return pending.append(.probed(.failed(reason: "fault"))) }
        nodes[node] = .proven
        pending.append(.probed(.up))
    }

    mutating func undrain(_ node: Int) throws {
        // A stop may overtake the answer that the drain was refused; there is nothing to undo then.
        if drainRefused { return pending.append(.undrained(.done)) }
        if nodes[node] == .theirs { return pending.append(.undrained(.lost(reason: "fault"))) }
        guard [.draining, .drained, .confirmed, .proven].contains(nodes[node]) else { throw Broken("undrained while \(nodes[node])") }
        if fault() { return pending.append(.undrained(.failed(reason: "fault"))) }
        nodes[node] = .inRotation
        pending.append(.undrained(.done))
    }

    mutating func check(_ verdict: Verdict) throws {
        self.verdict = verdict
        for (node, report) in zip(nodes, verdict.nodes) {
            let out: Bool
            switch report.fate {
            case .untouched, .restarted, .undone, .outAgain: out = false
            case .held, .leased, .unclear, .drainLost: out = true
            }
            guard out == (node != .inRotation) else { throw Broken("\(report.backend) is \(node), said to be \(report.fate)") }
        }
        guard verdict.cause == nil || !verdict.explanation(wording).isEmpty else { throw Broken("ends without a word") }
        guard verdict.cause != nil || verdict.restarted == plan.steps.count else { throw Broken("done, but not all") }
    }
}

private struct Broken: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

@Suite struct SimulationTests {
    @Test func everyRolloutKeepsItsPromises() {
        let seeds: ClosedRange<UInt64>
        if let seed = Environment.value("SEED").flatMap({ UInt64($0) }) { seeds = seed...seed } else { seeds = 1...20_000 }
        var done = 0
        for seed in seeds {
            do {
                var world = try World(seed: seed)
                try world.run()
                if world.verdict?.cause == nil { done += 1 }
            } catch {
                Issue.record("SEED=\(seed): \(error)")
                return
            }
        }
        // A simulation in which nothing ever succeeds, or never fails, would prove nothing.
        #expect(seeds.count == 1 || (done > seeds.count / 10 && done < seeds.count))
    }
}
