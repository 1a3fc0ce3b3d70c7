// A small file whose room on the disk is taken before it is needed: what has to be said at the end can be said on a full one.
import CLinux
import Glibc

/// It has its name only from `publish` on; before that it lies beside, under `NAME.new`.
package final class ReservedFile: Sendable {
    /// Room for the content.
    package static let bytesMax = 4096

    private let descriptor: Descriptor
    private let path: String
    private var beside: String { path + ".new" }

    /// Takes the room; ENOSPC where there is none.
    package init(_ path: String, mode: mode_t = 0o600) throws(SystemError) {
        self.path = path
        descriptor = try Files.open(path + ".new", O_WRONLY | O_CREAT | O_TRUNC, mode)
        let blank = [UInt8](repeating: UInt8(ascii: " "), count: ReservedFile.bytesMax)
        try Files.write(blank, to: descriptor.number, on: path)
        try checked("fsync", on: path) { fsync(descriptor.number) }
    }

    /// The content, cut at `bytesMax`, in place and on the disk, and then its name. Once.
    package func publish(_ content: [UInt8]) throws(SystemError) {
        let content = Array(content.prefix(ReservedFile.bytesMax))
        let written = try checked("pwrite", on: path) { pwrite(descriptor.number, content, content.count, 0) }
        guard written == content.count else { throw SystemError("pwrite", ENOSPC, on: path) }
        try checked("ftruncate", on: path) { ftruncate(descriptor.number, content.count) }
        try checked("fsync", on: path) { fsync(descriptor.number) }
        try checked("rename", on: path) { rename(beside, path) }
        try Files.sync(folder: Files.folder(of: path))
    }
}
