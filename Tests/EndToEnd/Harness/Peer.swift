// One end of a stream connection in a test: blocking calls with deadlines, and every way to end it.
import Glibc
import Model
import Synchronization
import SystemCalls
import Testing

/// How the other side ended its direction.
enum Ending: Equatable {
    /// A FIN: everything was said.
    case end
    /// ECONNRESET: cut.
    case reset
}

final class Peer: Sendable {
    let number: Int32
    private let isClosed = Mutex(false)
    /// The reset was there before the connect had been looked at: reading its error has cleared it.
    private let wasReset = Atomic(false)
    /// No single call takes longer.
    private let patience: Duration

    /// Takes over a connected, non-blocking descriptor.
    init(owning descriptor: consuming Descriptor, patience: Duration = .seconds(60)) {
        number = descriptor.release()
        self.patience = patience
        // What delays a byte shall be lbd, not Nagle's algorithm in the test. Unix sockets know no such option.
        var on: Int32 = 1
        _ = setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Connects; throws the kernel's error when nobody listens. `source`: our own address, where the kernel is not to
    /// choose it. `receiveBuffer`: bytes that its kernel holds for it; nil: as the kernel likes.
    convenience init(
        connecting endpoint: Endpoint, from source: Endpoint? = nil, receiveBuffer: Int32? = nil, patience: Duration = .seconds(60)
    ) throws {
        let address = SocketAddress(endpoint)
        let descriptor = try Sockets.open(for: address)
        let number = descriptor.number
        if let source, SocketAddress(source).withPointer({ bind(number, $0, $1) }) != 0 { throw SystemError("bind", errno, on: source.description) }
        if let receiveBuffer { try Sockets.set(number, level: SOL_SOCKET, option: SO_RCVBUF, to: receiveBuffer) }
        self.init(owning: descriptor, patience: patience)
        switch Sockets.startConnect(number, to: address) {
        case .connected: break
        case .inProgress:
            try wait(for: POLLOUT, "the connection to \(endpoint)")
            let failure = Sockets.takeError(of: number)
            if failure == ECONNRESET { wasReset.store(true, ordering: .releasing) }
            if failure != 0, failure != ECONNRESET { throw SystemError("connect", failure, on: endpoint.description) }
        case .failed(EAGAIN): try waitForRoom(at: address, of: endpoint)
        case .failed(let failure): throw SystemError("connect", failure, on: endpoint.description)
        }
    }

    /// A Unix listener's queue was full: nothing tells when it is not, so the connect is tried again.
    private func waitForRoom(at address: SocketAddress, of endpoint: Endpoint) throws {
        try eventually(within: patience, "room in the queue of \(endpoint)") {
            switch Sockets.startConnect(number, to: address) {
            case .connected: true
            case .failed(EAGAIN), .inProgress: false
            case .failed(let failure): throw SystemError("connect", failure, on: endpoint.description)
            }
        }
    }

    deinit { close() }

    /// Whom it talks to; nil: a Unix socket, or one that has died.
    var remoteAddress: IPAddress? { Sockets.peerAddress(of: number)?.address }
    /// How many segments the kernel has had to send more than once: tcpi_total_retrans of struct tcp_info.
    func segmentsSentAgain() throws -> UInt32 {
        var information = [UInt8](repeating: 0, count: 104)
        var size = socklen_t(information.count)
        guard getsockopt(number, Int32(IPPROTO_TCP), TCP_INFO, &information, &size) == 0, size == 104 else {
            throw SystemError("getsockopt TCP_INFO", errno)
        }
        return information.withUnsafeBytes { $0.load(fromByteOffset: 100, as: UInt32.self) }
    }

    /// Our own address and port, as the other side sees them.
    func localEndpoint() throws -> Endpoint { try Sockets.localEndpoint(of: number) }

    // MARK: Sending

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { buffer in
            var sent = 0
            while sent < buffer.count {
                switch Sockets.send(number, from: buffer.baseAddress! + sent, count: buffer.count - sent) {
                case .bytes(let count): sent += count
                case .wouldBlock: try wait(for: POLLOUT, "the other side to read")
                case .failed(let failure): throw SystemError("send", failure)
                case .end: throw HarnessError("a send has no end")
                }
            }
        }
    }

