// A file that lives in memory, for others to look into: made under a name of its own, its memory taken before it is used.
// Invariant: a pointer is lent to one call, and none is kept.
import CLinux
import Glibc

/// Of a fixed size, with holes where no memory was taken yet. A store into a hole kills the process where there is no
/// memory for it (SIGBUS): so what is used is reserved first. It is locked as long as its maker has it (see OpenFileLock).
package final class MemoryFile: Sendable {
    package let path: String
    private let descriptor: Descriptor

    package var number: Int32 { descriptor.number }

    /// EEXIST: there is something of that name. ENODEV: the folder is not in memory, and each store would reach a disk.
    package init(_ path: String, bytes: Int, mode: mode_t) throws(SystemError) {
        self.path = path
        let isInMemory = try checked("statfs", on: Files.folder(of: path)) { sluice_is_in_memory(Files.folder(of: path)) }
        guard isInMemory == 1 else { throw SystemError("statfs", ENODEV, on: Files.folder(of: path)) }
        var limit = rlimit()
        try checked("getrlimit") { getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) }
        // Beyond it the kernel sends a signal that ends us.
        guard limit.rlim_cur >= UInt(bytes) else { throw SystemError("ftruncate", EFBIG, on: path) }
        descriptor = try Files.open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode)
        do throws(SystemError) {
            try checked("fchmod", on: path) { fchmod(descriptor.number, mode) }
            try checked("ftruncate", on: path) { ftruncate(descriptor.number, off_t(bytes)) }
            try OpenFileLock.take(descriptor, path)
        } catch {
            try Files.remove(path)
            throw error
        }
    }

    /// Takes the memory behind a part of it; what is there already stays.
    package func reserve(_ part: Range<Int>) throws(SystemError) {
        let failure = MemoryFile.reserve(number, offset: part.lowerBound, count: part.count)
        guard failure == 0 else { throw SystemError("fallocate", failure, on: path) }
    }

    /// The same by its descriptor; 0, or the errno.
    package static func reserve(_ descriptor: Int32, offset: Int, count: Int) -> Int32 {
        while true {
            let failure = posix_fallocate(descriptor, off_t(offset), off_t(count))
            if failure != EINTR { return failure }
        }
    }
}
