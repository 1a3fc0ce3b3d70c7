// Connects that failed and connections that were reset before a byte came, by backend, and clients that were reset for
// want of any that did not: counted over all workers, so that each is told once a second at most. The lock is taken
// where something has failed, never else.
import Synchronization

final class ConnectFailures: Sendable {
    private struct Failing {
        var pacing = ReportPacing<Int32>()
        /// Of those that are not told yet.
        var retried = 0
    }

    private struct State {
        var backends: [Int: Failing] = [:]
        /// By backend.
        var earlyResets: [Int: ReportPacing<Void>] = [:]
        var pools: [Int: ReportPacing<Void>] = [:]

        mutating func told(_ slot: Int, _ errorNumber: Int32, _ besides: Int) -> WorkerReport {
            let retried = backends[slot]?.retried ?? 0
            backends[slot]?.retried = 0
            return .connectsFailing(slot: slot, count: besides + 1, errorNumber: errorNumber, retried: retried)
        }
    }

    private let state = Mutex(State())

    /// A backend's connect failed; what to report of it now, if anything. `retried`: another attempt follows.
    func countFailed(slot: Int, errorNumber: Int32, retried: Bool, now: Int64) -> WorkerReport? {
        state.withLock { state -> WorkerReport? in
            if retried { state.backends[slot, default: Failing()].retried += 1 }
            guard let besides = state.backends[slot, default: Failing()].pacing.next(errorNumber, now: now) else { return nil }
            return state.told(slot, errorNumber, besides)
        }
    }

    /// A backend has reset a connection without having said a byte.
    func countEarlyReset(slot: Int, now: Int64) -> WorkerReport? {
        state.withLock { state -> WorkerReport? in
            let besides = state.earlyResets[slot, default: ReportPacing()].next((), now: now)
            return besides.map { .earlyResets(slot: slot, count: $0 + 1) }
        }
    }

    /// A client was reset since no backend could be connected.
    func countReset(pool: Int, now: Int64) -> WorkerReport? {
        state.withLock { state -> WorkerReport? in
            let besides = state.pools[pool, default: ReportPacing()].next((), now: now)
            return besides.map { .poolUnreachable(pool: pool, reset: $0 + 1) }
        }
    }

    func settle(now: Int64, atOnce: Bool) -> [WorkerReport] {
        state.withLock { state in
            var reports: [WorkerReport] = []
            for slot in state.backends.keys.sorted() {
                guard let (errorNumber, besides) = state.backends[slot]?.pacing.settle(now: now, atOnce: atOnce) else { continue }
                reports.append(state.told(slot, errorNumber, besides))
            }
            for slot in state.earlyResets.keys.sorted() {
                guard let (_, besides) = state.earlyResets[slot]?.settle(now: now, atOnce: atOnce) else { continue }
                reports.append(.earlyResets(slot: slot, count: besides + 1))
            }
            for pool in state.pools.keys.sorted() {
                guard let (_, besides) = state.pools[pool]?.settle(now: now, atOnce: atOnce) else { continue }
                reports.append(.poolUnreachable(pool: pool, reset: besides + 1))
            }
            return reports
        }
    }

    /// The backend is gone, and its slot may be another's soon: what was not told of it yet.
    func forget(slot: Int, now: Int64) -> WorkerReport? {
        state.withLock { state -> WorkerReport? in
            defer { (state.backends[slot], state.earlyResets[slot]) = (nil, nil) }
            guard let (errorNumber, besides) = state.backends[slot]?.pacing.settle(now: now, atOnce: true) else { return nil }
            return state.told(slot, errorNumber, besides)
        }
    }

    func forget(pool: Int, now: Int64) -> WorkerReport? {
        state.withLock { state -> WorkerReport? in
            defer { state.pools[pool] = nil }
            let told = state.pools[pool]?.settle(now: now, atOnce: true)
            return told.map { .poolUnreachable(pool: pool, reset: $0.besides + 1) }
        }
    }

    var owes: Bool {
        state.withLock { state in
            state.backends.values.contains { $0.pacing.owes } || state.earlyResets.values.contains { $0.owes }
                || state.pools.values.contains { $0.owes }
        }
    }
}

extension WorkerHandle {
    func reportConnectFailed(slot: Int, errorNumber: Int32, retried: Bool) {
        let news = state.connectFailures.countFailed(slot: slot, errorNumber: errorNumber, retried: retried, now: now())
        if let news { report(news) } else { oweReport() }
    }

    func reportEarlyReset(slot: Int) {
        if let news = state.connectFailures.countEarlyReset(slot: slot, now: now()) { report(news) } else { oweReport() }
    }

    func reportUnreachable(_ pool: Int) {
        if let news = state.connectFailures.countReset(pool: pool, now: now()) { report(news) } else { oweReport() }
    }
}
