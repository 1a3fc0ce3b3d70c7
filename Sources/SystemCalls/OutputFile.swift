// What a child prints, in a file with a name and a bound: its beginning and its end are kept, the middle is dropped.
// Invariant: a pointer is lent to one call, and none is kept.
import CLinux
import Glibc

/// The child writes to the file itself: unlike a pipe it never kills a writer that outlives us (SIGPIPE), and it needs
/// nobody who empties it. So it is cut to its bound now and then, by whoever calls `bound`.
package final class OutputFile: Sendable {
    private let descriptor: Descriptor
    private let path: String
    private let bytesMax: Int

    package var number: Int32 { descriptor.number }

    /// A new file, or one with nothing in it. `bytesMax`: half of it for the beginning, half for the end.
    package init(_ path: String, bytesMax: Int, mode: mode_t = 0o600) throws(SystemError) {
        self.path = path
        self.bytesMax = bytesMax
        descriptor = try Files.open(path, O_RDWR | O_APPEND | O_CREAT | O_TRUNC, mode)
    }

    /// One without a name: the kernel frees it with its last descriptor.
    package init(unnamedOf bytesMax: Int) throws(SystemError) {
        let folder = Environment.value("TMPDIR") ?? "/tmp"
        path = folder
        self.bytesMax = bytesMax
        var name = Array("\(folder)/sluice.XXXXXX".utf8CString)
        descriptor = Descriptor(owning: try checked("mkostemp", on: folder) { mkostemp(&name, O_APPEND | O_CLOEXEC) })
        try checked("unlink", on: folder) { unlink(name) }
    }

    /// The last `bytesMax` bytes, or all where there are fewer.
    package func tail(bytesMax: Int) throws(SystemError) -> [UInt8] {
        let size = try self.size()
        return try read(from: max(0, size - bytesMax), count: min(bytesMax, size))
    }

    /// Where the file has grown beyond its bound, takes out of its middle what is too much and says so there. `dropped`:
    /// the bytes that were taken out before; the sum is the answer. What is written while the end is moved may be lost
    /// with it, and is not counted.
    package func bound(dropped: Int) throws(SystemError) -> Int {
        let size = try self.size()
        guard size > bytesMax else { return dropped }
        // Room for what is said in the middle.
        let half = max(0, bytesMax - 64) / 2
        var read = try read(from: size - half, count: half)
        var covered = size
        // What was written meanwhile, ever less each time, so that what may be lost is what is written in a moment.
        for _ in 0..<8 {
            let grown = try self.size()
            guard grown > covered else { break }
            read += try self.read(from: covered, count: grown - covered)
            covered = grown
        }
        let end = read.suffix(half)
        let total = dropped + covered - half - end.count
        try checked("ftruncate", on: path) { ftruncate(descriptor.number, half) }
        try Files.write(Array("\n[\(total) bytes dropped here]\n".utf8) + end, to: descriptor.number, on: path)
        return total
    }

    private func size() throws(SystemError) -> Int {
        var status = stat()
        try checked("fstat", on: path) { fstat(descriptor.number, &status) }
        return Int(status.st_size)
    }

    private func read(from offset: Int, count: Int) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = try checked("pread", on: path) {
                bytes.withUnsafeMutableBytes { pread(descriptor.number, $0.baseAddress! + filled, count - filled, offset + filled) }
            }
            guard got > 0 else { return Array(bytes[..<filled]) }
            filled += got
        }
        return bytes
    }
}

extension Files {
    /// The last `bytesMax` bytes of a file, or all where there are fewer.
    package static func tail(of path: String, bytesMax: Int) throws(SystemError) -> [UInt8] {
        let file = try open(path, O_RDONLY)
        let size = try checked("lseek", on: path) { lseek(file.number, 0, SEEK_END) }
        var bytes = [UInt8](repeating: 0, count: min(bytesMax, size))
        let count = try checked("pread", on: path) { pread(file.number, &bytes, bytes.count, size - bytes.count) }
        return Array(bytes[..<count])
    }
}
