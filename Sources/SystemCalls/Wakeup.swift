// An eventfd: one thread tells another that there is something to fetch.
import CLinux
import Glibc

package struct Wakeup: ~Copyable, Sendable {
    private let descriptor: Descriptor

    package init() throws(SystemError) {
        descriptor = Descriptor(owning: try checked("eventfd") { eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC)) })
    }

    /// Becomes readable when somebody signals; to be watched, not read.
    package var number: Int32 { descriptor.number }

    /// From any thread. A full counter (EAGAIN) means that the other side has not looked yet: it will.
    package func signal() {
        _ = eventfd_write(descriptor.number, 1)
    }

    /// Takes the signals that arrived; call before looking for what they announced.
    package func clear() {
        var count: eventfd_t = 0
        _ = eventfd_read(descriptor.number, &count)
    }
}
