// The sockets of one listener: opened by the control plane, one for each worker, or one in all for a Unix path.
import Glibc
import Model
import SystemCalls

/// Listening descriptors on their way to the workers. Whoever takes them owns them.
package struct ListenerSockets: Sendable {
    /// One per worker, or a single one that the first worker accepts for all.
    let descriptors: [Int32]
    /// With the port that the kernel chose.
    package let endpoint: Endpoint
    /// Where a Unix socket waits until it takes another one's place.
    private var waitingAt: String?

    private init(descriptors: [Int32], endpoint: Endpoint, waitingAt: String? = nil) {
        (self.descriptors, self.endpoint, self.waitingAt) = (descriptors, endpoint, waitingAt)
    }

    /// `replacing`: another listener of ours is about to leave this very address.
    static func open(
        _ endpoint: Endpoint, backlog: Int, tcp: TCPOptions, workers: Int, replacing: Bool = false
    ) throws(SystemError) -> ListenerSockets {
        if case .unix(let path) = endpoint { return try openUnix(path, backlog: backlog, replacing: replacing) }
        let first = try Sockets.bind(endpoint, sharingWithOurOwn: replacing)
        let bound = try Sockets.localEndpoint(of: first.number)
        let tcp = KernelTCPOptions(tcp)
        try prepare(first.number, tcp, backlog: backlog)
        if !replacing { try Sockets.shareWithOurOwn(first.number) }
        var descriptors = [first.release()]
        do {
            for _ in 1..<workers {
                let another = try Sockets.bind(bound, sharingWithOurOwn: true)
                try prepare(another.number, tcp, backlog: backlog)
                descriptors.append(another.release())
            }
        } catch {
            for descriptor in descriptors { Glibc.close(descriptor) }
            throw error
        }
        return ListenerSockets(descriptors: descriptors, endpoint: bound)
    }

    /// Of sockets that nobody took: the change that they were opened for does not take place.
    package func close() throws(SystemError) {
        for descriptor in descriptors { Glibc.close(descriptor) }
        if case .unix(let path) = endpoint { try Files.remove(waitingAt ?? path) }
    }

    /// From now on it stands where another stood, which is closed after this. A Unix socket listens already when it takes
    /// the place in the folder: no client finds nothing there.
    package func takePlace() throws(SystemError) {
        guard let waitingAt, case .unix(let path) = endpoint else { return }
        try Files.move(waitingAt, to: path)
    }

    /// Connections accepted from now on have these options, and the kernel holds `backlog` of them.
    func retune(backlog: Int, tcp: TCPOptions) throws(SystemError) {
        for descriptor in descriptors {
            switch endpoint {
            case .unix: break
            case .ipv4, .ipv6: try Sockets.replace(KernelTCPOptions(tcp), on: descriptor)
            }
            try Sockets.listen(descriptor, backlog: backlog)
        }
    }

    /// Accepted sockets inherit what is set here: a system call less per connection each. Urgent bytes are
    /// kept in line, so that they arrive like all others.
    private static func prepare(_ descriptor: Int32, _ tcp: KernelTCPOptions, backlog: Int) throws(SystemError) {
        try Sockets.set(descriptor, level: Int32(IPPROTO_TCP), option: TCP_NODELAY, to: 1)
        try Sockets.set(descriptor, level: SOL_SOCKET, option: SO_OOBINLINE, to: 1)
        try Sockets.set(tcp, on: descriptor)
        try Sockets.listen(descriptor, backlog: backlog)
    }

    private static func openUnix(_ path: String, backlog: Int, replacing: Bool) throws(SystemError) -> ListenerSockets {
        let first = replacing ? path + ".new" : path
        let descriptor = try Sockets.bindUnix(first, mode: 0o666)
        try Sockets.listen(descriptor.number, backlog: backlog)
        return ListenerSockets(
            descriptors: [descriptor.release()], endpoint: .unix(path: path), waitingAt: replacing ? first : nil)
    }
}
