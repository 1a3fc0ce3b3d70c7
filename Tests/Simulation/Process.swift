// The process that carries a rollout out in the world: it journals, gives orders, and may be killed at every line.
import ControlProtocol
import Model
import Rollout

/// A restart in a runner of its own: it outlives the process that ordered it.
struct Runner {
    let ends: Int64
    let end: RolloutMachine.RestartEnd?
}

struct Process {
    typealias Input = RolloutMachine.Input
    typealias Action = RolloutMachine.Action

    struct Pending {
        let at: Int64
        let number: Int
        let input: Input
    }

    static let owner = "rollout-7"

    var world: World
    let order: RolloutOrder
    var machine: RolloutMachine
    var journal: [JournalRecord] = []
    /// With their chain; costs as much as all the rest.
    let writesText: Bool
    var values: [String] = []
    var pending: [Pending] = []
    var number = 0
    /// Drains that wait: until when.
    var waits: [Int: Int64] = [:]
    var renewing: Set<Int> = []
    var runners: [String: Runner] = [:]
    /// Somebody undrained it since it was drained: what happens then is his.
    var disturbed: Set<Int> = []
    var probed: [Int: Int] = [:]
    /// What the journal's clock says beyond the world's.
    var ahead: Int64 = 0
    var killAt: Int?
    var isKilled = false
    var kills = 0
    var verdict: Verdict?
    var mostOut = 0

    init(_ world: World, _ order: RolloutOrder, writesText: Bool, killAt: Int? = nil) {
        self.world = world
        self.order = order
        self.writesText = writesText
        self.killAt = killAt
        machine = RolloutMachine(order)
    }

    mutating func run() throws {
        append(.begun(JournalBegin(order, version: "0")))
        if isKilled { try resume() } else { post(.begin, after: 0) }
        for _ in 0..<20_000 {
            if verdict != nil { return try checkEnd() }
            if isKilled { try resume() } else { try step() }
        }
        throw Broken("never ends: \(tail)")
    }

    private mutating func step() throws {
        guard let next = pending.min(by: { ($0.at, $0.number) < ($1.at, $1.number) }) else {
            guard !waits.isEmpty else { throw Broken("waits for what nobody will say: \(tail)") }
            return passWaiting(to: min(waits.values.min() ?? 0, nextEnd()))
        }
        let time = min(next.at, waits.isEmpty ? next.at : min(waits.values.min() ?? next.at, nextEnd()))
        passWaiting(to: max(time, world.now))
        guard next.at <= world.now, pending.contains(where: { $0.number == next.number }) else { return }
        pending.removeAll { $0.number == next.number }
        try take(next.input)
    }

    /// For a message: what happened last.
    var tail: String {
        journal.suffix(40).map { record in
            switch record.content {
            case .input(let event): "\n  < \(event.name) \(event.backend ?? "") \(event.result ?? "") \(event.reason ?? "")"
            case .action(let event): "\n  > \(event.name) \(event.backend ?? "")"
            case .begun, .seen, .ended: "\n  \(record.content)"
            }
        }.joined()
    }

    private func nextEnd() -> Int64 { world.clients.lazy.map(\.ends).min() ?? .max }

    private mutating func passWaiting(to time: Int64) {
        world.pass(to: time)
        for (backend, deadline) in waits.sorted(by: { $0.key < $1.key }) {
            if world.isEmpty(backend) {
                waits[backend] = nil
                post(.drainEnded(world.names[backend], .drained), after: 1)
            } else if deadline <= world.now {
                waits[backend] = nil
                post(.drainEnded(world.names[backend], .deadlinePassed), after: 1)
            }
        }
    }

    mutating func post(_ input: Input, after: Int64) {
        number += 1
        pending.append(Pending(at: world.now + after, number: number, input: input))
    }

    mutating func delay() -> Int64 { Int64(1 + world.random.below(20)) }

