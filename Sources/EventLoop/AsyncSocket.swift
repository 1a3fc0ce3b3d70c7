// A stream socket for the control plane: connect, accept, lines in, bytes out, each an awaited call.
// Invariant: a pointer is lent to one call, and none is kept.
import Glibc
import Model
import SystemCalls

/// Why a call on a socket did not do its work.
package enum SocketFailure: Error, Equatable, CustomStringConvertible {
    case system(SystemError)
    case cancelled
    /// The socket's own deadline.
    case deadlinePassed

    package var description: String {
        switch self {
        case .system(let error): error.description
        case .cancelled: "cancelled"
        case .deadlinePassed: "not done in time"
        }
    }
}

@ControlPlane package final class AsyncSocket {
    private let descriptor: Descriptor
    private var received: [UInt8] = []
    private var receivedEnd = false
    /// So much of `received` has been given away as lines.
    private var taken = 0
    /// Up to here the rest of it holds no newline.
    private var searched = 0
    /// The line that begins at `taken` has had too many bytes: what comes of it is thrown away.
    private var isTooLong = false
    /// Every wait ends then, with `deadlinePassed`. Nil: they may go on for ever.
    private var deadline: MonotonicTime?

    package init(owning descriptor: consuming Descriptor) { self.descriptor = descriptor }

    package var number: Int32 { descriptor.number }

    /// `source`: our own address, where its family is the endpoint's. `deadline`: of the socket, for good.
    package static func connect(
        to endpoint: Endpoint, from source: IPAddress? = nil, deadline: MonotonicTime? = nil
    ) async throws(SocketFailure) -> AsyncSocket {
        let address = SocketAddress(endpoint)
        let socket: AsyncSocket
        do {
            socket = AsyncSocket(owning: try Sockets.open(for: address))
            socket.deadline = deadline
            let own = source.map { SocketAddress($0.endpoint(port: 0)) }
            if let own, own.family == address.family { try Sockets.bindSource(socket.number, to: own) }
        } catch { throw .system(error) }
        switch Sockets.startConnect(socket.number, to: address) {
        case .connected: return socket
        case .failed(let failure): throw .system(SystemError("connect", failure, on: endpoint.description))
        case .inProgress:
            try await socket.connected(to: address, endpoint)
            return socket
        }
    }

    private func connected(to address: SocketAddress, _ endpoint: Endpoint) async throws(SocketFailure) {
        while true {
            // Asked before any wait, as within the host the handshake is over by now: two events less. And after it, as
            // a wait may end without its event (see Wait).
            switch Sockets.startConnect(descriptor.number, to: address) {
            case .connected, .failed(errorNumber: EISCONN): return
            case .inProgress, .failed(errorNumber: EALREADY): try await ready(for: .writable)
            case .failed(let failure): throw .system(SystemError("connect", failure, on: endpoint.description))
            }
        }
    }

    /// Some bytes, at most `bytesMax`; empty when the peer has ended its direction.
    package func receive(bytesMax: Int = 64 * 1024) async throws(SocketFailure) -> [UInt8] {
        guard received.count == taken else {
            defer { forgetReceived() }
            return Array(received[taken...])
        }
        while true {
            if let bytes = try receiveAtHand(bytesMax: bytesMax) { return bytes }
            try await ready(for: .readable)
        }
    }

    private func forgetReceived() { (received, taken, searched) = ([], 0, 0) }

    /// Nil: nothing is there now; empty: the peer has ended its direction.
    private func receiveAtHand(bytesMax: Int) throws(SocketFailure) -> [UInt8]? {
        var transfer = Transfer.wouldBlock
        let bytes = [UInt8](unsafeUninitializedCapacity: bytesMax) { buffer, count in
            transfer = Sockets.receive(descriptor.number, into: buffer.baseAddress!, capacity: bytesMax)
            if case .bytes(let received) = transfer { count = received }
        }
        switch transfer {
        case .bytes, .end: return bytes
        case .wouldBlock: return nil
        case .failed(let failure): throw .system(SystemError("receive", failure))
        }
    }

    /// What came of asking for a line.
    package enum Line: Equatable, Sendable {
        /// Without its newline, and without a carriage return before it.
        case line([UInt8])
        /// More than the bound. It has been read to its newline (or the end) and thrown away: the next line is whole.
        case tooLong
        /// The peer ended; a last part without a newline is not a line.
        case end
    }

    /// The next line of at most `bytesMax` bytes; ETIMEDOUT when it is not there `within` (nil: in any) time.
    package func line(bytesMax: Int, within limit: Duration? = nil) async throws(SocketFailure) -> Line {
        let end = limit.map { LoopClock().now.advanced(by: $0) }
        while true {
            if let line = try lineAtHand(bytesMax: bytesMax) { return line }
            try await ready(for: .readable, timeout: end.map { LoopClock().now.duration(to: $0) })
        }
    }

    /// The same without waiting; nil: it is not there yet, or a peer that never stops has sent as much as is read at a time.
    package func lineAtHand(bytesMax: Int) throws(SocketFailure) -> Line? {
        for _ in 0..<AsyncSocket.readsAtATime {
            if let newline = newline() {
                defer { (taken, searched, isTooLong) = (newline + 1, newline + 1, false) }
                guard !isTooLong, newline - taken <= bytesMax else { return .tooLong }
                let line = received[taken..<newline]
                return .line(Array(line.last == 0x0D ? line.dropLast() : line))
            }
            if received.count - taken > bytesMax {
                isTooLong = true
                forgetReceived()
            }
            guard !receivedEnd else {
                defer { isTooLong = false }
                return isTooLong ? .tooLong : .end
            }
            guard let more = try receiveAtHand(bytesMax: AsyncSocket.readMax) else { return nil }
            receivedEnd = more.isEmpty
            keep(more)
        }
        return nil
    }

    private static let readMax = 16 * 1024
    /// More than what a peer that has gone can have left.
    private static let readsAtATime = 64

    private func keep(_ more: [UInt8]) {
        if taken > 0 { received.removeFirst(taken) }
        (taken, searched) = (0, received.count)
        if received.isEmpty { received = more } else { received += more }
    }

    /// Where the next line ends.
    private func newline() -> Int? {
        received.withUnsafeBytes { bytes in
            guard searched < bytes.count, let found = memchr(bytes.baseAddress! + searched, 0x0A, bytes.count - searched) else { return nil }
            return bytes.baseAddress!.distance(to: found)
        }
    }

    /// ETIMEDOUT when the peer takes nothing more for `patience` (nil: however long).
    package func send(_ bytes: [UInt8], patience: Duration? = nil) async throws(SocketFailure) {
        var sent = 0
        while sent < bytes.count {
            let transfer = bytes.withUnsafeBytes {
                Sockets.send(descriptor.number, from: $0.baseAddress! + sent, count: $0.count - sent)
            }
            switch transfer {
            case .bytes(let count): sent += count
            case .wouldBlock: try await ready(for: .writable, timeout: patience)
            case .end: preconditionFailure("a write has no end of stream")
            case .failed(let failure): throw .system(SystemError("send", failure))
            }
        }
    }

    package func shutdownWrite() { Sockets.shutdownWrite(descriptor.number) }

    /// The peer is gone altogether (not when it has only ended its direction), or the connection has failed. To be asked now
    /// and then, not waited for: a half-closed peer may still read (`echo status | socat …` does), and level-triggered
    /// readiness cannot tell it apart; a peer that left with our answer unread is EPOLLERR, which libevent gives to nobody
    /// who waits for the peer's end alone: it would spin.
    package var isHungUp: Bool { !Sockets.hungUp(among: [number]).isEmpty }

    /// There is something to receive, if only the peer's end.
    package var isReadable: Bool { Sockets.isReadable(descriptor.number) }

    /// `limit`: besides the socket's own deadline; ETIMEDOUT when it passes first.
    private func ready(for interest: Interest, timeout limit: Duration? = nil) async throws(SocketFailure) {
        let rest = deadline.map { max(.zero, Clocks.monotonic().duration(to: $0)) }
        switch await wait(for: interest, on: descriptor.number, timeout: [rest, limit].compactMap { $0 }.min()) {
        case .ready: return
        case .timedOut:
            // After a standstill of ours time is over for everything, whatever has come meanwhile.
            guard !isReady(for: interest) else { return }
            guard let rest, rest <= limit ?? rest else { throw .system(SystemError("wait", ETIMEDOUT)) }
            throw .deadlinePassed
        case .cancelled: throw .cancelled
        }
    }

    private func isReady(for interest: Interest) -> Bool {
        switch interest {
        case .readable: isReadable
        case .writable: Sockets.isWritable(descriptor.number)
        }
    }
}

/// A listening socket of the control plane.
@ControlPlane package final class AsyncListener {
    private let descriptor: Descriptor

    /// Takes over a socket that listens.
    package init(owning descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// All that have arrived, at least one and at most so many.
    package func accept(countMax: Int) async throws(SocketFailure) -> [AsyncSocket] {
        var accepted = [try await accept()]
        while accepted.count < countMax {
            let (number, failure) = Sockets.accept(on: descriptor.number)
            guard failure == 0 else { break }
            accepted.append(AsyncSocket(owning: Descriptor(owning: number)))
        }
        return accepted
    }

    /// The next connection. When descriptors run out it waits and tries again: the backlog holds the peers.
    package func accept() async throws(SocketFailure) -> AsyncSocket {
        while true {
            let (number, failure) = Sockets.accept(on: descriptor.number)
            switch failure {
            case 0:
                return AsyncSocket(owning: Descriptor(owning: number))
            case EAGAIN:
                guard await wait(for: .readable, on: descriptor.number) == .ready else { throw .cancelled }
            case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                guard await pause(for: .milliseconds(100)) else { throw .cancelled }
            case ECONNABORTED, EPROTO:
                continue
            default:
                throw .system(SystemError("accept", failure))
            }
        }
    }
}
