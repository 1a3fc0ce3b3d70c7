// A client or a server as simple as can be: blocking calls, each with a bound, on the kernel directly.
import Glibc
import Model
import Synchronization
import SystemCalls

package struct SocketProblem: Error, CustomStringConvertible {
    package let description: String
    init(_ call: String) { description = "\(call): \(SystemError.words(for: errno))" }
}

/// How the peer's direction ended.
package enum PeerEnd: Equatable, Sendable { case finished, reset, timedOut, failed(errorNumber: Int32) }

package final class BlockingSocket: Sendable {
    package let number: Int32
    private let isClosed = Atomic(false)

    /// Takes the descriptor over; every call ends, if late.
    package init(owning number: Int32) throws {
        self.number = number
        let flags = fcntl(number, F_GETFL)
        guard fcntl(number, F_SETFL, flags & ~O_NONBLOCK) == 0 else { throw SocketProblem("fcntl") }
        var limit = timeval(tv_sec: Patience.seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        guard setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &limit, size) == 0,
            setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &limit, size) == 0
        else { throw SocketProblem("setsockopt") }
    }

    deinit { close() }

    /// `source`: the client's own address, where the kernel is not to choose it.
    package static func connect(to endpoint: Endpoint, from source: Endpoint? = nil) throws -> BlockingSocket {
        let address = SocketAddress(endpoint)
        let socket = try BlockingSocket(owning: Glibc.socket(address.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
        if let source {
            guard SocketAddress(source).withPointer({ Glibc.bind(socket.number, $0, $1) }) == 0 else { throw SocketProblem("bind \(source)") }
        }
        guard address.withPointer({ Glibc.connect(socket.number, $0, $1) }) == 0 else { throw SocketProblem("connect \(endpoint)") }
        return socket
    }

    /// Two ends of one connection.
    package static func pair() throws -> (BlockingSocket, Int32) {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0
        else { throw SocketProblem("socketpair") }
        return (try BlockingSocket(owning: ends[0]), ends[1])
    }

    /// nil when the listener was shut down.
    package func accept() throws -> BlockingSocket? {
        while true {
            let (accepted, failure) = Sockets.accept(on: number)
            switch failure {
            // Close-on-exec: a child of another test that inherited the socket would keep it open.
            case 0: return try BlockingSocket(owning: accepted)
            case EAGAIN, ECONNABORTED: continue
            default: return nil
            }
        }
    }

    package func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { Glibc.send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard sent >= 0 else { throw SocketProblem("send") }
            rest = rest.dropFirst(sent)
        }
    }

    package func send(_ text: String) throws { try send(Array(text.utf8)) }

    /// Some bytes, or how the peer ended.
    package func receive(max: Int = 64 * 1024) -> Result<[UInt8], EndedPeer> {
        var buffer = [UInt8](repeating: 0, count: max)
        let count = recv(number, &buffer, max, 0)
        if count > 0 { return .success(Array(buffer[..<count])) }
        if count == 0 { return .failure(EndedPeer(end: .finished)) }
        switch errno {
        case ECONNRESET: return .failure(EndedPeer(end: .reset))
        case EAGAIN: return .failure(EndedPeer(end: .timedOut))
        case let failure: return .failure(EndedPeer(end: .failed(errorNumber: failure)))
        }
    }

    package struct EndedPeer: Error { package let end: PeerEnd }

    /// Everything up to the peer's end.
    package func receiveAll() -> (bytes: [UInt8], end: PeerEnd) {
        var bytes: [UInt8] = []
        while true {
            switch receive() {
            case .success(let more): bytes += more
            case .failure(let ended): return (bytes, ended.end)
            }
        }
    }

    /// Exactly so many bytes; fewer when the peer ends before.
    package func receive(exactly count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count, case .success(let more) = receive(max: count - bytes.count) { bytes += more }
        return bytes
    }

    package func finish() { shutdown(number, Int32(SHUT_WR)) }

    /// Wakes whoever is blocked in `accept`.
    package func shutDown() { shutdown(number, Int32(SHUT_RDWR)) }

    /// Returns when the peer's kernel has everything that was sent.
    package func waitUntilDelivered() { while Sockets.unsentBytes(number) > 0 { sched_yield() } }

    package func reset() {
        Sockets.resetOnClose(number)
        close()
    }

    package func close() {
        guard isClosed.compareExchange(expected: false, desired: true, ordering: .relaxed).exchanged else { return }
        Glibc.close(number)
    }
}
