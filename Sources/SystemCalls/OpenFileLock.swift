// A lock that goes with an open file: as long as its holder has the file open, everybody who may read it can see so. It
// needs neither /proc nor the holder's number, and so holds across process namespaces (fcntl(2), open file description locks).
import CLinux

/// A child has it too from its fork to its exec, which closes the file; no longer.
enum OpenFileLock {
    /// Of a file that is open for writing; EAGAIN: another open file has it locked.
    static func take(_ file: borrowing Descriptor, _ path: String) throws(SystemError) {
        let number = file.number
        try checked("lock", on: path) { sluice_lock_open_file(number) }
    }

    /// A look that neither waits nor is in anybody's way. What the same open file has locked does not count.
    static func isTaken(_ file: borrowing Descriptor, _ path: String) throws(SystemError) -> Bool {
        let number = file.number
        return try checked("lock", on: path) { sluice_open_file_is_locked(number) } == 1
    }
}
