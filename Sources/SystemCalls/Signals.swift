// Signals as something to read: blocked in every thread, taken from one descriptor.
import CLinux
import Glibc

package enum Signals {
    package static let terminate = SIGTERM
    package static let kill = SIGKILL
    /// What asks a program at a terminal to stop.
    package static let stopping = [SIGINT, SIGTERM, SIGHUP]

    /// Blocks the signals for this thread and all it starts afterwards, and opens the descriptor that
    /// delivers them. Called once, first thing in main. SIGPIPE is ignored: splice has no MSG_NOSIGNAL.
    /// The others get their default back: a shell starts what it puts behind '&' with SIGINT ignored, and what is
    /// ignored reaches no descriptor.
    package static func open(_ signals: [Int32]) throws(SystemError) -> Descriptor {
        signal(SIGPIPE, SIG_IGN)
        var set = sigset_t()
        sigemptyset(&set)
        for number in signals {
            sigaddset(&set, number)
        }
        let failure = pthread_sigmask(SIG_BLOCK, &set, nil)
        guard failure == 0 else { throw SystemError("pthread_sigmask", failure) }
        for number in signals { signal(number, SIG_DFL) }
        return Descriptor(owning: try checked("signalfd") { signalfd(-1, &set, Int32(SFD_NONBLOCK | SFD_CLOEXEC)) })
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
