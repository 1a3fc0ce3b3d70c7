// What goes into the machine, and what comes out of it: the same values that the journal keeps.
import Model

extension RolloutMachine {
    /// What happened. Most answer the action of that name for that backend.
    package enum Input: Equatable, Sendable {
        case begin
        /// A new process goes on with the journal of one that ended; it asks anew for all that is pending.
        case resumed
        case looked(Look, LookEnd)
        case versioned(BackendReference, VersionEnd)
        case drainEnded(BackendReference, DrainEnd)
        case confirmed(BackendReference, ConfirmEnd)
        case retaken(BackendReference, OrderEnd)
        case restartFound(BackendReference, FoundEnd)
        case restartEnded(BackendReference, RestartEnd)
        case probed(BackendReference, ProbeEnd)
        case undrained(BackendReference, OrderEnd)
        case warmed(BackendReference, ProbeEnd)
        case held(BackendReference, OrderEnd)
        /// A renewal of the drain was refused: somebody else, or the end of its lease, has ended it.
        case drainLost(BackendReference, reason: String)
        case watched(JudgeEnd)
        /// At any time, without having been asked.
        case judgedBad(reason: String)
        case standbyProved(ProbeEnd)
        case switched(OrderEnd)
        /// Ctrl-C or SIGTERM: once means soon, twice means now.
        case stopRequested
        /// As the first of these, however often; the second only ends the wait for a person.
        case abortRequested
        /// Nothing new is begun until `continueRequested`.
        case pauseRequested
        case continueRequested
    }

    /// Why the pool is looked at.
    package enum Look: Hashable, Sendable {
        case before(BackendReference)
        /// It may have taken long to become empty.
        case whenEmpty(BackendReference)
        case afterAll
    }

    package enum LookEnd: Equatable, Sendable {
        case pool(PoolSnapshot, capacity: Capacity)
        case failed(reason: String)
    }

    /// Whether the others carry the load without those that would be out.
    package enum Capacity: Equatable, Sendable {
        case carries(text: String)
        case notProvable(text: String)
        /// By how much it fails.
        case fails(text: String)
    }

    package enum VersionEnd: Equatable, Sendable {
        case version(String)
        case failed(reason: String)
    }

    package enum DrainEnd: Equatable, Sendable {
        /// Empty at every balancer: no connection holds it and none can newly arrive.
        case drained
        case deadlinePassed
        /// The drain never began: it is somebody else's to say.
        case refused(reason: String)
        case failed(reason: String)
    }

    package enum ConfirmEnd: Equatable, Sendable {
        /// Still ours and still empty, and our lease began anew after it was asked for.
        case drained
        case lost(reason: String)
        case failed(reason: String)
    }

    /// What became of a restart that an earlier process may have begun.
    package enum FoundEnd: Equatable, Sendable {
        case neverStarted
        case ended(RestartEnd)
    }

    package enum RestartEnd: Equatable, Sendable {
        case restarted
        /// `output`: the last of what the command printed.
        case failed(reason: String, output: String)
        /// The command never ran: the backend is as it was.
        case notBegun(reason: String)
        /// Started, and its end is not known: a person must look.
        case unknown(reason: String, output: String)
    }

    package enum ProbeEnd: Equatable, Sendable {
        /// By probes that all began after they were asked for.
        case up
        case failed(reason: String)
    }

    package enum OrderEnd: Equatable, Sendable {
        case done
        /// It is in the hands of another.
        case lost(reason: String)
        case failed(reason: String)
    }

    package enum JudgeEnd: Equatable, Sendable {
        /// `text`: what was compared, with its numbers.
        case good(text: String)
        case bad(reason: String)
    }

    package enum Direction: String, Equatable, Sendable, CaseIterable {
        case forward, rollback
    }

    /// What to do next. `undrain`, `hold` and `abandonRestart` also end whatever was being waited for.
    package enum Action: Equatable, Sendable {
        /// `after`: a pause first, where it is asked again.
        case look(Look, without: [BackendReference], after: Duration)
        case version(BackendReference)
        /// Drained under our own lease, renewed until `undrain` or `hold`.
        case drain(BackendReference, deadline: Duration)
        /// Asks whether it is still drained by us, and renews the lease.
        case confirm(BackendReference)
        /// Drained again under our name after a time in which nobody renewed; whether it is empty does not matter.
        case retake(BackendReference)
        /// Asks what became of the restart that was ordered before the process ended; waits where it still runs.
        case findRestart(BackendReference, Direction)
        case restart(BackendReference, Direction, timeout: Duration)
        case probe(BackendReference, timeout: Duration)
        case undrain(BackendReference)
        /// Until it takes its whole share.
        case warm(BackendReference)
        /// Keeps it drained without a lease: it must not come back when we are gone.
        case hold(BackendReference, reason: String)
        case abandonRestart(BackendReference)
        /// These restarted ones against the others, for so long.
        case watch([BackendReference], for: Duration)
        case proveStandby(timeout: Duration)
        /// All listeners at once, to the standby or back.
        case switchTraffic(to: PoolName)
        case tell(BackendReference?, Milestone)
        case end(Verdict)
    }
}

extension RolloutMachine.Input {
    /// Whose step it concerns.
    var backend: BackendReference? {
        switch self {
        case .versioned(let backend, _), .drainEnded(let backend, _), .confirmed(let backend, _), .retaken(let backend, _),
            .restartFound(let backend, _), .restartEnded(let backend, _), .probed(let backend, _), .undrained(let backend, _),
            .warmed(let backend, _), .held(let backend, _), .drainLost(let backend, _), .looked(.before(let backend), _),
            .looked(.whenEmpty(let backend), _):
            backend
        case .begin, .resumed, .looked(.afterAll, _), .watched, .judgedBad, .standbyProved, .switched, .stopRequested, .abortRequested,
            .pauseRequested, .continueRequested:
            nil
        }
    }
}
