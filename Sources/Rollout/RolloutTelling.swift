// From one record of the journal to what it changes in the history, and to the line that tells it.
import Model

extension RolloutHistory {
    package mutating func take(_ record: JournalRecord) {
        lastSequence = record.sequence
        lastAt = record.at
        elapsed = record.elapsed
        switch record.content {
        case .begun(let begin):
            let count = begin.steps.count
            tell(record, nil, "rollout of pool \(begin.pool) begins: \(counted(count, "backend")), drains owned by \(begin.owner)")
            if !begin.leftOut.isEmpty { tell(record, nil, "left out, as in maintenance: \(begin.leftOut.joined(separator: ", "))") }
            if let notChosen = begin.notChosen { tell(record, nil, "not chosen, so not restarted: \(notChosen.joined(separator: ", "))") }
            for line in begin.proof { tell(record, nil, line) }
        case .action(let event): acted(event, record)
        case .input(let event): answered(event, record)
        case .seen(let sight):
            if let connections = sight.connections { change(sight.backend) { $0.counts.append((record.elapsed, connections)) } }
            if let text = sight.text { tell(record, sight.backend, text) }
        case .ended(let end): ended(end, record)
        }
    }

    private mutating func tell(_ record: JournalRecord, _ backend: String?, _ text: String, _ weight: Weight = .plain) {
        entries.append(Entry(
            sequence: record.sequence, at: record.at, elapsed: record.elapsed, backend: backend, text: text, weight: weight))
    }

    private mutating func ended(_ end: JournalEnd, _ record: JournalRecord) {
        self.end = end
        for node in end.nodes {
            change(node.backend) {
                // One that is kept out has failed before.
                let isKeptOut = $0.openSpan?.phase == .held
                $0.close(end.done || isKeptOut ? .well : .failed(end.reason ?? ""), at: record.elapsed)
                $0.fate = .ended(node.state, detail: node.detail)
            }
        }
        tell(record, nil, end.done ? "done" : "stopped: \(end.reason ?? "no reason is given")", end.done ? .plain : .failure)
    }
}

// Actions: what begins.
extension RolloutHistory {
    private mutating func acted(_ event: JournalEvent, _ record: JournalRecord) {
        let time = record.elapsed
        switch event.name {
        case "drain", "retake":
            change(event.backend) { $0.open(.drain, at: time, lasting: event.seconds) }
            let limit = event.seconds.map { ", not empty within \(Duration(inSeconds: $0).spoken) fails" } ?? ""
            tell(record, event.backend, event.name == "drain" ? "draining\(limit)" : "drained again under our name")
        case "restart", "findRestart":
            let isBack = event.direction == RolloutMachine.Direction.rollback.rawValue
            let limit = isUnlimited(event.backend) ? nil : event.seconds
            change(event.backend) { $0.open(isBack ? .rollback : .restart, at: time, lasting: limit) }
            let doing = (isBack ? "bringing back the release before" : "restarting") + command(of: event.backend, isBack)
            tell(record, event.backend, event.name == "restart" ? doing : "looking what became of its restart")
        case "probe": change(event.backend) { $0.open(.ready, at: time, lasting: event.seconds) }
        case "warm": change(event.backend) { $0.open(.warm, at: time, lasting: event.seconds) }
        case "watch":
            for backend in event.without ?? [] { change(backend) { $0.open(.watch, at: time, lasting: event.seconds) } }
            let limit = event.seconds.map { " for \(Duration(inSeconds: $0).spoken)" } ?? ""
            tell(record, nil, "watching \((event.without ?? []).joined(separator: ", "))\(limit)")
        case "hold":
            change(event.backend) {
                $0.close(.failed(event.reason ?? ""), at: time)
                $0.open(.held, at: time, lasting: nil)
            }
            tell(record, event.backend, "stays drained: \(event.reason ?? "")", .failure)
        case "abandonRestart": tell(record, event.backend, "its restart is given up", .warning)
        case "switchTraffic": tell(record, nil, "all listeners go to pool \(event.text ?? "?")")
        case "proveStandby": tell(record, nil, "waiting until the standby's probes say up")
        // Looks, confirmations, undrains and questions for versions are told by their answers.
        default: return
        }
    }

    /// A person is waited for without end.
    private func isUnlimited(_ backend: String?) -> Bool {
        begin.limits.byHand == nil && begin.steps.contains { $0.backend == backend && $0.restart.manual != nil }
    }

    private func command(of backend: String?, _ isBack: Bool) -> String {
        guard let step = begin.steps.first(where: { $0.backend == backend }), let way = isBack ? step.rollback : step.restart else { return "" }
        if let manual = way.manual { return " by hand: \(manual)" }
        if let unit = way.unit { return ": systemctl restart \(unit)" + (way.host.map { " on \($0)" } ?? "") }
        return ": " + (way.command ?? []).map(\.shellQuoted).joined(separator: " ")
    }
}

// Inputs: what came of it.
extension RolloutHistory {
    private mutating func answered(_ event: JournalEvent, _ record: JournalRecord) {
        switch event.name {
        case "begin": return
        case "resumed":
            processes += 1
            isPaused = false
            tell(record, nil, "resumed by another process", .warning)
        case "looked": looked(event, record)
        case "stopRequested":
            isStopping = true
            tell(record, nil, "stop requested", .warning)
        case "abortRequested":
            isStopping = true
            tell(record, nil, "abort requested", .warning)
        case "pauseRequested":
            isPaused = true
            tell(record, nil, "pause requested", .warning)
        case "continueRequested":
            isPaused = false
            tell(record, nil, "goes on by request")
        case "judgedBad": tell(record, nil, "the release is bad: \(event.reason ?? "")", .failure)
        case "watch": watched(event, record)
        default: answeredForNode(event, record)
        }
    }