    /// Journals, and obeys: what is not on disk is not done.
    mutating func take(_ input: Input) throws {
        let now = MonotonicTime(nanoseconds: (world.now + ahead) * 1_000_000)
        disturb()
        append(.input(JournalEvent(input)))
        guard !isKilled else { return }
        let actions = machine.handle(input, now: now)
        for action in actions {
            guard let event = JournalEvent(action) else { continue }
            append(.action(event))
            guard !isKilled else { break }
        }
        // What was written before the kill may have been carried out or not.
        let carriedOut = isKilled ? Array(actions.prefix(world.random.below(actions.count + 1))) : actions
        for action in carriedOut where !isKilled || recorded(action) { try obey(action) }
        if isKilled { die() }
    }

    private func recorded(_ action: Action) -> Bool {
        guard let event = JournalEvent(action) else { return false }
        return journal.suffix(12).contains { $0.content == .action(event) }
    }

    mutating func append(_ content: JournalRecord.Content) {
        let chain = values.last ?? JournalChain.first
        let record = JournalRecord(
            sequence: journal.count, at: Timestamp(milliseconds: 1_795_249_984_120 + world.now),
            elapsed: .milliseconds(world.now + ahead), chain: chain, content: content)
        journal.append(record)
        if writesText { values.append(JournalChain.value(of: Array(JSONText.line(record).utf8))) } else { values.append("\(journal.count)") }
        if let killAt, journal.count >= killAt {
            self.killAt = nil
            isKilled = true
        } else if world.random.percent(world.faults.killed), kills < 5, verdict == nil {
            isKilled = true
        }
    }

    var lines: [JournalLine] { zip(journal, values).map { JournalLine(record: $0, value: $1) } }
}

// Killed, and begun again.
extension Process {
    private mutating func die() {
        pending = []
        waits = [:]
        for backend in renewing {
            for balancer in world.balancers where world.holds[balancer][backend]?.owner == Process.owner {
                world.holds[balancer][backend]?.until = world.now + 20_000 + Int64(world.random.below(10_000))
            }
        }
        renewing = []
    }

    private mutating func resume() throws {
        die()
        isKilled = false
        kills += 1
        world.pass(to: world.now + Int64([10, 1000, 25_000, 120_000][world.random.below(4)]))
        // A calendar that was set says nothing about how long it was.
        ahead += world.random.percent(20) ? Int64(world.random.below(3_600_000)) : 0
        guard case .begun(let begin) = journal.first?.content else { throw Broken("the journal has no beginning") }
        machine = RolloutMachine(try begin.order())
        var last: [Action] = []
        for record in journal {
            if case .input(let event) = record.content { last = machine.handle(try event.input(), now: record.now) }
        }
        for case .end(let verdict) in last { return end(verdict) }
        probed = [:]
        try take(.resumed)
    }

    mutating func end(_ verdict: Verdict) {
        guard self.verdict == nil else { return }
        self.verdict = verdict
        if case .ended = journal.last?.content { return }
        append(.ended(JournalEnd(verdict)))
        isKilled = false
    }

    /// Signals, and people with their own ideas.
    private mutating func disturb() {
        if world.random.percent(world.faults.signal) {
            let inputs: [Input] = [.stopRequested, .abortRequested, .pauseRequested, .judgedBad(reason: "fault")]
            let input = inputs[world.random.below(inputs.count)]
            post(input, after: delay())
            if input == .pauseRequested { post(.continueRequested, after: 5000) }
        }
        guard world.random.percent(world.faults.operatorUndrains), let backend = renewing.sorted().first else { return }
        disturbed.insert(backend)
        for balancer in world.balancers { world.holds[balancer][backend] = nil }
        if waits.removeValue(forKey: backend) != nil {
            post(.drainEnded(world.names[backend], .failed(reason: "ann ended the drain")), after: 1 + Int64(world.random.below(5)))
        }
        post(.drainLost(world.names[backend], reason: "undrained by ann"), after: Int64(world.random.below(10_000)))
    }
}
