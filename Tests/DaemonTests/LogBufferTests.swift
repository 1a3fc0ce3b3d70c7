// Lines that wait for their reader. Faults: memory without bound; lines lost and nobody told; half a line after a full disk.
import Glibc
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

struct LogBufferTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("fifo")
        guard mkfifo(path, 0o600) == 0 else { throw SystemError("mkfifo", errno) }
    }

    private func line(_ number: Int) -> [UInt8] { Array("line \(number) \(String(repeating: "x", count: 80))\n".utf8) }

    private func notice(_ lines: Int, _ failure: String?) -> [UInt8] { Array("lost \(lines) \(failure ?? "slow")\n".utf8) }

    /// All that there is to read now.
    private func drain(_ reader: borrowing Descriptor) -> [String] {
        var (text, buffer): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 1 << 20))
        while case let count = read(reader.number, &buffer, buffer.count), count > 0 { text += buffer[..<count] }
        return text.split(separator: 0x0A).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test("a reader that stands still: what does not fit is counted, and told where it is missing, once it reads again")
    func slowReader() throws {
        let reader = try Files.open(path, O_RDONLY | O_NONBLOCK)
        let output = try LineOutput.file(path)
        var buffer = LogBuffer(capacity: 20_000)
        for number in 0..<2000 {
            buffer.append(line(number))
            _ = buffer.flush(to: output, notice)
        }
        #expect(buffer.isFull && buffer.lostTotal > 500)
        var lines: [String] = []
        while buffer.flush(to: output, notice) == .wouldBlock { lines += drain(reader) }
        lines += drain(reader)
        let numbers = lines.compactMap { $0.hasPrefix("line ") ? Int($0.split(separator: " ")[1]) : nil }
        #expect(numbers == Array(0..<(2000 - Int(buffer.lostTotal))))
        #expect(lines.last == "lost \(buffer.lostTotal) slow")
        #expect(!buffer.isFull && buffer.isEmpty)
    }

    @Test("an output that refuses: its lines are counted, and told before the next ones, with the reason")
    func refusal() throws {
        let full = try LineOutput.file("/dev/full")
        var buffer = LogBuffer(capacity: 20_000)
        for number in 0..<5 {
            buffer.append(line(number))
            let outcome = buffer.flush(to: full, notice)
            #expect(outcome == .failed(errorNumber: ENOSPC))
        }
        #expect(buffer.lostTotal == 5 && buffer.owesNotice)
        buffer.append(line(5))
        let output = try LineOutput.file(folder.file("log"))
        let outcome = buffer.flush(to: output, notice)
        #expect(outcome == .done)
        let lines = try Files.read(folder.file("log"), bytesMax: 1 << 20).split(separator: 0x0A).map { String(decoding: $0, as: UTF8.self) }
        #expect(lines == ["lost 5 No space left on device", String(decoding: line(5).dropLast(), as: UTF8.self)])
        #expect(buffer.lostTotal == 5 && !buffer.owesNotice)
    }
}
