// A file without a name: what a child prints goes in, its end is read back.
import CLinux
import Glibc

/// Unlike a pipe it never kills a writer that outlives us (SIGPIPE), and it needs nobody who empties it.
/// The kernel frees it with its last descriptor.
package struct TemporaryFile: ~Copyable, Sendable {
    private let descriptor: Descriptor

    package var number: Int32 { descriptor.number }

    /// In $TMPDIR, else /tmp.
    package init() throws(SystemError) {
        let folder = Environment.value("TMPDIR") ?? "/tmp"
        var path = Array("\(folder)/sluice.XXXXXX".utf8CString)
        let opened = Descriptor(owning: try checked("mkostemp", on: folder) { mkostemp(&path, O_APPEND | O_CLOEXEC) })
        try checked("unlink", on: folder) { unlink(path) }
        descriptor = opened
    }

    /// The last `bytesMax` bytes, or all where there are fewer.
    package func tail(bytesMax: Int) throws(SystemError) -> [UInt8] {
        let size = try checked("lseek") { lseek(descriptor.number, 0, SEEK_END) }
        var bytes = [UInt8](repeating: 0, count: min(bytesMax, size))
        let count = try checked("pread") { pread(descriptor.number, &bytes, bytes.count, size - bytes.count) }
        return Array(bytes[..<count])
    }
}
