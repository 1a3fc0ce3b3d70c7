// The promises of a rollout, counted from its orders and answers alone: no knowledge of the machine.
//
// Never more out than allowed; none restarted unless it was said to be empty and ours since it was last drained, and was
// seen so when the pool was looked at; none restarted twice; none undrained after its restart before a probe that was asked for afterwards said up; no answer
// without its question.
import Model

struct JournalPromises {
    private enum Standing: Equatable {
        case inRotation
        case draining
        case empty
        /// Said by an answer to a question that came after it was empty.
        case confirmed
        case restarting
        /// No longer running, well or not.
        case restarted
        case held
        /// Somebody else's.
        case theirs
    }

    private var standing: [String: Standing] = [:]
    private var open: Set<String> = []
    /// Restarted, and no probe has said up since.
    private var unproved: Set<String> = []
    /// Those that were not so before the last restart was ordered.
    private var provedBefore: Set<String> = []
    /// By backend and direction; taken back where it turned out never to have started.
    private var given: Set<String> = []
    /// Of the restart that was ordered last.
    private var direction: [String: String] = [:]
    /// What the last look saw that an empty backend of ours does not have.
    private var contradicted: [String: String] = [:]
    /// Of ours, empty, and what each look that is on its way may not see otherwise.
    private var emptyWhenAsked: [String: Set<String>] = [:]
    /// Ordered to come back, or left alone by a process that was killed: until its next drain it may have connections.
    private var returning: Set<String> = []
    private let owner: String
    private(set) var restarts = 0
    private(set) var mostOut = 0
    let outMax: Int

    init(_ order: RolloutOrder) {
        owner = order.owner
        switch order.policy.strategy {
        case .rolling: outMax = order.policy.unavailableMax
        case .hotStandby: outMax = order.plan.steps.count
        }
    }

    mutating func take(action event: JournalEvent) -> [String] {
        open.insert(key(event))
        if event.name == "look" { emptyWhenAsked[key(event)] = Set(standing.keys.filter(isEmpty)) }
        guard let backend = event.backend else { return [] }
        let now = standing[backend] ?? .inRotation
        switch event.name {
        case "drain":
            standing[backend] = .draining
            contradicted[backend] = nil
            returning.remove(backend)
            return counted()
        case "retake": return counted()
        case "restart": return restart(backend, event, now)
        case "probe": return now == .restarting ? ["\(backend) is probed before its restart has ended"] : []
        case "undrain":
            returning.insert(backend)
            return unproved.contains(backend) ? ["\(backend) is undrained after its restart, and no probe has said up"] : []
        case "hold":
            standing[backend] = .held
            return []
        default: return []
        }
    }

    private mutating func restart(_ backend: String, _ event: JournalEvent, _ now: Standing) -> [String] {
        var breaches = now == .confirmed ? [] : ["\(backend) is restarted, and nothing says that it was empty and ours"]
        if let seen = contradicted[backend] { breaches.append("\(backend) is restarted, and when it was looked at \(seen)") }
        let name = backend + " " + (event.direction ?? "")
        if !given.insert(name).inserted { breaches.append("\(backend) is restarted a second time") }
        direction[backend] = event.direction
        standing[backend] = .restarting
        // Healthy until it has really started.
        if unproved.insert(backend).inserted { provedBefore.insert(backend) } else { provedBefore.remove(backend) }
        restarts += 1
        return breaches
    }

    private mutating func counted() -> [String] {
        let out = standing.values.count { $0 != .inRotation && $0 != .theirs }
        mostOut = max(mostOut, out)
        return out > outMax ? ["\(out) are out at once, and \(outMax) may be"] : []
    }

    mutating func take(input event: JournalEvent) -> [String] {
        if event.name == "resumed" {
            open = []
            // A lease may have ended meanwhile, and clients have come.
            returning.formUnion(standing.keys.filter(isEmpty))
            // Nobody renewed: what was empty need not be so now.
            for (backend, now) in standing where now == .empty || now == .confirmed { standing[backend] = .draining }
            return []
        }
        guard JournalPromises.isAnswer(event) else { return drainLost(event) }
        guard open.remove(key(event)) != nil else { return ["an answer to '\(event.name)' \(event.backend ?? ""), which was not asked"] }
        guard let backend = event.backend else { return [] }
        answered(event, backend, standing[backend] ?? .inRotation)
        look(event, backend)
        return []
    }

