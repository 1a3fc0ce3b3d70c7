// Inputs and actions of the machine as the journal's fields, and inputs back from them.
import Model

/// One object of flat fields; those that its name does not need are absent.
package struct JournalEvent: Codable, Equatable, Sendable {
    package var name: String
    package var backend: String?
    /// Of an answer: `done`, `drained`, `failed`, …
    package var result: String?
    package var reason: String?
    /// The last of what a restart printed.
    package var output: String?
    package var text: String?
    /// Why the pool was looked at.
    package var look: String?
    package var pool: JournalPool?
    package var capacity: String?
    package var without: [String]?
    package var direction: String?
    package var seconds: Double?

    package init(name: String, backend: BackendReference? = nil) {
        self.name = name
        self.backend = backend?.description
    }

    fileprivate func with(_ change: (inout JournalEvent) -> Void) -> JournalEvent {
        var event = self
        change(&event)
        return event
    }
}

/// A pool as it was seen.
package struct JournalPool: Codable, Equatable, Sendable {
    package struct Backend: Codable, Equatable, Sendable {
        package let name: String
        package let address: String
        package let wish: Wish
        package let availability: Availability
        package let owner: String?
        package let connections: Int
        package let connectFailures: UInt64
        package let resets: UInt64
    }

    package let name: String
    package let backends: [Backend]
    /// True: those that are not named are as in the last line that told of them.
    package let changes: Bool?
}

extension JournalPool {
    init(_ pool: PoolSnapshot) {
        name = pool.name.text
        changes = nil
        backends = pool.backends.map {
            Backend(
                name: $0.name.text, address: $0.address.description, wish: $0.wish, availability: $0.availability,
                owner: $0.drainOwner, connections: $0.connections, connectFailures: $0.connectFailures, resets: $0.resets)
        }
    }

    func snapshot() throws(JournalError) -> PoolSnapshot {
        do {
            return PoolSnapshot(name: try PoolName(name), backends: try backends.map {
                BackendSnapshot(
                    name: try BackendName($0.name), address: try Endpoint($0.address), wish: $0.wish, availability: $0.availability,
                    drainOwner: $0.owner, connections: $0.connections, connectFailures: $0.connectFailures, resets: $0.resets)
            })
        } catch { throw JournalError("a pool in it cannot be read: \(error)") }
    }
}

// Inputs.
extension JournalEvent {
    private enum Name: String {
        case begin, resumed, looked, version, drain, confirm, retake, findRestart, restart, probe, undrain, warm, hold, drainLost
        case watch, judgedBad, standbyProbe, switchTraffic, stopRequested, abortRequested, pauseRequested, continueRequested
    }

    package init(_ input: RolloutMachine.Input) {
        switch input {
        case .begin: self.init(named: .begin)
        case .resumed: self.init(named: .resumed)
        case .looked(let look, let end): self = JournalEvent(named: .looked).looking(look).answered(end)
        case .versioned(let backend, let end): self = JournalEvent(named: .version, backend).answered(end.outcome)
        case .drainEnded(let backend, let end): self = JournalEvent(named: .drain, backend).answered(end.outcome)
        case .confirmed(let backend, let end): self = JournalEvent(named: .confirm, backend).answered(end.outcome)
        case .retaken(let backend, let end): self = JournalEvent(named: .retake, backend).answered(end.outcome)
        case .restartFound(let backend, let end): self = JournalEvent(named: .findRestart, backend).answered(end.outcome)
        case .restartEnded(let backend, let end): self = JournalEvent(named: .restart, backend).answered(end.outcome)
        case .probed(let backend, let end): self = JournalEvent(named: .probe, backend).answered(end.outcome)
        case .undrained(let backend, let end): self = JournalEvent(named: .undrain, backend).answered(end.outcome)
        case .warmed(let backend, let end): self = JournalEvent(named: .warm, backend).answered(end.outcome)
        case .held(let backend, let end): self = JournalEvent(named: .hold, backend).answered(end.outcome)
        case .drainLost(let backend, let reason): self = JournalEvent(named: .drainLost, backend).with { $0.reason = reason }
        case .watched(let end): self = JournalEvent(named: .watch).answered(end.outcome)
        case .judgedBad(let reason): self = JournalEvent(named: .judgedBad).with { $0.reason = reason }
        case .standbyProved(let end): self = JournalEvent(named: .standbyProbe).answered(end.outcome)
        case .switched(let end): self = JournalEvent(named: .switchTraffic).answered(end.outcome)
        case .stopRequested: self.init(named: .stopRequested)
        case .abortRequested: self.init(named: .abortRequested)
        case .pauseRequested: self.init(named: .pauseRequested)
        case .continueRequested: self.init(named: .continueRequested)
        }
    }

    package func input() throws(JournalError) -> RolloutMachine.Input {
        guard let known = Name(rawValue: name) else { throw JournalError("there is no input '\(name)'") }
        switch known {
        case .begin: return .begin
        case .resumed: return .resumed
        case .looked: return .looked(try lookGiven(), try lookEnd())
        case .version: return .versioned(try backendGiven(), try end())
        case .drain: return .drainEnded(try backendGiven(), try end())
        case .confirm: return .confirmed(try backendGiven(), try end())
        case .retake: return .retaken(try backendGiven(), try end())
        case .findRestart: return .restartFound(try backendGiven(), try end())
        case .restart: return .restartEnded(try backendGiven(), try end())
        case .probe: return .probed(try backendGiven(), try end())
        case .undrain: return .undrained(try backendGiven(), try end())
        case .warm: return .warmed(try backendGiven(), try end())
        case .hold: return .held(try backendGiven(), try end())
        case .drainLost: return .drainLost(try backendGiven(), reason: reason ?? "")
        case .watch: return .watched(try end())
        case .judgedBad: return .judgedBad(reason: reason ?? "")
        case .standbyProbe: return .standbyProved(try end())
        case .switchTraffic: return .switched(try end())
        case .stopRequested: return .stopRequested
        case .abortRequested: return .abortRequested
        case .pauseRequested: return .pauseRequested
        case .continueRequested: return .continueRequested
        }
    }

