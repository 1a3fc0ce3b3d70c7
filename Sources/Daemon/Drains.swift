// Drains as operators know them: owned, leased, given a deadline, waited for.
import ControlProtocol
import EventLoop
import Model
import SystemCalls

@ControlPlane final class Drains {
    private let table: PoolTable
    private let saved: SavedWishes
    /// The running lease of a drained backend.
    private var leases: [BackendReference: Task<Void, Never>] = [:]
    /// Who ended the last drain of a backend: for an owner who renews it too late.
    private var endings: [BackendReference: String] = [:]
    private let deadlines: DrainDeadlines
    private let explanations: Explanations

    init(table: PoolTable, saved: SavedWishes, explanations: Explanations, events: EventLog) {
        self.table = table
        self.saved = saved
        self.explanations = explanations
        deadlines = DrainDeadlines(table: table, surveys: explanations.surveys, plane: explanations.plane, events: events)
        saved.failed = { [weak table] in table?.reportFailure("wishes are not on the disk: \($0)") }
    }

    /// Of a backend that is new in the table: the lease and the deadline that its saved wish came with.
    func begin(_ backend: Backend) {
        saved.claim(backend.reference)
        runLease(backend, until: backend.leaseUntil)
        deadlines.run(backend)
    }

    /// It is gone from the table: should its name come again, that is another backend.
    func forget(_ backend: Backend) {
        leases.removeValue(forKey: backend.reference)?.cancel()
        endings[backend.reference] = nil
        deadlines.forget(backend.reference)
        guard backend.wish != .ready || backend.configuration.wish != .ready else { return }
        tellFailure(of: saved.begin([backend], of: table))
    }

    /// Takes the backends out of rotation, all or none. Returns when nobody who comes from then on is sent to them.
    func drain(_ backends: [Backend], _ order: DrainOrder, by user: String) async throws(Failure) {
        let owner = order.owner ?? user
        for backend in backends {
            if order.renews { try checkStands(backend, owner) }
            try checkOwner(of: backend, owner, force: false, verb: "drain")
        }
        for backend in backends {
            // The same owner's drain again updates it: what it does not say stays, but for the lease, which is asked for
            // each time.
            let stands = backend.wish == .drain ? backend.drain : nil
            let (deadline, end) = end(of: backend, order)
            let lease = DrainLease(
                owner: owner, reason: order.reason ?? stands?.reason, since: stands?.since ?? Clocks.calendar(), lease: order.lease,
                deadline: deadline, atDeadline: end)
            table.set(.drain, of: backend, drain: lease, by: by(owner, user), reason: lease.reason)
            runLease(backend)
            deadlines.run(backend)
        }
        table.publishNow()
        let generation = table.generation
        try await save(backends)
        let pools = Set(backends.map(\.reference.pool)).compactMap(table.pool)
        guard await table.holds(generation, in: pools) else { throw Failure(.failed, "interrupted") }
    }

    /// When the drain's deadline is, and what happens then. The same drain once more that does not say so leaves both as
    /// they are; whoever asks again when the deadline of one that is kept has passed waits anew.
    private func end(of backend: Backend, _ order: DrainOrder) -> (deadline: Timestamp, DrainEnd) {
        let pool = table.pool(backend.reference.pool)?.configuration
        let stands = backend.wish == .drain ? backend.drain : nil
        let end = order.atDeadline ?? stands?.atDeadline ?? pool?.drainEnd ?? .keep
        if order.deadline == nil, let deadline = stands?.deadline {
            let isOver = end == .keep && !order.renews && deadline.milliseconds <= Clocks.calendar().milliseconds
            if !isOver { return (deadline, end) }
        }
        let rest = order.deadline ?? pool?.drainDeadline ?? .zero
        // One more: the clock's milliseconds are rounded down.
        return (Timestamp(milliseconds: Clocks.calendar().milliseconds + 1 + rest.wholeMilliseconds), end)
    }

    /// Ends drains (and maintenance), all or none.
    func makeReady(_ backends: [Backend], owner: String?, force: Bool, by user: String, verb: String) async throws(Failure) {
        let name = owner ?? user
        for backend in backends { try checkOwner(of: backend, name, force: force, verb: verb) }
        for backend in backends {
            endings[backend.reference] = "\(verb) by \(by(name, user))"
            table.set(.ready, of: backend, drain: nil, by: by(name, user) + (force ? " (forced)" : ""), reason: nil)
            runLease(backend)
            deadlines.run(backend)
        }
        table.publishNow()
        try await save(backends)
    }

