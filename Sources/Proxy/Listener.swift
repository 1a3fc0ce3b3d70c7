// The sockets of one listener: opened by the control plane, one for each worker, or one in all for a Unix path.
import Glibc
import Model
import SystemCalls

/// Listening descriptors on their way to the workers. Whoever takes them owns them.
struct ListenerSockets {
    /// One per worker, or a single one that the first worker accepts for all.
    let descriptors: [Int32]
    /// With the port that the kernel chose.
    let endpoint: Endpoint

    static func open(
        _ endpoint: Endpoint, backlog: Int, tcp: TCPOptions, workers: Int
    ) throws(SystemError) -> ListenerSockets {
        if case .unix(let path) = endpoint { return try openUnix(path, backlog: backlog) }
        let first = try Sockets.bind(endpoint)
        let bound = try Sockets.localEndpoint(of: first.number)
        let tcp = KernelTCPOptions(tcp)
        try prepare(first.number, tcp, backlog: backlog)
        try Sockets.shareWithOurOwn(first.number)
        var descriptors = [first.release()]
        do {
            for _ in 1..<workers {
                let another = try Sockets.bind(bound, sharingWithOurOwn: true)
                try prepare(another.number, tcp, backlog: backlog)
                descriptors.append(another.release())
            }
        } catch {
            for descriptor in descriptors { close(descriptor) }
            throw error
        }
        return ListenerSockets(descriptors: descriptors, endpoint: bound)
    }

    /// Accepted sockets inherit what is set here: a system call less per connection each. Urgent bytes are
    /// kept in line, so that they arrive like all others.
    private static func prepare(_ descriptor: Int32, _ tcp: KernelTCPOptions, backlog: Int) throws(SystemError) {
        try Sockets.set(descriptor, level: Int32(IPPROTO_TCP), option: TCP_NODELAY, to: 1)
        try Sockets.set(descriptor, level: SOL_SOCKET, option: SO_OOBINLINE, to: 1)
        try Sockets.set(tcp, on: descriptor)
        try Sockets.listen(descriptor, backlog: backlog)
    }

    private static func openUnix(_ path: String, backlog: Int) throws(SystemError) -> ListenerSockets {
        let descriptor = try Sockets.bindUnix(path, mode: 0o666)
        try Sockets.listen(descriptor.number, backlog: backlog)
        return ListenerSockets(descriptors: [descriptor.release()], endpoint: .unix(path: path))
    }
}
