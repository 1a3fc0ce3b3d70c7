// Signals as something to read: blocked in every thread, taken from one descriptor.
import CLinux
import Glibc

package enum Signals {
    package static let terminate = SIGTERM
    package static let kill = SIGKILL
    /// What asks a program at a terminal to stop.
    package static let stopping = [SIGINT, SIGTERM, SIGHUP]

    /// Blocks the signals for this thread and all it starts afterwards, and opens the descriptor that
    /// delivers them. Called once, first thing in main. SIGPIPE is ignored: splice has no MSG_NOSIGNAL. So is SIGXFSZ: a log that
    /// has reached its limit of size fails like one on a full disk.
    /// The others get their default back: a shell without job control starts what it puts behind '&' with SIGINT
    /// ignored, which is meant for the terminal's Ctrl-C and not for a SIGINT that somebody sends to us.
    /// SIGHUP that was ignored at the start stays so and is not delivered: that is how nohup says that the program
    /// outlives its terminal, and a rollout that took it for a request to stop would not.
    package static func open(_ signals: [Int32]) throws(SystemError) -> Descriptor {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        var set = sigset_t()
        sigemptyset(&set)
        let heard = signals.filter { $0 != SIGHUP || !isIgnored($0) }
        // Not the others: what is blocked is kept for the descriptor even where it is ignored.
        for number in heard { sigaddset(&set, number) }
        let failure = pthread_sigmask(SIG_BLOCK, &set, nil)
        guard failure == 0 else { throw SystemError("pthread_sigmask", failure) }
        for number in heard { signal(number, SIG_DFL) }
        return Descriptor(owning: try checked("signalfd") { signalfd(-1, &set, Int32(SFD_NONBLOCK | SFD_CLOEXEC)) })
    }

    /// As whoever started us asked.
    package static var ignoresHangUp: Bool { isIgnored(SIGHUP) }

    private static func isIgnored(_ number: Int32) -> Bool {
        var now = sigaction()
        let result = sigaction(number, nil, &now)
        precondition(result == 0, "asking for a signal that there is")
        // Invariant: a handler is an address, or one of the small numbers that SIG_IGN and SIG_DFL stand for; it is
        // compared here, never called.
        return unsafeBitCast(now.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// The next signal that arrived, or nil when there is none.
    package static func next(_ descriptor: Int32) throws(SystemError) -> Int32? {
        var record = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        do {
            let count = try checked("read signalfd") { read(descriptor, &record, size) }
            precondition(count == size, "signalfd gives whole records")
            return Int32(record.ssi_signo)
        } catch where error.errorNumber == EAGAIN {
            return nil
        }
    }

    package static func name(_ signal: Int32) -> String {
        switch signal {
        case SIGTERM: "SIGTERM"
        case SIGINT: "SIGINT"
        case SIGQUIT: "SIGQUIT"
        case SIGHUP: "SIGHUP"
        case SIGUSR1: "SIGUSR1"
        case SIGUSR2: "SIGUSR2"
        case SIGKILL: "SIGKILL"
        default: "signal \(signal)"
        }
    }
}
