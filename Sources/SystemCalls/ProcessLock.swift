// A file's lock whose holder the kernel names: who runs is never a matter of a stale file.
import Glibc

/// Held by this process for as long as the value lives, and gone with the process however it ends.
/// Nothing else in the process may open the file: closing any descriptor of it lets the lock go (fcntl(2)).
package struct ProcessLock: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Takes the lock, or throws EAGAIN: another process has it.
    package init(_ path: String) throws(SystemError) {
        let file = try Files.open(path, O_RDWR | O_CREAT, 0o640)
        var whole = ProcessLock.wholeFile
        try checked("lock", on: path) { fcntl(file.number, F_SETLK, &whole) }
        descriptor = file
    }

    /// The process that holds the lock now; nil when none does.
    package static func holder(of path: String) throws(SystemError) -> pid_t? {
        do {
            let file = try Files.open(path, O_RDONLY)
            var found = wholeFile
            try checked("lock", on: path) { fcntl(file.number, F_GETLK, &found) }
            return found.l_type == Int16(F_UNLCK) ? nil : found.l_pid
        } catch where error.errorNumber == ENOENT {
            return nil
        }
    }

    private static var wholeFile: flock {
        flock(l_type: Int16(F_WRLCK), l_whence: Int16(SEEK_SET), l_start: 0, l_len: 0, l_pid: 0)
    }
}