    /// Said to be drained, by us, and not on its way back.
    private func isEmpty(_ backend: String) -> Bool {
        guard !returning.contains(backend) else { return false }
        return switch standing[backend] {
        case .empty, .confirmed, .restarting, .restarted: true
        case .inRotation, .draining, .held, .theirs, nil: false
        }
    }

    /// What a drained one must not have: connections that came after it was drained.
    mutating func contradictions(seen sight: JournalSight) -> [String] {
        guard let backend = sight.backend, let count = sight.connections, count > 0, isEmpty(backend) else { return [] }
        return ["\(backend) had \(Model.counted(count, "connection")) after it was drained"]
    }

    /// The same of a look that was ordered after it was drained.
    mutating func contradictions(looked event: JournalEvent) -> [String] {
        guard let pool = event.pool, let asked = emptyWhenAsked.removeValue(forKey: key(event)) else { return [] }
        return pool.backends.compactMap { seen in
            let backend = "\(pool.name)/\(seen.name)"
            guard asked.contains(backend), isEmpty(backend), seen.connections > 0, seen.wish == .drain, seen.owner == owner else { return nil }
            return "\(backend) had \(Model.counted(seen.connections, "connection")) after it was drained"
        }
    }

    private mutating func look(_ event: JournalEvent, _ backend: String) {
        guard event.look == "whenEmpty", let pool = event.pool else { return }
        guard let seen = pool.backends.first(where: { "\(pool.name)/\($0.name)" == backend }) else { return }
        contradicted[backend] = nil
        if seen.connections > 0 { contradicted[backend] = "it had \(Model.counted(seen.connections, "connection"))" }
        if seen.wish != .drain || seen.owner != owner { contradicted[backend] = "it was not drained by this rollout" }
    }

    private mutating func drainLost(_ event: JournalEvent) -> [String] {
        guard event.name == "drainLost", let backend = event.backend else { return [] }
        // A restart that goes on is ours to end.
        if standing[backend] != .restarting { standing[backend] = .theirs }
        return []
    }

    private mutating func answered(_ event: JournalEvent, _ backend: String, _ now: Standing) {
        switch (event.name, event.result) {
        case ("drain", "drained"): if now == .draining { standing[backend] = .empty }
        case ("drain", "refused"): standing[backend] = .theirs
        case ("confirm", "drained"): if [.empty, .confirmed, .restarted].contains(now) { standing[backend] = .confirmed }
        case ("confirm", "lost"), ("undrain", "lost"), ("hold", "lost"): standing[backend] = .theirs
        case ("retake", "lost"): if now != .restarting { standing[backend] = .theirs }
        case ("restart", "notBegun"), ("findRestart", "notBegun"), ("findRestart", "neverStarted"): takeBack(backend)
        case ("restart", _), ("findRestart", "restarted"), ("findRestart", "failed"): standing[backend] = .restarted
        case ("probe", "up"): if now == .restarted { unproved.remove(backend) }
        case ("undrain", "done"): standing[backend] = .inRotation
        default: return
        }
    }

    /// Its restart was ordered and never ran: it is as it was, and drained by us.
    private mutating func takeBack(_ backend: String) {
        given.remove(backend + " " + (direction[backend] ?? ""))
        restarts -= 1
        if provedBefore.contains(backend) { unproved.remove(backend) }
        standing[backend] = .draining
    }

    private static func isAnswer(_ event: JournalEvent) -> Bool { event.result != nil }

    /// What an answer and its question have in common.
    private func key(_ event: JournalEvent) -> String {
        switch event.name {
        case "look", "looked": "look " + (event.look ?? "") + " " + (event.backend ?? "")
        case "proveStandby", "standbyProbe": "proveStandby"
        default: event.name + " " + (event.backend ?? "")
        }
    }
}