    func maintain(_ backends: [Backend], owner: String?, reason: String?, by user: String) async throws(Failure) {
        let name = owner ?? user
        for backend in backends { try checkOwner(of: backend, name, force: false, verb: "maintain") }
        for backend in backends {
            endings[backend.reference] = "maintain by \(by(name, user))"
            let lease = DrainLease(owner: name, reason: reason, since: Clocks.calendar(), lease: nil)
            table.set(.maintenance, of: backend, drain: lease, by: by(name, user), reason: reason)
            runLease(backend)
            deadlines.run(backend)
        }
        table.publishNow()
        try await save(backends)
    }

    /// Waits until all are drained, telling every change and each second. Where only such are left that are kept beyond
    /// their deadline, that is a failure. `asked`: each with the address that it had when somebody asked.
    func waitUntilEmpty(
        _ asked: [(backend: Backend, address: Endpoint)], since started: MonotonicTime, tell: @ControlPlane (DrainRecord) async throws(Failure) -> Void
    ) async throws(Failure) {
        let clock = LoopClock()
        let forecasts = Forecasts(asked.map(\.backend.reference), table, explanations)
        defer { forecasts.cancel() }
        var told: [BackendReference: DrainRecord] = [:]
        while true {
            // Whoever is woken by something else may see the last connection gone before its news has come: what leaves
            // the configuration then does so first, so that the answer can say it.
            table.settle()
            let seen = table.changes.version
            let backends = try standing(asked)
            let open = backends.filter { !$0.isEmpty }
            let isLast = !open.isEmpty && open.allSatisfy(isGivenUp)
            for backend in backends {
                var record = DrainRecord(backend, waited: started.duration(to: clock.now))
                record.deadlineIn = deadlines.rest(backend.reference).map { Double($0.wholeMilliseconds) / 1000 }
                record.atDeadline = backend.drain?.atDeadline
                record.timeToEmpty = backend.isEmpty ? nil : forecasts[backend.reference]
                // At the deadline once more, so that whoever reads on sees what it ended with.
                guard isLast && !backend.isEmpty || told[backend.reference].map({ $0.differs(from: record) }) ?? true else { continue }
                told[backend.reference] = record
                try await tell(record)
            }
            guard !open.isEmpty else { return }
            guard !isLast else {
                let rest = open.map { "\($0.reference) is held by \($0.holders)" }.joined(separator: ", ")
                throw Failure(.deadlinePassed, "not empty at the deadline: \(rest); still draining")
            }
            let rest = open.compactMap { deadlines.rest($0.reference) }.filter { $0 > .zero }.min() ?? .seconds(1)
            guard await table.changes.next(after: seen, timeout: min(rest, .seconds(1))) != .cancelled else {
                throw Failure(.failed, "interrupted; still draining")
            }
        }
    }

    /// Backends may go while somebody waits, empty ones as asked for, and come back as others of the same name, or at
    /// another address: that would be empty soon, and what was asked for is not.
    private func standing(_ asked: [(backend: Backend, address: Endpoint)]) throws(Failure) -> [Backend] {
        for (backend, address) in asked {
            let reference = backend.reference
            if backend.isGone, backend.wasEmpty { continue }
            guard !backend.isGone else { throw Failure(.failed, "\(reference) was removed while it was drained, and its connections reset") }
            guard backend.wish == .drain else { throw Failure(.failed, "\(reference): the drain was ended before it was empty") }
            guard backend.configuration.address == address else {
                throw Failure(
                    .failed, "\(reference) was moved from \(address) to \(backend.configuration.address) while it was drained; "
                        + "who was connected there is still to be waited for")
            }
        }
        return asked.map(\.backend)
    }

    /// Its deadline has passed, and nobody does anything about the connections that are left.
    private func isGivenUp(_ backend: Backend) -> Bool {
        !backend.isEmpty && deadlines.hasPassed(backend.reference) && backend.drain?.atDeadline == .keep
    }

    // MARK: Owners and leases

    private func checkOwner(of backend: Backend, _ owner: String, force: Bool, verb: String) throws(Failure) {
        guard let drain = backend.drain, drain.owner != owner, !force else { return }
        let reason = drain.reason.map { " (\($0.escapedForOneLine))" } ?? ""
        throw Failure(
            .refused, "\(backend.reference) is in \(backend.wish.rawValue) by \(drain.owner)\(reason) since "
                + "\(drain.since.rfc3339), \(verb) by \(owner) refused; "
                + "only owner=\(RequestLine.quoted(drain.owner)) or force=yes ends it "
                + "(lbctl undrain: --owner \(RequestLine.quoted(drain.owner)) or --force)")
    }

