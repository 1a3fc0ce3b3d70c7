// Carries out commands: one exhaustive switch; the verbs of a noun in a file each beside this one.
import ControlProtocol
import EventLoop
import Model

@ControlPlane final class CommandHandler {
    let table: PoolTable
    let drains: Drains
    let events: EventLog
    let status: StatusReports
    let explanations: Explanations
    let running: RunningConfiguration
    let reconfiguration: Reconfiguration
    let shares: Shares
    let measurements: Measurements
    var isStopping = false
    /// Lines of the log that nobody will read.
    var logLinesDropped: @ControlPlane () -> UInt64 = { 0 }
    var surveys: Surveys { explanations.surveys }

    init(
        table: PoolTable, drains: Drains, events: EventLog, status: StatusReports, explanations: Explanations, running: RunningConfiguration,
        reconfiguration: Reconfiguration
    ) {
        self.table = table
        self.drains = drains
        self.events = events
        self.status = status
        self.explanations = explanations
        self.running = running
        self.reconfiguration = reconfiguration
        shares = Shares(table: table, events: events)
        measurements = Measurements(table: table, plane: explanations.plane)
    }

    /// `user`: whoever asks, for the log and as the owner of what is ordered.
    func handle(_ command: Command, by user: String, _ answer: Answer) async throws(Failure) {
        switch command {
        case .help(let verb): try await answer.tell((verb.map(Verb.named) ?? Verb.all).map(HelpRecord.init))
        case .status(let scope): try await showStatus(scope, answer)
        case .drain(let order): try await drain(order, by: user, answer)
        case .undrain(let references, let owner, let force):
            try await makeReady(references, owner, force: force, by: user, verb: "undrain", answer)
        case .ready(let references, let owner, let force):
            try await makeReady(references, owner, force: force, by: user, verb: "ready", answer)
        case .maintain(let references, let owner, let reason): try await maintain(references, owner, reason, by: user, answer)
        case .probe(let references, let timeout): try await probe(references, timeout, answer)
        case .events(let follow, let since): try await tellEvents(follow, since: since, answer)
        case .configuration(let command): try await configure(command, by: user, answer)
        case .connections(let order): try await showConnections(order, answer)
        case .close(let ids, let reset): try await closeConnections(ids, reset: reset, by: user, answer)
        case .explain(let reference): try await explain(reference, answer)
        case .share(let order): try await share(order, by: user, answer)
        case .unshare(let pool, let owner, let force): try await unshare(pool, owner, force: force, by: user, answer)
        case .measure(let pool, let ages): try await measure(pool, ages: ages, answer)
        case .rolloutReport(let notice): try await note(notice, answer)
        }
    }

    // MARK: Names

    func find(_ references: [BackendReference]) throws(Failure) -> [Backend] {
        var found: [Backend] = []
        for reference in references {
            guard let backend = table.backend(reference) else { throw unknown("backend", reference.description) }
            found.append(backend)
        }
        return found
    }

    func find(_ name: PoolName) throws(Failure) -> Pool {
        guard let pool = table.pool(name) else { throw unknown("pool", name.text) }
        return pool
    }

    private func unknown(_ kind: String, _ name: String) -> Failure {
        if let at = table.removedAt(name) {
            return Failure(.failed, "there is no \(kind) '\(name)' any more: it was removed from the configuration, and gone at \(at.rfc3339)")
        }
        let names = table.pools.prefix(8).map(\.configuration.name.text).joined(separator: ", ") + (table.pools.count > 8 ? ", ..." : "")
        let hint = table.nearest(to: name).map { "; did you mean '\($0)'?" } ?? "; pools: \(names)"
        return Failure(.failed, "there is no \(kind) '\(name)'\(hint)")
    }
}
