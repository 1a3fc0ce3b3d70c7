// Carries out what the machine says: each input and what follows from it is journalled, then obeyed; answers come back in.
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Rollout
import SystemCalls

@ControlPlane package final class Orchestrator {
    package static let lease = Lease.length

    enum Post: Sendable {
        case input(RolloutMachine.Input)
        case seen(JournalSight)
    }

    package let order: RolloutOrder
    let fleet: BalancerFleet
    let recorder: JournalRecorder
    /// Where restarts run.
    package let folder: RolloutFolder
    /// What becomes a runner.
    let runner: [String]
    /// What is predicted by, besides this rollout's own.
    let earlier: EarlierTimes
    private let progress: @ControlPlane (Progress) -> Void
    private let inbox = Inbox<Post>()
    private(set) var machine: RolloutMachine
    /// How it ended, as the journal says already.
    private var endedBefore: Verdict?
    private let isResumed: Bool
    private var drains: [BackendReference: DrainInHand] = [:]
    /// What is being waited for, by backend; nil: by the whole rollout.
    private var work: [BackendReference?: Task<Void, Never>] = [:]
    private(set) lazy var observer = RolloutObserver(fleet, order) { [self] reason in put(.judgedBad(reason: reason)) }
    private var forecasts: Task<Void, Never>?
    /// How long it will still take, as said last, and when.
    var predicted: (p50: Duration, p90: Duration, at: Timestamp)?
    private lazy var news = RolloutNews(fleet) { [unowned self] in notice }
    /// As of so many records.
    private var history: (records: Int, history: RolloutHistory)?
    /// When the watch that goes on did.
    private(set) var watchBegan: MonotonicTime?
    /// Restarts that a person does.
    private(set) var byHand: [BackendReference: Inbox<RolloutMachine.RestartEnd>] = [:]
    /// Who is to be answered when the journal has the order.
    private var awaiting: [Awaited] = []
    /// Nothing more is taken.
    private var isOver = false

    private struct Awaited {
        let matches: @Sendable (RolloutMachine.Input) -> Bool
        let written: Inbox<Bool>
    }

    /// A rollout that begins.
    package init(
        _ order: RolloutOrder, journal: Journal, runner: [String] = StepCommand.ownProgram, earlier: EarlierTimes = EarlierTimes(),
        progress: @escaping @ControlPlane (Progress) -> Void
    ) {
        self.runner = runner
        self.order = order
        fleet = BalancerFleet(balancers: order.balancers.map(Balancer.init(control:)))
        recorder = JournalRecorder(journal)
        folder = journal.folder
        machine = RolloutMachine(order)
        isResumed = false
        self.earlier = earlier
        self.progress = progress
    }

    /// One that an earlier process began: the machine becomes what the journal made of it.
    package init(
        resuming lines: [JournalLine], journal: Journal, runner: [String] = StepCommand.ownProgram,
        progress: @escaping @ControlPlane (Progress) -> Void
    ) throws(Failure) {
        self.runner = runner
        let damage = JournalVerifier.verify(lines).breaches.first
        if let damage { throw Failure(.refused, "its journal is damaged, so nothing is done by it: \(damage); see \(journal.folder.journal)") }
        do throws(JournalError) {
            guard case .begun(let begin) = lines.first?.record.content else { throw JournalError("it does not begin") }
            order = try begin.order()
            var machine = RolloutMachine(order)
            for line in lines {
                guard case .input(let event) = line.record.content else { continue }
                for case .end(let verdict) in machine.handle(try event.input(), now: line.record.now) { endedBefore = verdict }
            }
            self.machine = machine
        } catch { throw Failure(.failed, "its journal cannot be read: \(error)") }
        fleet = BalancerFleet(balancers: order.balancers.map(Balancer.init(control:)))
        recorder = JournalRecorder(journal, after: lines)
        folder = journal.folder
        isResumed = true
        earlier = EarlierTimes(of: order.plan.pool, in: journal.folder.store)
        self.progress = progress
    }

    /// Unique enough among the rollouts that a balancer may see within a lease.
    package static func newOwner() -> String {
        let time = Clocks.calendar().rfc3339.filter { $0.isASCII && ($0.isNumber || $0 == "T") }.prefix(15)
        return "\(ownerPrefix)\(time)-\(Processes.own)"
    }

    package nonisolated static let ownerPrefix = "rollout-"

    /// To its end. Throws where the journal can no longer be written: then nothing more is done, and leases end.
    package func run() async throws(SystemError) -> Verdict {
        defer { giveUpOrders() }
        if let endedBefore {
            try await recorder.append([.ended(JournalEnd(endedBefore))], at: recorder.elapsed)
            return endedBefore
        }
        if !isResumed { try await recorder.append([.begun(JournalBegin(order, version: sluiceVersion))], at: recorder.elapsed) }
        for backend in machine.restarted { observer.note(back: backend, isNew: true) }
        if isResumed, machine.isJudgingSwitch { await observer.recall(serving: machine.serving) }
        observer.begin()
        news.begin()
        put(isResumed ? .resumed : .begin)
        forecasts = start { [self] in await tellTimeLeft() }
        do throws(SystemError) {
            let verdict = try await handleAll()
            await leave()
            return verdict
        } catch {
            await leave()
            throw error
        }
    }

    private func handleAll() async throws(SystemError) -> Verdict {
        while true {
            switch await inbox.next() {
            case .seen(let sight): if isTimely(sight) { try await recorder.append([.seen(sight)], at: recorder.elapsed) }
            case .input(let input): if let verdict = try await take(input) { return verdict }
            }
        }
    }

    /// A count that was asked for while it drained, and is told when that is over, would be of clients that have long left.
    private func isTimely(_ sight: JournalSight) -> Bool {
        sight.text != nil || machine.draining.contains { $0.description == sight.backend }
    }

    /// What is not on the disk is not done.
    private func take(_ input: RolloutMachine.Input) async throws(SystemError) -> Verdict? {
        let elapsed = recorder.elapsed
        let actions = machine.handle(input, now: MonotonicTime(nanoseconds: elapsed.wholeNanoseconds))
        var verdict: Verdict?
        for case .end(let end) in actions { verdict = end }
        let ordered = actions.compactMap { JournalEvent($0).map(JournalRecord.Content.action) }
        let end = verdict.map { [JournalRecord.Content.ended(JournalEnd($0))] } ?? []
        try await recorder.append([.input(JournalEvent(input))] + ordered + end, at: elapsed)
        answer(input)
        for action in actions {
            observe(action)
            carryOut(action)
        }
        observer.note(next: machine.next.map { [$0] } ?? [])
        return verdict
    }

    /// By the rollout's clock, as the machine knows it.
    var now: MonotonicTime { MonotonicTime(nanoseconds: recorder.elapsed.wholeNanoseconds) }

    package func put(_ input: RolloutMachine.Input) { inbox.put(.input(input)) }
    func note(_ sight: JournalSight) { inbox.put(.seen(sight)) }

    /// Once: finish or undo what is in hand. Twice: leave it as it is.
    package func requestStop() { put(.stopRequested) }

    /// Which backend was waited for that a person restarts; nil: none.
    func doneByHand() -> BackendReference? {
        guard let (backend, waiting) = byHand.min(by: { $0.key < $1.key }) else { return nil }
        byHand[backend] = nil
        waiting.put(.restarted)
        return backend
    }

    private func leave() async {
        for task in work.values { task.cancel() }
        forecasts?.cancel()
        for drain in drains.values { await drain.stopRenewals() }
        await observer.end()
        await news.end()
    }

    /// Nil: it has not begun.
    private var notice: RolloutNotice? {
        let records = recorder.records
        if history?.records != records.count { history = RolloutHistory(records).map { (records.count, $0) } }
        guard let history = history?.history else { return nil }
        return RolloutNotice(history, id: folder.id, state: RolloutReport.state(history, Processes.own), left: history.end == nil ? predicted : nil)
    }

    private func observe(_ action: RolloutMachine.Action) {
        switch action {
        case .drain(let backend, _):
            observer.note(out: backend)
        case .tell(let backend?, .back): observer.note(back: backend, isNew: machine.restarted.contains(backend))
        case .tell(_, .switched(let pool)): observer.note(serving: pool)
        case .tell(let backend?, .undone): observer.note(back: backend, isNew: false)
        case .tell, .look, .version, .confirm, .retake, .findRestart, .restart, .probe, .undrain, .warm, .hold, .abandonRestart, .watch,
            .proveStandby, .switchTraffic, .end:
            return
        }
    }
}

