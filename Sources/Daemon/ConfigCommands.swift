// The verbs about the configuration: config, backend, pool, listener and log.
import ControlProtocol
import EventLoop
import Model

extension CommandHandler {
    func configure(_ command: ConfigurationCommand, by user: String, _ answer: Answer) async throws(Failure) {
        switch command {
        case .check: try await tellConfigurationErrors(answer)
        case .show(let defaults):
            try await answer.tell(ConfigShowRecord(file: running.file.absolutePath, yaml: running.document(defaults: defaults).yaml))
        case .difference: try await tellDifference(answer)
        case .reload: try await reload(by: user, answer)
        case .save(let file, let force): try await answer.tell(await SavedConfiguration(running: running).write(to: file, force: force))
        case .edit(let edit, let force):
            if !force { try await HealthTrial(table: table).check { running.pool(after: edit) } }
            try await change([edit], by: user, answer)
        case .setListeners(let names, let settings): try await change(names.map { .set(.listener($0), settings) }, by: user, answer)
        case .logLevel(let level, let subsystem):
            let key = subsystem.map { "log.levels.\($0.rawValue)" } ?? "log.level"
            try await change([.set(.lbd, [Setting(key: key, value: level.rawValue)])], by: user, answer)
        case .remove(let subjects, let now, let waiting): try await remove(subjects, now: now, waiting, by: user, answer)
        }
    }

    private func tellConfigurationErrors(_ answer: Answer) async throws(Failure) {
        let record = ConfigCheckRecord(errors: running.file.errors())
        try await answer.tell(record)
        guard record.errors.isEmpty else { throw inTheFile(record.errors) }
    }

    private func inTheFile(_ errors: [String]) -> Failure {
        Failure(.failed, "\(counted(errors.count, "error")) in the file; what runs is unchanged")
    }

    private func tellDifference(_ answer: Answer) async throws(Failure) {
        let changes: [ConfigurationChange]
        do throws(ConfigurationFile.Unusable) { changes = try running.difference() } catch {
            try await answer.tell(ChangesRecord([], errors: error.lines))
            throw inTheFile(error.lines)
        }
        try await answer.tell(ChangesRecord(changes))
    }

    private func reload(by user: String, _ answer: Answer) async throws(Failure) {
        try checkNotStopping()
        let changes: [ConfigurationChange]
        do throws(RunningConfiguration.ReloadFailure) { changes = try running.reload(by: user) } catch {
            switch error {
            case .notApplied(let failure): throw failure
            case .file(let lines):
                try await answer.tell(ChangesRecord([], errors: lines))
                throw inTheFile(lines)
            }
        }
        try await awaitWorkers()
        try await answer.tell(ChangesRecord(changes, warnings: warnings(after: changes) + healthWarnings(after: changes)))
    }

    /// Of pools whose new checks nobody has tried, as `pool set` does.
    private func healthWarnings(after changes: [ConfigurationChange]) -> [String] {
        var pools: [PoolName] = []
        for change in changes {
            guard case .pool(let pool) = change.subject, case .changed(let key, _, _, _) = change.kind, key.hasPrefix("health."), !pools.contains(pool)
            else { continue }
            pools.append(pool)
        }
        return pools.map { "pool \($0) is judged by other health options now; what was found stays until its probes find otherwise: lbctl status \($0)" }
    }

    private func change(_ edits: [ConfigurationEdit], now: Bool = false, by user: String, _ answer: Answer) async throws(Failure) {
        try checkNotStopping()
        let changes = try running.edit(edits, now: now, by: user)
        try await awaitWorkers()
        try await answer.tell(ChangesRecord(changes, warnings: warnings(after: changes)))
    }

    /// Who hears that something was changed finds it so, at every worker.
    private func awaitWorkers() async throws(Failure) {
        table.publishNow()
        guard await table.followed(table.generation) else { throw Failure(.failed, "interrupted; the change is made") }
    }

    private func checkNotStopping() throws(Failure) {
        guard !isStopping else { throw Failure(.failed, "lbd is stopping: its configuration is not changed any more") }
    }

    /// What a change has done besides that may not have been meant.
    private func warnings(after changes: [ConfigurationChange]) -> [String] {
        let touched = Set(changes.compactMap { change -> PoolName? in
            guard case .backend(let reference) = change.subject, case .removed = change.kind else { return nil }
            return reference.pool
        })
        return running.wanted.configuration.pools.filter { touched.contains($0.name) && $0.backends.isEmpty }.map {
            "pool \($0.name) has no backend left: its new connections \($0.whenNone.outcome)"
        }
    }
}

// Removing.
extension CommandHandler {
    private func remove(
        _ subjects: [ConfigurationSubject], now: Bool, _ waiting: RemovalWait, by user: String, _ answer: Answer
    ) async throws(Failure) {
        let patience = subjects.compactMap(patience).max()
        // What was removed before and is still held can be waited for, and hurried.
        let standing = subjects.filter { !isOnItsWayOut($0) }
        if !standing.isEmpty { try await change(standing.map(ConfigurationEdit.remove), now: now, by: user, answer) }
        if now { for subject in Set(subjects).subtracting(standing) { reconfiguration.hurry(subject) } }
        switch waiting {
        case .no: return
        case .untilGone(let deadline): try await waitUntilGone(subjects, deadline: deadline ?? patience ?? .zero, answer)
        }
    }

    private func isOnItsWayOut(_ subject: ConfigurationSubject) -> Bool {
        guard reconfiguration.holders(of: subject) != nil else { return false }
        let configuration = running.wanted.configuration
        let isConfigured = switch subject {
        case .lbd: true
        case .backend(let reference):
            configuration.pools.first { $0.name == reference.pool }?.backends.contains { $0.name == reference.backend } ?? false
        case .pool(let name): configuration.pools.contains { $0.name == name }
        case .listener(let name): configuration.listeners.contains { $0.name == name }
        }
        return !isConfigured
    }

    /// How long a drain of it waits where the command does not say.
    private func patience(for subject: ConfigurationSubject) -> Duration? {
        let configuration = running.wanted.configuration
        let pool: PoolName? = switch subject {
        case .lbd: nil
        case .listener(let name): (configuration.listeners + reconfiguration.closingListeners).first { $0.name == name }?.pool
        case .pool(let name): name
        case .backend(let reference): reference.pool
        }
        return pool.flatMap(table.pool)?.configuration.drainDeadline
    }

    private func waitUntilGone(_ subjects: [ConfigurationSubject], deadline: Duration, _ answer: Answer) async throws(Failure) {
        let start = LoopClock().now
        var told: [ConfigurationSubject: Int?] = [:]
        while true {
            let seen = table.changes.version
            let waited = start.duration(to: LoopClock().now)
            let holders = subjects.map { ($0, reconfiguration.holders(of: $0)) }
            for (subject, holders) in holders where told[subject] != .some(holders) {
                told[subject] = .some(holders)
                try await answer.tell(RemovalRecord(subject: subject.description, connections: holders, waited: waited.inSeconds))
            }
            let left = holders.filter { $0.1 != nil }.map(\.0.description).joined(separator: ", ")
            guard !left.isEmpty else { return }
            guard waited < deadline else {
                throw Failure(.deadlinePassed, "still held after \(waited.spoken): \(left); removed all the same, and gone when empty")
            }
            // Not every connection that ends is told of: those in between are counted once a second.
            guard await table.changes.next(after: seen, timeout: min(.seconds(1), deadline - waited)) != .cancelled else {
                throw Failure(.failed, "interrupted")
            }
        }
    }
}
