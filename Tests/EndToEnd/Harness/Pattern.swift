// A stream of any length whose every byte is known, made and checked at the speed of memory.
import Glibc
import Model
import SystemCalls
import Testing

/// Random bytes again and again, with a period longer than everything that lies on the way between two sockets and
/// of no round number: a lost, repeated or exchanged piece shifts it.
final class Pattern: Sendable {
    static let period = 33_554_393
    /// The period and as much again as one call moves at most.
    private let bytes: [UInt8]
    private static let callMax = 1 << 20

    init() throws {
        let period = try Content.random(Pattern.period)
        bytes = period + period.prefix(Pattern.callMax)
    }

    func send(_ count: Int, over peer: Peer) throws {
        var sent = 0
        while sent < count {
            let wanted = min(Pattern.callMax, count - sent)
            let transfer = bytes.withUnsafeBytes { Sockets.send(peer.number, from: $0.baseAddress! + sent % Pattern.period, count: wanted) }
            switch transfer {
            case .bytes(let count): sent += count
            case .wouldBlock: try peer.wait(for: POLLOUT, "the other side to read")
            case .failed(let failure): throw SystemError("send", failure)
            case .end: throw HarnessError("a send has no end")
            }
        }
    }

    /// Reads to the end, or to `max` bytes; throws at the first wrong byte's block. How many there were.
    func receive(from peer: Peer, max: Int = .max) throws -> (count: Int, ending: Ending?) {
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: Pattern.callMax, alignment: 4096)
        defer { buffer.deallocate() }
        var received = 0
        while received < max {
            switch Sockets.receive(peer.number, into: buffer, capacity: min(Pattern.callMax, max - received)) {
            case .bytes(let count):
                let isRight = bytes.withUnsafeBytes { memcmp($0.baseAddress! + received % Pattern.period, buffer, count) == 0 }
                guard isRight else { throw HarnessError("wrong bytes in \(count) from \(received) on") }
                received += count
            case .end: return (received, .end)
            case .wouldBlock: try peer.wait(for: POLLIN, "something to read")
            case .failed(ECONNRESET): return (received, .reset)
            case .failed(let failure): throw SystemError("recv", failure)
            }
        }
        return (received, nil)
    }
}