// The orders: each in a task of its own, whose answer is an input.
extension Orchestrator {
    private func carryOut(_ action: RolloutMachine.Action) {
        switch action {
        case .look(let look, let without, let after): begin(nil) { .looked(look, await self.look(look, without: without, after: after)) }
        case .version(let backend): begin(backend) { .versioned(backend, await self.version(of: backend)) }
        case .drain(let backend, let deadline):
            let drain = newDrain(backend)
            begin(backend) { .drainEnded(backend, await drain.drain(deadline: deadline)) }
        case .confirm(let backend):
            let drain = drain(backend)
            begin(backend) { .confirmed(backend, await drain.confirm()) }
        case .retake(let backend):
            let drain = drain(backend)
            drain.restartBegan = true
            begin(backend) { .retaken(backend, await drain.retake()) }
        case .findRestart(let backend, let direction): begin(backend) { .restartFound(backend, await self.find(backend, direction)) }
        case .restart(let backend, let direction, let timeout):
            drain(backend).restartBegan = true
            begin(backend) { .restartEnded(backend, await self.restart(backend, direction, timeout)) }
        case .probe(let backend, let timeout): begin(backend) { .probed(backend, await self.probe([backend], timeout: timeout)) }
        case .undrain(let backend): undrain(backend)
        case .warm(let backend): begin(backend) { .warmed(backend, await self.warm(backend)) }
        case .hold(let backend, let reason):
            let drain = drain(backend)
            work[backend]?.cancel()
            begin(backend) { .held(backend, await drain.hold(reason: reason)) }
        case .abandonRestart(let backend): work[backend]?.cancel()
        case .watch(let backends, let duration):
            watchBegan = now
            begin(nil) { .watched(await self.watch(backends, for: duration)) }
        case .proveStandby(let timeout): begin(nil) { .standbyProved(await self.proveStandby(timeout: timeout)) }
        case .switchTraffic(let pool): begin(nil) { .switched(await self.switchTraffic(to: pool)) }
        case .tell(let backend, let milestone): tell(backend, .milestone(milestone))
        case .end: return
        }
    }

