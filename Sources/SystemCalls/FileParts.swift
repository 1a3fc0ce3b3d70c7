// Parts of a file, read where they lie: its writer goes on meanwhile, and may cut it short.
// Invariant: a pointer is lent to one call, and none is kept.
import Glibc

package final class FileParts: Sendable {
    private let descriptor: Descriptor
    private let path: String

    /// Not through a link; a pipe or a device under that name is EINVAL.
    package init(_ path: String) throws(SystemError) {
        self.path = path
        descriptor = try Files.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        guard try status().st_mode & S_IFMT == S_IFREG else { throw SystemError("open", EINVAL, on: path) }
    }

    package func size() throws(SystemError) -> Int { Int(try status().st_size) }

    package func owner() throws(SystemError) -> UInt32 { try status().st_uid }

    /// Whether somebody else has it open and locked, in whatever namespace: see OpenFileLock.
    package func isHeld() throws(SystemError) -> Bool { try OpenFileLock.isTaken(descriptor, path) }

    private func status() throws(SystemError) -> stat {
        var status = stat()
        try checked("fstat", on: path) { fstat(descriptor.number, &status) }
        return status
    }

    /// Fewer bytes where the file ends before.
    package func read(at offset: Int, count: Int) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let more = try checked("pread", on: path) {
                bytes.withUnsafeMutableBytes { pread(descriptor.number, $0.baseAddress! + filled, count - filled, off_t(offset + filled)) }
            }
            guard more > 0 else { break }
            filled += more
        }
        if filled < count { bytes.removeLast(count - filled) }
        return bytes
    }
}