    private init(named name: Name, _ backend: BackendReference? = nil) { self.init(name: name.rawValue, backend: backend) }

    private func backendGiven() throws(JournalError) -> BackendReference {
        guard let backend else { throw JournalError("'\(name)' names no backend") }
        do { return try BackendReference(backend) } catch { throw JournalError("'\(name)': \(error)") }
    }

    private func end<End: JournalledEnd>() throws(JournalError) -> End {
        guard let end = End(Outcome(result: result ?? "", reason: reason, output: output, text: text)) else {
            throw JournalError("'\(name)' cannot end in '\(result ?? "")'")
        }
        return end
    }

    private func answered(_ outcome: Outcome) -> JournalEvent {
        with {
            $0.result = outcome.result
            $0.reason = outcome.reason
            $0.output = outcome.output
            $0.text = outcome.text
        }
    }
}

// Looks at the pool.
extension JournalEvent {
    private enum LookName: String { case before, whenEmpty, afterAll }
    private enum CapacityName: String { case carries, notProvable, fails }

    fileprivate func looking(_ look: RolloutMachine.Look) -> JournalEvent {
        with {
            switch look {
            case .before(let backend): ($0.look, $0.backend) = (LookName.before.rawValue, backend.description)
            case .whenEmpty(let backend): ($0.look, $0.backend) = (LookName.whenEmpty.rawValue, backend.description)
            case .afterAll: $0.look = LookName.afterAll.rawValue
            }
        }
    }

    private func lookGiven() throws(JournalError) -> RolloutMachine.Look {
        switch look.flatMap(LookName.init(rawValue:)) {
        case .before: return .before(try backendGiven())
        case .whenEmpty: return .whenEmpty(try backendGiven())
        case .afterAll: return .afterAll
        case nil: throw JournalError("there is no look '\(look ?? "")'")
        }
    }

    private func answered(_ end: RolloutMachine.LookEnd) -> JournalEvent {
        with {
            switch end {
            case .failed(let reason): ($0.result, $0.reason) = ("failed", reason)
            case .pool(let pool, let capacity):
                ($0.result, $0.pool) = ("pool", JournalPool(pool))
                switch capacity {
                case .carries(let text): ($0.capacity, $0.text) = (CapacityName.carries.rawValue, text)
                case .notProvable(let text): ($0.capacity, $0.text) = (CapacityName.notProvable.rawValue, text)
                case .fails(let text): ($0.capacity, $0.text) = (CapacityName.fails.rawValue, text)
                }
            }
        }
    }

    private func lookEnd() throws(JournalError) -> RolloutMachine.LookEnd {
        guard result == "pool", let pool else { return .failed(reason: reason ?? "") }
        let words = text ?? ""
        switch capacity.flatMap(CapacityName.init(rawValue:)) {
        case .carries: return .pool(try pool.snapshot(), capacity: .carries(text: words))
        case .notProvable: return .pool(try pool.snapshot(), capacity: .notProvable(text: words))
        case .fails: return .pool(try pool.snapshot(), capacity: .fails(text: words))
        case nil: throw JournalError("there is no capacity '\(capacity ?? "")'")
        }
    }
}

// Actions; nil for what only people are told.
extension JournalEvent {
    package init?(_ action: RolloutMachine.Action) {
        switch action {
        case .look(let look, let without, let after):
            self = JournalEvent(name: "look").looking(look).with {
                $0.without = without.map(\.description)
                $0.seconds = after.inSeconds
            }
        case .version(let backend): self.init(name: "version", backend: backend)
        case .drain(let backend, let deadline): self = JournalEvent(name: "drain", backend: backend).lasting(deadline)
        case .confirm(let backend): self.init(name: "confirm", backend: backend)
        case .retake(let backend): self.init(name: "retake", backend: backend)
        case .findRestart(let backend, let direction):
            self = JournalEvent(name: "findRestart", backend: backend).with { $0.direction = direction.rawValue }
        case .restart(let backend, let direction, let timeout):
            self = JournalEvent(name: "restart", backend: backend).lasting(timeout).with { $0.direction = direction.rawValue }
        case .probe(let backend, let timeout): self = JournalEvent(name: "probe", backend: backend).lasting(timeout)
        case .undrain(let backend): self.init(name: "undrain", backend: backend)
        case .warm(let backend): self.init(name: "warm", backend: backend)
        case .hold(let backend, let reason): self = JournalEvent(name: "hold", backend: backend).with { $0.reason = reason }
        case .abandonRestart(let backend): self.init(name: "abandonRestart", backend: backend)
        case .watch(let backends, let duration):
            self = JournalEvent(name: "watch").lasting(duration).with { $0.without = backends.map(\.description) }
        case .proveStandby(let timeout): self = JournalEvent(name: "proveStandby").lasting(timeout)
        case .switchTraffic(let pool): self = JournalEvent(name: "switchTraffic").with { $0.text = pool.text }
        case .tell, .end: return nil
        }
    }

    private func lasting(_ duration: Duration) -> JournalEvent { with { $0.seconds = duration.inSeconds } }
}
