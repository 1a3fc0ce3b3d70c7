// What goes into the step machine, and what comes out of it.
import Model

extension StepMachine {
    /// What happened. Each of the middle ones answers the action of that name.
    package enum Input: Equatable, Sendable {
        case begin
        case looked(LookEnd)
        case drainEnded(DrainEnd)
        case confirmed(ConfirmEnd)
        case restartEnded(RestartEnd)
        case probed(ProbeEnd)
        case undrained(OrderEnd)
        case held(OrderEnd)
        /// A renewal of the drain was refused: somebody else, or the end of its lease, has ended it.
        case drainLost(reason: String)
        /// Ctrl-C or SIGTERM: once means soon, twice means now.
        case stopRequested
    }

    package enum LookEnd: Equatable, Sendable {
        case pool(PoolSnapshot)
        case failed(reason: String)
    }

    package enum DrainEnd: Equatable, Sendable {
        /// Empty: no connection holds it and none can newly arrive.
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

    package enum RestartEnd: Equatable, Sendable {
        case restarted
        /// `output`: the last of what the command printed.
        case failed(reason: String, output: String)
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

    /// What to do next. `undrain`, `hold` and `abandonRestart` also end whatever was being waited for.
    package enum Action: Equatable, Sendable {
        case look
        /// Drained under our own lease, renewed until `undrain` or `hold`.
        case drain(BackendReference, deadline: Duration)
        /// Asks whether it is still drained by us, and renews the lease.
        case confirm(BackendReference)
        case restart(Plan.Step, timeout: Duration)
        case probe(BackendReference, timeout: Duration)
        case undrain(BackendReference)
        /// Keeps it drained without a lease: it must not come back when we are gone.
        case hold(BackendReference, reason: String)
        case abandonRestart
        case tell(BackendReference, Milestone)
        case end(Verdict)
    }
}
