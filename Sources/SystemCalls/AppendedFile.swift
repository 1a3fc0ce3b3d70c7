// A file that grows a line at a time, each of them on the disk before the call returns: a journal.
import Glibc

package final class AppendedFile: Sendable {
    private let descriptor: Descriptor
    private let path: String

    /// A new file (EEXIST where there is one already), its name on the disk too.
    package init(creating path: String, mode: mode_t = 0o600) throws(SystemError) {
        self.path = path
        AppendedFile.ignoreSizeSignal()
        descriptor = try Files.open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL, mode)
        try Files.sync(folder: Files.folder(of: path))
    }

    /// One that is there: its first `length` bytes stay, what came after them is cut off. Nil: all of it stays.
    package init(opening path: String, keeping length: Int? = nil) throws(SystemError) {
        self.path = path
        AppendedFile.ignoreSizeSignal()
        descriptor = try Files.open(path, O_RDWR | O_APPEND)
        guard let length, try size() > length else { return }
        try checked("ftruncate", on: path) { ftruncate(descriptor.number, length) }
        try checked("fdatasync", on: path) { fdatasync(descriptor.number) }
    }

    /// One write, and to the disk. What was written of a line that does not fit (ENOSPC, EFBIG) is taken back, so that
    /// the next reader does not find half of one. One caller at a time. May block: not on a loop's thread.
    package func append(_ bytes: [UInt8]) throws(SystemError) {
        let before = try size()
        let written: Int
        do throws(SystemError) {
            written = try checked("write", on: path) { write(descriptor.number, bytes, bytes.count) }
        } catch {
            throw takeBack(to: before, error)
        }
        // A disk that is full takes a part and says so at the next write only.
        guard written == bytes.count else { throw takeBack(to: before, SystemError("write", ENOSPC, on: path)) }
        do throws(SystemError) {
            try checked("fdatasync", on: path) { fdatasync(descriptor.number) }
        } catch {
            throw takeBack(to: before, error)
        }
    }

    private func size() throws(SystemError) -> Int {
        var status = stat()
        try checked("fstat", on: path) { fstat(descriptor.number, &status) }
        return Int(status.st_size)
    }

    /// The failure to tell is the first one: a half line that cannot be taken back is a torn one, which readers know.
    private func takeBack(to length: Int, _ failure: SystemError) -> SystemError {
        _ = ftruncate(descriptor.number, length)
        return failure
    }

    /// A process whose files may grow to a limit only (ulimit -f) is told so by the write, not killed by it.
    private static func ignoreSizeSignal() { signal(SIGXFSZ, SIG_IGN) }
}
