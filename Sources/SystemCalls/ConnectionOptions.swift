// Socket options of one connection that a configuration asks for: keepalive, user timeout, the local address.
import Glibc
import Model

/// TCP's options in the kernel's units, as plain memory.
package struct KernelTCPOptions: BitwiseCopyable, Sendable {
    /// Seconds; 0: no keepalive.
    private let keepaliveIdle: Int32
    private let keepaliveInterval: Int32
    private let keepaliveCount: Int32
    /// Milliseconds; 0: the kernel's own.
    private let userTimeout: Int32

    package init(_ options: TCPOptions) {
        keepaliveIdle = options.keepalive.map { KernelTCPOptions.seconds($0.idle) } ?? 0
        keepaliveInterval = options.keepalive.map { KernelTCPOptions.seconds($0.interval) } ?? 0
        keepaliveCount = options.keepalive.map { Int32(clamping: $0.count) } ?? 0
        userTimeout = options.userTimeout.map { Int32(clamping: $0.wholeMilliseconds) } ?? 0
    }

    /// Whole seconds, rounded up: the kernel takes no parts of one, and no 0.
    private static func seconds(_ duration: Duration) -> Int32 {
        Int32(clamping: max(1, (duration.wholeMilliseconds + 999) / 1000))
    }

    /// Nothing to ask the kernel for.
    package var isEmpty: Bool { keepaliveIdle == 0 && userTimeout == 0 }

    fileprivate func apply(to descriptor: Int32) throws(SystemError) {
        let tcp = Int32(IPPROTO_TCP)
        if keepaliveIdle > 0 {
            try Sockets.set(descriptor, level: tcp, option: TCP_KEEPIDLE, to: keepaliveIdle)
            try Sockets.set(descriptor, level: tcp, option: TCP_KEEPINTVL, to: keepaliveInterval)
            try Sockets.set(descriptor, level: tcp, option: TCP_KEEPCNT, to: keepaliveCount)
            try Sockets.set(descriptor, level: SOL_SOCKET, option: SO_KEEPALIVE, to: 1)
        }
        if userTimeout > 0 { try Sockets.set(descriptor, level: tcp, option: TCP_USER_TIMEOUT, to: userTimeout) }
    }
}

extension KernelTCPOptions {
    /// Takes back what others asked for before. The keepalive's times may stay: they say nothing while it is off.
    fileprivate func replaceOthers(on descriptor: Int32) throws(SystemError) {
        if keepaliveIdle == 0 { try Sockets.set(descriptor, level: SOL_SOCKET, option: SO_KEEPALIVE, to: 0) }
        if userTimeout == 0 { try Sockets.set(descriptor, level: Int32(IPPROTO_TCP), option: TCP_USER_TIMEOUT, to: 0) }
        try apply(to: descriptor)
    }
}

extension Sockets {
    /// The same for one that has had others.
    package static func replace(_ options: KernelTCPOptions, on descriptor: Int32) throws(SystemError) {
        try options.replaceOthers(on: descriptor)
    }

    /// On a listening socket: accepted ones inherit them.
    package static func set(_ options: KernelTCPOptions, on descriptor: Int32) throws(SystemError) {
        try options.apply(to: descriptor)
    }

    /// Fixes our address of a connection to come. The port is chosen with the connect, when the kernel knows the whole
    /// pair: so one address carries as many connections to each backend as there are ports.
    package static func bindSource(_ descriptor: Int32, to address: SocketAddress) throws(SystemError) {
        try set(descriptor, level: Int32(IPPROTO_IP), option: IP_BIND_ADDRESS_NO_PORT, to: 1)
        try checked("bind") { address.withPointer { Glibc.bind(descriptor, $0, $1) } }
    }
}