    /// A renewal begins nothing: whoever ended the drain, by hand or by its lease, has had the last word.
    private func checkStands(_ backend: Backend, _ owner: String) throws(Failure) {
        guard backend.wish != .drain || backend.drain?.owner != owner else { return }
        let now = backend.drain.map { "it is in \(backend.wish.rawValue) by \($0.owner)" } ?? "it is in \(backend.wish.rawValue)"
        let ending = endings[backend.reference].map { ", ended: \($0)" } ?? ""
        throw Failure(.refused, "\(backend.reference) has no drain by \(owner) to renew: \(now)\(ending)")
    }

    private func by(_ owner: String, _ user: String) -> String { owner == user ? user : "\(owner) (\(user))" }

    /// What was answered survives a restart of lbd, and of the machine a moment later.
    private func save(_ backends: [Backend]) async throws(Failure) {
        do { try await saved.write(backends, of: table) } catch {
            throw Failure(.failed, "done, but a restart of lbd would forget it: \(error)")
        }
    }

    /// Starts the backend's lease anew, if it has one.
    private func runLease(_ backend: Backend, until saved: Timestamp? = nil) {
        leases[backend.reference]?.cancel()
        leases[backend.reference] = nil
        backend.leaseUntil = nil
        guard let drain = backend.drain, let lease = drain.lease else { return }
        let now = Clocks.calendar().milliseconds
        // Never longer than the lease, whatever became of the calendar meanwhile.
        let left = saved.map { min(lease, max(.zero, .milliseconds($0.milliseconds - now))) } ?? lease
        backend.leaseUntil = Timestamp(milliseconds: now + left.wholeMilliseconds)
        table.announceLease(of: backend)
        leases[backend.reference] = start { [weak self] in
            // A renewal that comes in the same round of the loop as the end of the pause cancels this too late for
            // the pause to say so, and may leave a drain that is equal to the old one.
            guard await pause(for: left), !Task.isCancelled else { return }
            self?.expire(backend, drain, lease)
        }
    }

    private func expire(_ backend: Backend, _ drain: DrainLease, _ lease: Duration) {
        let reason = "the lease of \(drain.owner) was not renewed for \(lease.spoken)"
        leases[backend.reference] = nil
        backend.leaseUntil = nil
        switch table.pool(backend.reference.pool)?.configuration.leaseEnd ?? .undrain {
        case .undrain:
            endings[backend.reference] = reason
            table.set(.ready, of: backend, drain: nil, by: "lbd", reason: reason)
        case .keep:
            let kept = DrainLease(
                owner: drain.owner, reason: drain.reason, since: drain.since, lease: nil, deadline: drain.deadline, atDeadline: drain.atDeadline)
            table.set(.drain, of: backend, drain: kept, by: "lbd", reason: reason + "; it stays out, as lease-end: keep says")
        }
        deadlines.run(backend)
        table.publishNow()
        tellFailure(of: saved.begin([backend], of: table))
    }

    /// Of all backends.
    func saveOrTell() { tellFailure(of: saved.begin(table)) }

    /// Nobody waits for it: a failure goes to the log.
    private func tellFailure(of saving: Task<SystemError?, Never>) {
        start {
            if let failure = await saving.value { self.table.reportFailure("wishes are not saved: \(failure)") }
        }
    }
}

extension DrainRecord {
    @ControlPlane init(_ backend: Backend, waited: Duration) {
        self.init(
            backend: backend.reference.description, availability: backend.availability,
            connections: backend.holders, waited: Double(waited.wholeMilliseconds) / 1000)
        removed = backend.isGone ? true : nil
    }

    /// News for somebody who waits: a change, or a second gone by.
    fileprivate func differs(from other: DrainRecord) -> Bool {
        availability != other.availability || connections != other.connections || other.waited - waited >= 0.95
            || timeToEmpty == nil && other.timeToEmpty != nil
    }
}

/// When the backends that somebody waits for will be empty: judged anew each second.
@ControlPlane private final class Forecasts {
    /// Of more at once only the first: who drains a hundred looks at the sum.
    private static let countMax = 16

    private var known: [BackendReference: TimeToEmptyReport] = [:]
    private var work: Task<Void, Never>?

    init(_ references: [BackendReference], _ table: PoolTable, _ explanations: Explanations) {
        let judged = Dictionary(grouping: references.prefix(Forecasts.countMax), by: \.pool)
        work = start { [weak self] in
            repeat {
                for (pool, references) in judged {
                    let open = references.compactMap(table.backend).filter { !$0.isEmpty }
                    guard !open.isEmpty else { continue }
                    // Without a forecast the wait goes on as well.
                    do throws(Failure) { self?.known.merge(try await explanations.forecasts(open, of: pool)) { $1 } } catch { continue }
                }
                table.changes.announce()
            } while await pause(for: .seconds(1))
        }
    }

    subscript(reference: BackendReference) -> TimeToEmptyReport? { known[reference] }

    func cancel() { work?.cancel() }
}
