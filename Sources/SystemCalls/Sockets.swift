// Stream sockets: opened, listened on, connected, read, written, ended.
// Invariant: a pointer is lent to one call, and none is kept.
import CLinux
import Glibc
import Model

/// What a read or a write on a non-blocking descriptor came to. 'Would block' is an answer, not an error.
@frozen package enum Transfer: Equatable, Sendable {
    /// More than nothing, in bytes.
    case bytes(Int)
    /// The peer has ended its direction (reads only).
    case end
    case wouldBlock
    case failed(errorNumber: Int32)
}

/// What starting a connect came to.
@frozen package enum ConnectStart: Equatable, Sendable {
    case connected
    case inProgress
    case failed(errorNumber: Int32)
}

package enum Sockets {
    /// A non-blocking, close-on-exec stream socket for the endpoint's family.
    package static func open(for address: SocketAddress) throws(SystemError) -> Descriptor {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        return Descriptor(owning: try checked("socket") { socket(address.family, type, 0) })
    }

    /// Sets an integer option.
    package static func set(_ descriptor: Int32, level: Int32, option: Int32, to value: Int32) throws(SystemError) {
        var value = value
        try checked("setsockopt") { setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) }
    }

    /// Binds, without listening yet. An address that somebody listens at is an error, here or at `listen`.
    /// `another`: joins a listening socket of ours that was opened with `shareWithOurOwn`.
    package static func bind(_ endpoint: Endpoint, sharingWithOurOwn another: Bool = false) throws(SystemError) -> Descriptor {
        let address = SocketAddress(endpoint)
        let descriptor = try open(for: address)
        let number = descriptor.number
        if address.family != AF_UNIX {
            try set(number, level: SOL_SOCKET, option: SO_REUSEADDR, to: 1)
            if another { try set(number, level: SOL_SOCKET, option: SO_REUSEPORT, to: 1) }
        }
        if address.family == AF_INET6 {
            try set(number, level: Int32(IPPROTO_IPV6), option: IPV6_V6ONLY, to: 1)
        }
        try checked("bind", on: endpoint.description) { address.withPointer { Glibc.bind(number, $0, $1) } }
        return descriptor
    }

    /// Lets further sockets of ours, bound with `sharingWithOurOwn`, listen beside this one. Only once it listens:
    /// until then a second program could bind beside it, and both would get their share of the connects.
    package static func shareWithOurOwn(_ descriptor: Int32) throws(SystemError) {
        try set(descriptor, level: SOL_SOCKET, option: SO_REUSEPORT, to: 1)
    }

    /// Binds a Unix path. A socket file that nobody answers at is left from a crash and replaced; one that
    /// somebody answers at is EADDRINUSE. The mode is set before anybody can connect (nobody can before listen).
    package static func bindUnix(_ path: String, mode: mode_t) throws(SystemError) -> Descriptor {
        let endpoint = Endpoint.unix(path: path)
        let descriptor: Descriptor
        do {
            descriptor = try bind(endpoint)
        } catch where error.errorNumber == EADDRINUSE {
            let probe = try open(for: SocketAddress(endpoint))
            // A connect to a file that is no socket is refused too: that one is somebody's, not ours to remove.
            guard Files.isSocket(path),
                startConnect(probe.number, to: SocketAddress(endpoint)) == .failed(errorNumber: ECONNREFUSED)
            else {
                throw error
            }
            try Files.remove(path)
            descriptor = try bind(endpoint)
        }
        try checked("chmod", on: path) { chmod(path, mode) }
        return descriptor
    }

    /// Options of a socket to a backend: small writes go out at once, urgent bytes stay in line. A socket that
    /// has died meanwhile refuses them; the connect then says so.
    @inlinable package static func prepareForRelaying(_ descriptor: Int32) {
        var on: Int32 = 1
        _ = setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        _ = setsockopt(descriptor, SOL_SOCKET, SO_OOBINLINE, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Whether what we send next carries the acknowledgement of what the peer has sent: a segment less where we are
    /// quick. Without delay it leaves at once.
    @inlinable package static func delayAcknowledgements(_ descriptor: Int32, _ delay: Bool) {
        var quick: Int32 = delay ? 0 : 1
        _ = setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_QUICKACK, &quick, socklen_t(MemoryLayout<Int32>.size))
    }

    package static func listen(_ descriptor: Int32, backlog: Int) throws(SystemError) {
        try checked("listen") { Glibc.listen(descriptor, Int32(clamping: backlog)) }
    }

    /// The address a socket is bound to, with the port that the kernel chose.
    package static func localEndpoint(of descriptor: Int32) throws(SystemError) -> Endpoint {
        try name(of: descriptor, "getsockname", getsockname)
    }

    private static func name(
        of descriptor: Int32, _ call: String,
        _ function: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) throws(SystemError) -> Endpoint {
        var address = SocketAddress()
        let result = withUnsafeMutablePointer(to: &address.storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { function(descriptor, $0, &address.length) }
        }
        guard result == 0 else { throw SystemError(call, errno) }
        guard let endpoint = address.endpoint else { throw SystemError(call, EAFNOSUPPORT) }
        return endpoint
    }

    /// Starts a connect on a non-blocking socket.
    @inlinable package static func startConnect(_ descriptor: Int32, to address: SocketAddress) -> ConnectStart {
        while true {
            let result = address.withPointer { connect(descriptor, $0, $1) }
            if result == 0 { return .connected }
            let failure = errno
            if failure == EINPROGRESS { return .inProgress }
            if failure != EINTR { return .failed(errorNumber: failure) }
        }
    }

    /// Makes a socket in the state CLOSE one that can connect again. Its options stay.
    @inlinable package static func disconnect(_ descriptor: Int32) -> Bool {
        var nowhere = sockaddr()
        nowhere.sa_family = sa_family_t(AF_UNSPEC)
        return connect(descriptor, &nowhere, socklen_t(MemoryLayout<sockaddr>.size)) == 0
    }

    /// Whether a stream socket has a peer: not before its connect has succeeded, nor in the state CLOSE.
    @inlinable package static func isConnected(_ descriptor: Int32) -> Bool {
        var peer = sockaddr()
        var size = socklen_t(MemoryLayout<sockaddr>.size)
        return getpeername(descriptor, &peer, &size) == 0
    }

    /// The outcome of a connect that has become writable: 0, or its errno. Reading it clears it.
    @inlinable package static func takeError(of descriptor: Int32) -> Int32 {
        var failure: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 ? failure : errno
    }

    /// Accepts one connection: non-blocking, close-on-exec; the number, or nil with the errno.
    @inlinable package static func accept(on listener: Int32) -> (accepted: Int32, errorNumber: Int32) {
        while true {
            let accepted = accept4(listener, nil, nil, Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue))
            if accepted >= 0 { return (accepted, 0) }
            let failure = errno
            if failure != EINTR { return (-1, failure) }
        }
    }

    /// As `accept(on:)`, and who it is: nil for a Unix socket's client.
    package static func acceptWithPeer(on listener: Int32) -> (accepted: Int32, peer: IPEndpoint?, errorNumber: Int32) {
        while true {
            var address = SocketAddress()
            let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            let accepted = withUnsafeMutablePointer(to: &address.storage) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { accept4(listener, $0, &address.length, flags) }
            }
            if accepted >= 0 { return (accepted, address.ip, 0) }
            let failure = errno
            if failure != EINTR { return (-1, nil, failure) }
        }
    }

    /// Our end of a connection; nil for a Unix socket, and for one that has died meanwhile.
    package static func localAddress(of descriptor: Int32) -> IPEndpoint? { address(of: descriptor, getsockname) }

    /// The other end; nil as above.
    package static func peerAddress(of descriptor: Int32) -> IPEndpoint? { address(of: descriptor, getpeername) }

    private static func address(
        of descriptor: Int32, _ function: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> IPEndpoint? {
        var address = SocketAddress()
        let result = withUnsafeMutablePointer(to: &address.storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { function(descriptor, $0, &address.length) }
        }
        return result == 0 ? address.ip : nil
    }

    @inlinable package static func receive(
        _ descriptor: Int32, into buffer: UnsafeMutableRawPointer, capacity: Int
    ) -> Transfer {
        while true {
            let count = recv(descriptor, buffer, capacity, 0)
            if count > 0 { return .bytes(count) }
            if count == 0 { return .end }
            let failure = errno
            if failure == EAGAIN { return .wouldBlock }
            if failure != EINTR { return .failed(errorNumber: failure) }
        }
    }

    /// Whether there is something to read or, of a listening socket, somebody to accept.
    package static func isReadable(_ descriptor: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) == 1
    }

    /// Whether a write would not block, and so whether a connect that was under way is over.
    package static func isWritable(_ descriptor: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&entry, 1, 0) == 1
    }

    /// Those whose peer is gone altogether, or whose connection has failed: looked for by one call, however many there are.
    package static func hungUp(among descriptors: [Int32]) -> Set<Int32> {
        var entries = descriptors.map { pollfd(fd: $0, events: 0, revents: 0) }
        guard poll(&entries, nfds_t(entries.count), 0) > 0 else { return [] }
        return Set(entries.filter { $0.revents & Int16(POLLHUP | POLLERR) != 0 }.map(\.fd))
    }

    /// Whether there is something to read, an end not counted; nothing is taken.
    package static func hasBytes(_ descriptor: Int32) -> Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) > 0
    }

    /// Whether the peer has ended its direction and nothing is left to read of it; nothing is taken.
    package static func isAtEnd(_ descriptor: Int32) -> Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) == 0
    }

    /// `isLast`: an end follows at once, so the kernel may put the last bytes and the FIN into one segment.
    @inlinable package static func send(
        _ descriptor: Int32, from buffer: UnsafeRawPointer, count: Int, isLast: Bool = false
    ) -> Transfer {
        let flags = Int32(MSG_NOSIGNAL) | (isLast ? Int32(MSG_MORE) : 0)
        while true {
            let sent = Glibc.send(descriptor, buffer, count, flags)
            if sent >= 0 { return .bytes(sent) }
            let failure = errno
            if failure == EAGAIN { return .wouldBlock }
            if failure != EINTR { return .failed(errorNumber: failure) }
        }
    }

    /// Ends our direction: what was sent before arrives, then a FIN. False where the peer has gone already.
    @inlinable @discardableResult package static func shutdownWrite(_ descriptor: Int32) -> Bool {
        shutdown(descriptor, Int32(SHUT_WR)) == 0
    }

    /// Makes the next close a reset. What the peer has not been sent yet is lost: flush first.
    @inlinable package static func resetOnClose(_ descriptor: Int32) {
        var now = linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    }

    /// Bytes that the peer has not acknowledged yet. Of a dead socket it stays as it was: ask for its error first.
    @inlinable package static func unsentBytes(_ descriptor: Int32) -> Int {
        var bytes: Int32 = 0
        return sluice_unsent(descriptor, &bytes) == 0 ? Int(bytes) : 0
    }

    /// Of those, the bytes that have not left yet. 0 where the kernel does not tell: of a Unix socket.
    package static func notSentBytes(_ descriptor: Int32) -> Int {
        var bytes: Int32 = 0
        return sluice_not_sent(descriptor, &bytes) == 0 ? Int(bytes) : 0
    }

    /// The user behind a Unix socket's other end.
    package static func peerUser(of descriptor: Int32) throws(SystemError) -> UInt32 {
        var user: UInt32 = 0
        try checked("getsockopt SO_PEERCRED") { sluice_peer_user(descriptor, &user) }
        return user
    }
}