    /// As urgent (out-of-band) data.
    func sendUrgent(_ text: String) throws {
        let bytes = Array(text.utf8)
        guard Glibc.send(number, bytes, bytes.count, Int32(MSG_OOB | MSG_NOSIGNAL)) == bytes.count else {
            throw SystemError("send", errno)
        }
    }

    /// Sends until nothing more has been taken for a moment: every buffer on the way is full.
    func sendUntilStuck() throws {
        let block = [UInt8](repeating: 0x42, count: 64 * 1024)
        var watched = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
        while poll(&watched, 1, 300) != 0 {
            if case .failed(let failure) = Sockets.send(number, from: block, count: block.count) {
                throw SystemError("send", failure)
            }
        }
    }

    /// Waits until the other side's kernel has acknowledged everything that was sent.
    func flush() throws {
        try eventually(within: patience, "the acknowledgement of what was sent") { Sockets.unsentBytes(number) == 0 }
    }

    // MARK: Receiving

    enum Received: Equatable {
        case bytes([UInt8])
        case ended(Ending)
    }

    /// What arrives next, at most `max` bytes.
    func receive(max: Int = 64 * 1024) throws -> Received {
        var buffer = [UInt8](repeating: 0, count: max)
        while true {
            switch buffer.withUnsafeMutableBytes({ Sockets.receive(number, into: $0.baseAddress!, capacity: max) }) {
            case .bytes(let count):
                buffer.removeLast(max - count)
                return .bytes(buffer)
            case .end: return .ended(wasReset.load(ordering: .acquiring) ? .reset : .end)
            case .failed(ECONNRESET), .failed(EPIPE): return .ended(.reset)
            case .failed(let failure): throw SystemError("recv", failure)
            case .wouldBlock: try wait(for: POLLIN, "something to read")
            }
        }
    }

    /// Exactly `count` bytes.
    func receive(exactly count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            switch try receive(max: min(count - bytes.count, 256 * 1024)) {
            case .bytes(let more): bytes += more
            case .ended(let ending): throw HarnessError("\(bytes.count) of \(count) bytes, then \(ending)")
            }
        }
        return bytes
    }

    /// A line without its newline.
    func line() throws -> String {
        var bytes: [UInt8] = []
        while true {
            let next = try receive(exactly: 1)
            if next == [0x0A] { return String(decoding: bytes, as: UTF8.self) }
            bytes += next
        }
    }

    /// Everything up to the end of the other side's direction, and how it ended.
    func toEnd() throws -> (bytes: [UInt8], ending: Ending) {
        var bytes: [UInt8] = []
        while true {
            switch try receive(max: 256 * 1024) {
            case .bytes(let more): bytes += more
            case .ended(let ending): return (bytes, ending)
            }
        }
    }

    /// True when nothing comes for so long: no byte, no end.
    func isQuiet(for time: Duration) -> Bool {
        var watched = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        return poll(&watched, 1, Int32(time.wholeMilliseconds)) == 0
    }

    // MARK: Ending

    /// Ends our direction; the other goes on.
    func halfClose() { Sockets.shutdownWrite(number) }

    /// Ends with a reset; what was not acknowledged yet is lost (see `flush`).
    func reset() {
        Sockets.resetOnClose(number)
        close()
    }

    func close() {
        isClosed.withLock { closed in
            if !closed { _ = Glibc.close(number) }
            closed = true
        }
    }

    /// Ends both directions without giving up the number: wakes whoever waits on it.
    func interrupt() {
        isClosed.withLock { if !$0 { _ = shutdown(number, Int32(SHUT_RDWR)) } }
    }

    func wait(for events: Int32, _ what: String) throws {
        var watched = pollfd(fd: number, events: Int16(events), revents: 0)
        guard poll(&watched, 1, Int32(patience.wholeMilliseconds) * Int32(Scale.patience)) != 0 else {
            throw HarnessError("waited \(patience.spoken) in vain for \(what)")
        }
    }
}
