// Where lines go that nobody may wait for: standard error, or a file that is appended to.
// Invariant: a pointer is lent to one call, and none is kept.
//
// Standard error is shared with whoever started us and whom we start: its flags stay as they are, so what may block is
// asked for anew in each call. Whole lines go in one call each where the kernel does not tear them: then two processes
// may write to the same place.
import CLinux
import Glibc
import Synchronization

/// What came of a write.
package enum LineTransfer: Equatable, Sendable {
    case bytes(Int)
    /// The reader is slow: the descriptor tells when there is room again.
    case wouldBlock
    /// A full disk, a reader that is gone: nothing tells when it is over.
    case failed(errorNumber: Int32)
}

package final class LineOutput: Sendable {
    private enum Kind {
        case socket
        /// What has a reader: pipes, terminals.
        case stream
        /// The page cache takes it.
        case file
    }

    /// A write of so many bytes to a pipe is one, and fits where there is any room: PIPE_BUF.
    package static let pieceMax = 4096
    /// Of a file: some milliseconds at most.
    private static let filePieceMax = 256 * 1024

    /// Nil: standard error.
    package let path: String?
    package let number: Int32
    private let kind: Kind
    /// Nil: it is the process's.
    private let owned: Descriptor?
    /// As long as the kernel has not said that it cannot.
    let canWriteNow = Atomic<Bool>(true)

    private init(path: String?, number: Int32, owned: consuming Descriptor?, mode: mode_t) {
        self.path = path
        self.number = number
        self.owned = owned
        kind = switch mode & S_IFMT {
        case S_IFSOCK: .socket
        case S_IFIFO, S_IFCHR: .stream
        default: .file
        }
    }

    /// Of a descriptor that stays its owner's.
    convenience init(borrowing number: Int32) {
        var status = stat()
        // One that is not open refuses every write.
        self.init(path: nil, number: number, owned: nil, mode: fstat(number, &status) == 0 ? status.st_mode : S_IFREG)
    }

    package static func standardError() -> LineOutput {
        guard Terminal.isTerminal(2) else { return LineOutput(borrowing: 2) }
        // A terminal tells that it has room, not how much: opened once more, with flags of our own.
        do throws(SystemError) {
            let own = try Files.open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY)
            return LineOutput(path: nil, number: own.number, owned: own, mode: S_IFCHR)
        } catch {
            return LineOutput(borrowing: 2)
        }
    }

    /// Appends to the file, which is made where there is none. A FIFO without a reader is an error (ENXIO).
    package static func file(_ path: String, mode: mode_t = 0o640) throws(SystemError) -> LineOutput {
        // A process whose files may grow to a limit only (ulimit -f) is told so by the write, not killed by it.
        signal(SIGXFSZ, SIG_IGN)
        let descriptor = try Files.open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, mode)
        var status = stat()
        try checked("fstat", on: path) { fstat(descriptor.number, &status) }
        return LineOutput(path: path, number: descriptor.number, owned: descriptor, mode: status.st_mode)
    }

    /// Systemd's journal reads it: JOURNAL_STREAM names its device and inode.
    package var isJournal: Bool {
        var status = stat()
        guard path == nil, let named = Environment.value("JOURNAL_STREAM"), fstat(2, &status) == 0 else { return false }
        return named == "\(status.st_dev):\(status.st_ino)"
    }

    /// Writes what one call carries of `bytes` from `start` on, which end with a line's end.
    package func write(_ bytes: [UInt8], from start: Int) -> LineTransfer {
        let end = pieceEnd(bytes, from: start)
        return bytes.withUnsafeBytes { buffer in
            let piece = UnsafeRawBufferPointer(rebasing: buffer[start..<end])
            while true {
                let written = write(piece)
                if written >= 0 { return .bytes(written) }
                switch errno {
                case EINTR: continue
                case EAGAIN: return .wouldBlock
                case let failure: return .failed(errorNumber: failure)
                }
            }
        }
    }

    /// Behind as many whole lines as one call may carry; of a longer line within it.
    private func pieceEnd(_ bytes: [UInt8], from start: Int) -> Int {
        let end = start + (kind == .file ? LineOutput.filePieceMax : LineOutput.pieceMax)
        guard end < bytes.count else { return bytes.count }
        return bytes[start..<end].lastIndex(of: 0x0A).map { $0 + 1 } ?? end
    }

    /// -1 with errno.
    private func write(_ piece: UnsafeRawBufferPointer) -> Int {
        switch kind {
        case .socket: return send(number, piece.baseAddress, piece.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        case .file: return Glibc.write(number, piece.baseAddress, piece.count)
        case .stream: return writeToReader(piece)
        }
    }

    private func writeToReader(_ piece: UnsafeRawBufferPointer) -> Int {
        if canWriteNow.load(ordering: .relaxed) {
            let written = sluice_write_now(number, piece.baseAddress, piece.count)
            guard written < 0, errno == EOPNOTSUPP || errno == ENOSYS else { return written }
            canWriteNow.store(false, ordering: .relaxed)
        }
        guard isWritable(within: .zero) else {
            errno = EAGAIN
            return -1
        }
        return Glibc.write(number, piece.baseAddress, piece.count)
    }

    /// Waits for room in the calling thread: only for the end, when there is no loop to wait on.
    package func isWritable(within limit: Duration) -> Bool {
        var entry = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
        return poll(&entry, 1, Int32(clamping: limit.wholeMilliseconds)) == 1
    }
}

/// Descriptors 0, 1 and 2 are taken from here on, if by nothing: else the next socket gets the number, and a client
/// would be sent what is meant for standard error. Once, before anything is opened.
package func holdStandardDescriptors() throws(SystemError) {
    for number: Int32 in 0...2 where fcntl(number, F_GETFD) < 0 {
        // The lowest free one, which is this.
        _ = try checked("open", on: "/dev/null") { open("/dev/null", O_RDWR) }
    }
}
