// A failed system call: which, why, and on what. EINTR is handled here, once.
import CLinux
import Glibc

package struct SystemError: Error, Equatable, CustomStringConvertible {
    /// The call's name, as in the manual.
    package let call: String
    package let errorNumber: Int32
    /// The endpoint, path or program that it was about.
    package let subject: String?

    package init(_ call: String, _ errorNumber: Int32, on subject: String? = nil) {
        self.call = call
        self.errorNumber = errorNumber
        self.subject = subject
    }

    /// `connect 127.0.0.1:80: Connection refused`
    package var description: String {
        call + (subject.map { " \($0)" } ?? "") + ": " + SystemError.words(for: errorNumber)
    }

    package var isMissingFile: Bool { errorNumber == ENOENT }

    /// Of a lock: another process has it.
    package var isHeldByAnother: Bool { errorNumber == EAGAIN || errorNumber == EACCES }

    /// This process or this machine has run out of something (descriptors, memory, local ports): no peer is to blame.
    package var isShortage: Bool { SystemError.isShortage(errorNumber) }

    package static func isShortage(_ errorNumber: Int32) -> Bool {
        switch errorNumber {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL: true
        default: false
        }
    }

    package static func words(for errorNumber: Int32) -> String {
        String(cString: strerror(errorNumber))
    }
}

/// Repeats a call that a signal interrupted; throws its errno, read at once, when it returns -1.
@discardableResult
func checked<Result: SignedInteger>(
    _ call: String, on subject: String? = nil, _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result != -1 { return result }
        let failure = errno
        if failure != EINTR { throw SystemError(call, failure, on: subject) }
    }
}
