// Folders: what is in one, a new one that nobody else has made, and names that are on the disk.
// Invariant: a pointer is lent to one call, and none is kept.
import Glibc

extension Files {
    /// The names in a folder, sorted, without `.` and `..`.
    package static func names(in folder: String) throws(SystemError) -> [String] {
        guard let stream = opendir(folder) else { throw SystemError("opendir", errno, on: folder) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw SystemError("readdir", errno, on: folder) }
                return names.sorted()
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
    }

    /// A folder that was not there before; EEXIST where it was. Its name is on the disk.
    package static func makeNewFolder(_ path: String, mode: mode_t) throws(SystemError) {
        try checked("mkdir", on: path) { mkdir(path, mode) }
        try sync(folder: folder(of: path))
    }

    /// The names in a folder are on the disk when this returns.
    package static func sync(folder: String) throws(SystemError) {
        let opened = try open(folder, O_RDONLY | O_DIRECTORY)
        try checked("fsync", on: folder) { fsync(opened.number) }
    }

    /// A new file with its content, both on the disk; EEXIST where there was one: of two who try, one succeeds. Where
    /// it cannot be written it is not there.
    package static func create(_ path: String, with content: [UInt8], mode: mode_t = 0o600) throws(SystemError) {
        let file = try open(path, O_WRONLY | O_CREAT | O_EXCL, mode)
        do throws(SystemError) {
            try write(content, to: file.number, on: path)
            try checked("fsync", on: path) { fsync(file.number) }
            try sync(folder: folder(of: path))
        } catch {
            try remove(path)
            throw error
        }
    }

    /// Whether there is something of that name, whatever it is.
    package static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }
}
