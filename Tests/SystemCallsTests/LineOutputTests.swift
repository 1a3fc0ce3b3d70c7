// Lines for a reader who may be slow, gone or a full disk. Faults: a write that blocks the loop; flags changed that others
// share; a line torn in two by another process.
import CLinux
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import SystemCalls

struct LineOutputTests {
    private static let line = Array((String(repeating: "x", count: 99) + "\n").utf8)

    /// What is written to one end is read from the other.
    private final class Ends {
        private(set) var reader: Int32
        let writer: Int32

        init(_ call: String, _ make: (inout [Int32]) -> Int32) throws {
            var ends: [Int32] = [0, 0]
            guard make(&ends) == 0 else { throw SystemError(call, errno) }
            (reader, writer) = (ends[0], ends[1])
        }

        static func pipe() throws -> Ends { try Ends("pipe2") { pipe2(&$0, O_CLOEXEC) } }

        func closeReader() {
            if reader >= 0 { close(reader) }
            reader = -1
        }

        deinit {
            closeReader()
            close(writer)
        }
    }

    /// Whole lines until there is no more room; how many bytes.
    private func fill(_ output: LineOutput) -> Int {
        let bytes = Array(repeatElement(LineOutputTests.line, count: 1000).joined())
        var written = 0
        while case .bytes(let count) = output.write(bytes, from: 0) { written += count }
        return written
    }

    @Test("a full pipe would block, and its flags are untouched; with room again it goes on where it was")
    func fullPipe() throws {
        let ends = try Ends.pipe()
        let output = LineOutput(borrowing: ends.writer)
        let written = fill(output)
        #expect(written >= 32 * 1024 && written % 100 == 0)
        #expect(output.write(LineOutputTests.line, from: 0) == .wouldBlock && !output.isWritable(within: .zero))
        #expect(fcntl(ends.writer, F_GETFL) & O_NONBLOCK == 0)
        var buffer = [UInt8](repeating: 0, count: written)
        #expect(read(ends.reader, &buffer, written) == written)
        #expect(output.write(LineOutputTests.line, from: 0) == .bytes(100))
    }

    /// As an older kernel makes us: it has no RWF_NOWAIT for pipes.
    @Test("the same where the kernel has to be asked before each write")
    func fullPipeAskedFirst() throws {
        let ends = try Ends.pipe()
        let output = LineOutput(borrowing: ends.writer)
        output.canWriteNow.store(false, ordering: .relaxed)
        #expect(fill(output) >= 32 * 1024)
        #expect(output.write(LineOutputTests.line, from: 0) == .wouldBlock)
    }

    @Test("a reader that is gone is a failure and no signal")
    func goneReader() throws {
        signal(SIGPIPE, SIG_IGN)
        let ends = try Ends.pipe()
        let output = LineOutput(borrowing: ends.writer)
        ends.closeReader()
        #expect(output.write(LineOutputTests.line, from: 0) == .failed(errorNumber: EPIPE))
    }

    @Test("a full stream socket would block, and its flags are untouched")
    func fullSocket() throws {
        let ends = try Ends("socketpair") { socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &$0) }
        let output = LineOutput(borrowing: ends.writer)
        #expect(fill(output) >= 4000)
        #expect(output.write(LineOutputTests.line, from: 0) == .wouldBlock)
        #expect(fcntl(ends.writer, F_GETFL) & O_NONBLOCK == 0)
    }

    @Test("a full device is a failure, a folder that is not there an error")
    func files() throws {
        let full = try LineOutput.file("/dev/full")
        #expect(full.write(LineOutputTests.line, from: 0) == .failed(errorNumber: ENOSPC))
        let folder = try TemporaryFolder()
        #expect(throws: SystemError("open", ENOENT, on: folder.file("no/log"))) { try LineOutput.file(folder.file("no/log")) }
        #expect(mkfifo(folder.file("fifo"), 0o600) == 0)
        #expect(throws: SystemError("open", ENXIO, on: folder.file("fifo"))) { try LineOutput.file(folder.file("fifo")) }
    }

    /// Append mode: without it each would write over the other's lines.
    @Test("two who append to one file do not tear each other's lines")
    func twoWriters() throws {
        let folder = try TemporaryFolder()
        let outputs = try (0..<2).map { _ in try LineOutput.file(folder.file("log")) }
        let bytes = Array(repeatElement(LineOutputTests.line, count: 50).joined())
        for _ in 0..<20 { for output in outputs { #expect(output.write(bytes, from: 0) == .bytes(5000)) } }
        let lines = try Files.read(folder.file("log"), bytesMax: 1 << 20).split(separator: 0x0A)
        #expect(lines.count == 2000 && lines.allSatisfy { $0.count == 99 })
        var status = stat()
        #expect(stat(folder.file("log"), &status) == 0 && status.st_mode & 0o137 == 0)
    }
}
