// Pipes, and moving bytes between a socket and a pipe without copying them through user memory.
// Invariant: a pointer is lent to one call, and none is kept.
import CLinux
import Glibc

package enum Splice {
    /// Both ends non-blocking and close-on-exec; nil when the kernel has none to give (EMFILE, ENFILE, ENOMEM).
    package static func openPipe() -> (readEnd: Int32, writeEnd: Int32)? {
        var ends: (Int32, Int32) = (-1, -1)
        let result = withUnsafeMutableBytes(of: &ends) {
            pipe2($0.baseAddress!.assumingMemoryBound(to: Int32.self), O_NONBLOCK | O_CLOEXEC)
        }
        return result == 0 ? (ends.0, ends.1) : nil
    }

    /// Moves up to `count` bytes; one of the two is a pipe. `end` from a socket may also mean an urgent mark with a
    /// FIN behind it: only recv() knows. splice has no MSG_NOSIGNAL: SIGPIPE is ignored (see Signals).
    @inlinable package static func move(from source: Int32, to destination: Int32, count: Int) -> Transfer {
        let flags: UInt32 = 1 | 2  // SPLICE_F_MOVE | SPLICE_F_NONBLOCK
        while true {
            let moved = splice(source, nil, destination, nil, count, flags)
            if moved > 0 { return .bytes(moved) }
            if moved == 0 { return .end }
            let failure = errno
            if failure == EAGAIN { return .wouldBlock }
            if failure != EINTR { return .failed(errorNumber: failure) }
        }
    }
}