    private func begin(_ backend: BackendReference?, _ operation: @escaping @ControlPlane @Sendable () async -> RolloutMachine.Input) {
        work[backend] = start { self.put(await operation()) }
    }

    /// The wait that this takes the place of ends by it.
    private func undrain(_ backend: BackendReference) {
        let drain = drain(backend)
        let given = work[backend]
        begin(backend) {
            defer { given?.cancel() }
            return .undrained(backend, await drain.undrain())
        }
    }

    private func drain(_ backend: BackendReference) -> DrainInHand { drains[backend] ?? newDrain(backend) }

    private func newDrain(_ backend: BackendReference) -> DrainInHand {
        let before = drains[backend]
        start { await before?.stopRenewals() }
        let drain = DrainInHand(
            backend, at: fleet, owner: order.owner, reason: "rolling restart of pool \(order.plan.pool)", atDeadline: order.limits.atDeadline,
            restartLimit: order.limits.restart
        ) { [self] news in
            switch news {
            case .lost(let reason): put(.drainLost(backend, reason: reason))
            case .note(let text): tell(backend, .note(text))
            case .took(let count):
                let text = "\(counted(count, "connection")) although it is drained"
                tell(backend, .note(text))
                note(JournalSight(backend: backend.description, connections: count, text: text))
            case .connections(let count, let waited):
                tell(backend, .connections(count, waited: waited))
                note(JournalSight(backend: backend.description, connections: count))
            }
        }
        drains[backend] = drain
        return drain
    }

    func tell(_ backend: BackendReference?, _ news: Progress.News) {
        progress(Progress(backend: backend, step: backend.map(number) ?? 0, steps: order.plan.steps.count, news: news))
    }

    /// Of its step, from 1.
    func number(_ backend: BackendReference) -> Int {
        guard let index = order.plan.steps.firstIndex(where: { $0.backend == backend }) else { preconditionFailure("\(backend) is not in the plan") }
        return index + 1
    }

    func step(_ backend: BackendReference) -> Plan.Step { order.plan.steps[number(backend) - 1] }

    /// `limit`: nil where a person may take as long as they like.
    func waitForHand(_ backend: BackendReference, _ task: String, within limit: Duration?) async -> RolloutMachine.RestartEnd {
        let inbox = Inbox<RolloutMachine.RestartEnd>()
        byHand[backend] = inbox
        tell(backend, .note("waits for a person: \(task); when that is done, type: lbctl rollout done \(folder.words)"))
        let timer = limit.map { limit in
            start {
                guard await EventLoop.pause(for: limit) else { return }
                inbox.put(.unknown(reason: "nobody has said within \(limit.spoken) that it is done", output: ""))
            }
        }
        defer {
            timer?.cancel()
            byHand[backend] = nil
        }
        return await withTaskCancellationHandler {
            await inbox.next()
        } onCancel: {
            Loop.shared.perform { inbox.put(.failed(reason: "interrupted", output: "")) }
        }
    }
}

// Orders of another terminal: answered when they are on the disk, as a kill must not lose what was answered.
extension Orchestrator {
    /// `order` makes an input that `matches`, at once or a moment later. Throws where the journal does not get it any more.
    func written<Answer>(
        _ matches: @escaping @Sendable (RolloutMachine.Input) -> Bool, after order: () throws(Failure) -> Answer
    ) async throws(Failure) -> Answer {
        let answer = try order()
        let written = Inbox<Bool>()
        if isOver { written.put(false) } else { awaiting.append(Awaited(matches: matches, written: written)) }
        guard await written.next() else {
            throw Failure(.failed, "the rollout ended before the order was in its journal; how it ended: lbctl rollout status \(folder.words)")
        }
        return answer
    }

    private func answer(_ input: RolloutMachine.Input) {
        for one in awaiting where one.matches(input) { one.written.put(true) }
        awaiting.removeAll { $0.matches(input) }
    }

    private func giveUpOrders() {
        isOver = true
        for one in awaiting { one.written.put(false) }
        awaiting = []
    }
}
