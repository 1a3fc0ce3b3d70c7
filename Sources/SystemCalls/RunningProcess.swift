// Another process, not necessarily a child: watched and signalled by a pidfd.
import CLinux
import Glibc

/// A signal never reaches a later process of the same number. The pidfd becomes readable when the process has ended.
package struct RunningProcess: ~Copyable, Sendable {
    package let process: pid_t
    private let descriptor: Descriptor

    package var number: Int32 { descriptor.number }

    /// Throws ESRCH where no such process runs.
    package init(_ process: pid_t) throws(SystemError) {
        self.process = process
        descriptor = Descriptor(owning: try checked("pidfd_open", on: "process \(process)") { sluice_pidfd_open(process) })
    }

    /// Signals the process; one that has ended is no error.
    package func signal(_ signal: Int32) throws(SystemError) {
        guard sluice_pidfd_send_signal(descriptor.number, signal) != 0, errno != ESRCH else { return }
        throw SystemError("pidfd_send_signal", errno, on: "process \(process)")
    }
}
