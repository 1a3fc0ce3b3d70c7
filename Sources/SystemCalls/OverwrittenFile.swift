// A file of somebody else's replaced: owner, group and mode stay as they were.
// Invariant: a pointer is lent to one call, and none is kept.
import CLinux
import Glibc

extension Files {
    /// Writes beside, fsyncs, renames. A link is followed: it stays one, and what it leads to is replaced.
    /// `mode`: of a file that is new.
    package static func overwrite(_ path: String, with content: [UInt8], mode: mode_t = 0o640) throws(SystemError) {
        let path = try real(path)
        var status = stat()
        let isThere = stat(path, &status) == 0
        let beside = path + ".new"
        try remove(beside)
        do throws(SystemError) {
            // Whoever may write to the folder must not choose where the content goes.
            let file = try open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, isThere ? 0o600 : mode)
            try write(content, to: file.number, on: beside)
            if isThere {
                try keepOwner(of: file, status, beside)
                try checked("fchmod", on: beside) { fchmod(file.number, status.st_mode & 0o7777) }
            }
            try checked("fsync", on: beside) { fsync(file.number) }
            try checked("rename", on: path) { rename(beside, path) }
        } catch {
            try remove(beside)
            throw error
        }
        let folder = try open(Files.folder(of: path), O_RDONLY | O_DIRECTORY)
        try checked("fsync", on: path) { fsync(folder.number) }
    }

    private static func keepOwner(of file: borrowing Descriptor, _ status: stat, _ beside: String) throws(SystemError) {
        var own = stat()
        try checked("fstat", on: beside) { fstat(file.number, &own) }
        guard own.st_uid != status.st_uid || own.st_gid != status.st_gid else { return }
        try checked("fchown", on: beside) { fchown(file.number, status.st_uid, status.st_gid) }
    }

    /// Where links lead; a file that is not there yet is itself.
    private static func real(_ path: String) throws(SystemError) -> String {
        guard let resolved = realpath(path, nil) else {
            let failure = errno
            if failure == ENOENT { return path }
            throw SystemError("realpath", failure, on: path)
        }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