    private mutating func looked(_ event: JournalEvent, _ record: JournalRecord) {
        for backend in event.pool?.backends ?? [] {
            change("\(event.pool?.name ?? "")/\(backend.name)") { $0.counts.append((record.elapsed, backend.connections)) }
        }
        let couldNot = event.result == "failed"
        if couldNot { tell(record, event.backend, "no status: \(event.reason ?? "")", .failure) }
        let fails = event.capacity == "fails"
        if fails != waitsForCapacity || (fails && event.text != capacity) {
            tell(record, event.backend, fails ? "waiting: \(event.text ?? "")" : "goes on: \(event.text ?? "")", fails ? .warning : .plain)
        }
        waitsForCapacity = fails
        if let text = event.text { capacity = text }
    }

    private mutating func watched(_ event: JournalEvent, _ record: JournalRecord) {
        let isGood = event.result == "good"
        for node in nodes where node.openSpan?.phase == .watch {
            change(node.backend) {
                $0.close(isGood ? .well : .failed(event.reason ?? ""), at: record.elapsed)
                $0.fate = $0.isRolledBack ? .rolledBack : .restarted
            }
        }
        tell(record, nil, isGood ? "watched: \(event.text ?? "")" : "the new release does badly: \(event.reason ?? "")", isGood ? .plain : .failure)
    }

    private mutating func answeredForNode(_ event: JournalEvent, _ record: JournalRecord) {
        let time = record.elapsed
        let reason = event.reason ?? ""
        let isWell = ["drained", "restarted", "up", "done", "version", "neverStarted"].contains(event.result)
        let waited = nodes.first { $0.backend == event.backend }?.openSpan.map { " after \(($0.from.distance(to: time)).spoken)" } ?? ""
        if event.name == "drainLost" || event.result == "lost" {
            change(event.backend) {
                $0.close(.failed(reason), at: time)
                $0.fate = .drainLost(reason)
            }
            return tell(record, event.backend, "no longer drained by this rollout: \(reason)", .failure)
        }
        guard isWell else {
            change(event.backend) { $0.close(.failed(reason), at: time) }
            return tell(record, event.backend, failure(event, waited), .failure)
        }
        succeeded(event, record, waited)
    }

    private mutating func succeeded(_ event: JournalEvent, _ record: JournalRecord, _ waited: String) {
        let time = record.elapsed
        switch event.name {
        case "drain":
            change(event.backend) {
                $0.close(.well, at: time)
                $0.counts.append((time, 0))
            }
            tell(record, event.backend, "empty\(waited)")
        case "restart", "findRestart":
            guard event.result == "restarted" else { return tell(record, event.backend, "its restart was never started") }
            let isBack = nodes.first { $0.backend == event.backend }?.openSpan?.phase == .rollback
            change(event.backend) {
                if isBack { $0.isRolledBack = true }
                $0.isRestarted = true
                $0.close(.well, at: time)
            }
            tell(record, event.backend, (isBack ? "rolled back" : "restarted") + waited)
        case "probe":
            change(event.backend) { $0.close(.well, at: time) }
            tell(record, event.backend, "up\(waited)")
        case "undrain":
            change(event.backend) {
                $0.close(.well, at: time)
                $0.fate = $0.isRolledBack ? .rolledBack : $0.isRestarted ? .restarted : .undone
            }
            tell(record, event.backend, "back in rotation")
        case "warm":
            change(event.backend) {
                $0.close(.well, at: time)
                $0.fate = $0.isRolledBack ? .rolledBack : .restarted
            }
            tell(record, event.backend, "takes its whole share\(waited)")
        case "hold": change(event.backend) { $0.fate = .held("drained until somebody undrains it") }
        case "version": tell(record, event.backend, "release \(event.text ?? "")")
        case "switchTraffic": tell(record, nil, "switched")
        case "standbyProbe": tell(record, nil, "the standby is up")
        // `confirm` and `retake` only say that all is as it was.
        default: return
        }
    }

    private func failure(_ event: JournalEvent, _ waited: String) -> String {
        let reason = event.reason ?? ""
        let isRolledBack = nodes.contains { $0.backend == event.backend && $0.isRolledBack }
        let text: String = switch (event.name, event.result) {
        case ("drain", "deadlinePassed"): "not empty\(waited): its deadline has passed"
        case ("drain", "refused"): "its drain was refused: \(reason)"
        case ("drain", _), ("confirm", _): "drain failed\(waited): \(reason)"
        case ("restart", "notBegun"), ("findRestart", "notBegun"): "its restart could not begin, so nothing was done to it: \(reason)"
        case ("restart", "unknown"), ("findRestart", "unknown"): "what became of its restart is not known: \(reason)"
        case ("restart", _), ("findRestart", _): "restart failed\(waited): \(reason)"
        case ("probe", _): (isRolledBack ? "rolled back, but not up" : "not up") + "\(waited): \(reason)"
        case ("undrain", _): "undrain failed: \(reason)"
        case ("hold", _): "the order to keep it out failed: \(reason)"
        case ("version", _): "its release cannot be asked for: \(reason)"
        default: "\(event.name): \(event.result ?? "") \(reason)"
        }
        let last = (event.output ?? "").split(whereSeparator: \.isNewline).last.map { "; it printed last: \(String($0).escapedForOneLine)" }
        return text + (last ?? "")
    }
}

extension Duration {
    fileprivate func distance(to later: Duration) -> Duration { later - self }
}
