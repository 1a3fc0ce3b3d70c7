// One end's part in a connection whose every byte is checked: what it sends, when it pauses, how it ends.
import Glibc
import Model
import SystemCalls
import Testing

struct Script: Sendable {
    enum End: Equatable, Sendable {
        /// Its direction ends by a FIN, then it reads to the other's end.
        case finish
        /// It resets when its last byte is acknowledged: the other gets all of them.
        case resetAfterAll
        /// It resets without waiting: the other gets what had left by then.
        case resetAtOnce
    }
    /// Where in the shared content its bytes begin, and how many there are.
    let offset: Int
    let count: Int
    let end: End

    /// Random, most of them short. `mayReset`: one of the two ends at most does.
    init(_ random: inout SeededRandom, content: Int, mayReset: Bool) {
        let largest = [4 << 10, 4 << 10, 256 << 10, 2 << 20][Int.random(in: 0...3, using: &random)]
        count = Int.random(in: 0...largest, using: &random)
        offset = Int.random(in: 0...(content - count), using: &random)
        let resets = mayReset && Int.random(in: 0...2, using: &random) == 0
        end = resets ? (Bool.random(using: &random) ? .resetAfterAll : .resetAtOnce) : .finish
    }

    /// What one end saw of the other.
    struct Report: Sendable {
        var received = 0
        var isContentRight = true
        /// nil where it reset before the other had ended.
        var ending: Ending?
        /// A send that failed takes the reset's error away from the receive: it counts as told.
        var isToldOfReset = false
    }
}

/// Plays a script with one thread for both directions, because the two meet in a reset.
struct Performance {
    let peer: Peer
    let script: Script
    let content: [UInt8]
    /// What the other end will send, if it sends all of it.
    let other: Script
    var random: SeededRandom
    private var sent = 0
    private var isSendingOver = false
    private var report = Script.Report()
    private var sendAgain = ContinuousClock.now
    private var readAgain = ContinuousClock.now

    init(_ peer: Peer, _ script: Script, against other: Script, _ content: [UInt8], _ random: SeededRandom) {
        (self.peer, self.script, self.other, self.content, self.random) = (peer, script, other, content, random)
    }

    mutating func run(within limit: Duration = .seconds(30)) throws -> Script.Report {
        let deadline = ContinuousClock.now + limit * Scale.patience
        while !isSendingOver || report.ending == nil {
            let now = ContinuousClock.now
            guard now < deadline else { throw HarnessError("\(sent) of \(script) sent, \(report) in \(limit.spoken)") }
            if !isSendingOver, sent == script.count, try endSending() { return report }
            let sends = !isSendingOver && now >= sendAgain && sent < script.count
            let reads = report.ending == nil && now >= readAgain
            let events = (sends ? POLLOUT : 0) | (reads ? POLLIN : 0)
            guard events != 0 else {
                poll(nil, 0, 1)
                continue
            }
            var watched = pollfd(fd: peer.number, events: Int16(events), revents: 0)
            poll(&watched, 1, 2)
            if reads { try read() }
            if sends { try send() }
        }
        peer.close()
        return report
    }

    /// True: it was by a reset, and everything is over.
    private mutating func endSending() throws -> Bool {
        isSendingOver = true
        switch script.end {
        case .finish:
            peer.halfClose()
            return false
        case .resetAfterAll:
            if !report.isToldOfReset { try peer.flush() }
            peer.reset()
            return true
        case .resetAtOnce:
            peer.reset()
            return true
        }
    }

    private mutating func send() throws {
        let count = min(script.count - sent, Int.random(in: 1...(128 << 10), using: &random))
        let transfer = content.withUnsafeBytes { Sockets.send(peer.number, from: $0.baseAddress! + script.offset + sent, count: count) }
        switch transfer {
        case .bytes(let count): sent += count
        case .wouldBlock: break
        case .failed(ECONNRESET), .failed(EPIPE):
            report.isToldOfReset = true
            isSendingOver = true
        case .failed(let failure): throw SystemError("send", failure)
        case .end: throw HarnessError("a send has no end")
        }
        sendAgain = pause()
    }

    private mutating func read() throws {
        let capacity = Int.random(in: 1...(256 << 10), using: &random)
        let (transfer, isRight) = withUnsafeTemporaryAllocation(byteCount: capacity, alignment: 16) { buffer in
            let transfer = Sockets.receive(peer.number, into: buffer.baseAddress!, capacity: capacity)
            guard case .bytes(let count) = transfer else { return (transfer, true) }
            guard report.received + count <= other.count else { return (transfer, false) }
            return (transfer, content.withUnsafeBytes { memcmp($0.baseAddress! + other.offset + report.received, buffer.baseAddress!, count) == 0 })
        }
        report.isContentRight = report.isContentRight && isRight
        switch transfer {
        case .bytes(let count): report.received += count
        case .wouldBlock: break
        case .end: report.ending = .end
        case .failed(ECONNRESET), .failed(EPIPE):
            report.ending = .reset
            report.isToldOfReset = true
            isSendingOver = true
        case .failed(let failure): throw SystemError("recv", failure)
        }
        readAgain = pause()
    }

    /// One in eight times up to 8 ms, so that buffers on the way fill and empty.
    private mutating func pause() -> ContinuousClock.Instant {
        guard Int.random(in: 0..<8, using: &random) == 0 else { return .now }
        return .now + .milliseconds(Int.random(in: 1...8, using: &random))
    }
}
