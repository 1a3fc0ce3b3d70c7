// Small files: read with a bound, replaced atomically, locked by one process at a time.
// Invariant: a pointer is lent to one call, and none is kept.
import CLinux
import Glibc

package enum Files {
    /// The whole content; a folder, a missing file or more than `bytesMax` is an error (EISDIR, ENOENT, EFBIG).
    package static func read(_ path: String, bytesMax: Int) throws(SystemError) -> [UInt8] {
        let file = try open(path, O_RDONLY | O_NONBLOCK)
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = try checked("read", on: path) { Glibc.read(file.number, &buffer, buffer.count) }
            guard count > 0 else { return content }
            content += buffer[..<count]
            guard content.count <= bytesMax else { throw SystemError("read", EFBIG, on: path) }
        }
    }

    /// Writes beside, fsyncs, renames: a reader sees the old content or the new, never a part.
    package static func replace(_ path: String, with content: [UInt8], mode: mode_t = 0o640) throws(SystemError) {
        _ = try replacement(of: path, with: content, mode: mode)
    }

    /// The same; the new file is still open.
    static func replacement(of path: String, with content: [UInt8], mode: mode_t = 0o640) throws(SystemError) -> Descriptor {
        let beside = path + ".new"
        let file = try open(beside, O_WRONLY | O_CREAT | O_TRUNC, mode)
        try write(content, to: file.number, on: beside)
        try checked("fsync", on: beside) { fsync(file.number) }
        try checked("rename", on: path) { rename(beside, path) }
        let folder = try open(Files.folder(of: path), O_RDONLY | O_DIRECTORY)
        try checked("fsync", on: path) { fsync(folder.number) }
        return file
    }

    package static func open(_ path: String, _ flags: Int32, _ mode: mode_t = 0) throws(SystemError) -> Descriptor {
        Descriptor(owning: try checked("open", on: path) { Glibc.open(path, flags | O_CLOEXEC, mode) })
    }

    /// Writes everything to a blocking descriptor.
    package static func write(_ content: [UInt8], to descriptor: Int32, on subject: String? = nil) throws(SystemError) {
        var rest = content[...]
        while !rest.isEmpty {
            let written = try checked("write", on: subject) {
                rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            }
            rest = rest.dropFirst(written)
        }
    }

    /// Creates the folder and those above it where they are missing.
    package static func makeFolder(_ path: String, mode: mode_t = 0o750) throws(SystemError) {
        do {
            try makeOneFolder(path, mode)
        } catch {
            guard error.errorNumber == ENOENT, !path.isEmpty, folder(of: path) != path else { throw error }
            try makeFolder(folder(of: path), mode: mode)
            // Once more and no further: some file systems (/proc) say ENOENT for ever.
            try makeOneFolder(path, mode)
        }
    }

    /// One that is there already is no error.
    private static func makeOneFolder(_ path: String, _ mode: mode_t) throws(SystemError) {
        guard mkdir(path, mode) != 0 else { return }
        let failure = errno
        guard failure == EEXIST else { throw SystemError("mkdir", failure, on: path) }
        var status = stat()
        try checked("stat", on: path) { stat(path, &status) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw SystemError("mkdir", ENOTDIR, on: path) }
    }

    /// Takes the file's lock for as long as the descriptor lives, or throws EAGAIN: another process has it.
    package static func lock(_ path: String) throws(SystemError) -> Descriptor {
        let file = try open(path, O_RDWR | O_CREAT, 0o640)
        try checked("flock", on: path) { flock(file.number, LOCK_EX | LOCK_NB) }
        return file
    }

    /// Whether the name itself (not what it links to) is a socket's.
    static func isSocket(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    }

    /// Whether something else than a socket stands at the path or behind its link.
    package static func isOtherThanSocket(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFSOCK
    }

    /// Who besides its owner may put something else in the place of what lies in a folder.
    package enum FolderWriters: Equatable, Sendable {
        case everybody
        case group(UInt32)
    }

    /// The nearest folder above `path` in which others may replace what is ours: they may write there, and it is not
    /// sticky, or it belongs to neither root nor us. Our own group is none of them. Nil: none.
    package static func folderOpenToOthers(
        above path: String
    ) throws(SystemError) -> (folder: String, writers: FolderWriters, isSticky: Bool)? {
        guard let resolved = realpath(folder(of: path), nil) else { throw SystemError("realpath", errno, on: path) }
        defer { free(resolved) }
        var folder = String(cString: resolved)
        while true {
            var status = stat()
            try checked("stat", on: folder) { stat(folder, &status) }
            let isSticky = status.st_mode & S_ISVTX != 0
            let isSafe = isSticky && (status.st_uid == 0 || status.st_uid == geteuid())
            if status.st_mode & S_IWOTH != 0, !isSafe { return (folder, .everybody, isSticky) }
            if status.st_mode & S_IWGRP != 0, status.st_gid != getegid(), !isSafe { return (folder, .group(status.st_gid), isSticky) }
            guard folder != "/" else { return nil }
            folder = Files.folder(of: folder)
        }
    }

    /// Whatever had the new name loses it in the same moment.
    package static func move(_ path: String, to other: String) throws(SystemError) {
        try checked("rename", on: path) { rename(path, other) }
    }

    /// Removes a name; one that is not there is no error.
    package static func remove(_ path: String) throws(SystemError) {
        guard unlink(path) != 0, errno != ENOENT else { return }
        throw SystemError("unlink", errno, on: path)
    }

    package static func workingFolder() throws(SystemError) -> String {
        guard let path = getcwd(nil, 0) else { throw SystemError("getcwd", errno) }
        defer { free(path) }
        return String(cString: path)
    }

    /// Relative paths of this process, and of the children that it starts, are meant from there.
    package static func enter(_ folder: String) throws(SystemError) {
        try checked("chdir", on: folder) { chdir(folder) }
    }

    /// `path` itself where it is absolute, else below `folder`.
    package static func resolve(_ path: String, in folder: String) -> String {
        path.hasPrefix("/") ? path : folder == "/" ? "/" + path : folder + "/" + path
    }

    /// The folder that a path lies in: `.` for a bare name.
    package static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
