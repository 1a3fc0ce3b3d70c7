// Stream sockets. Faults: two lbd's that silently share a port, an accepted socket that a child inherits, a Unix path
// in use that is taken away, a file that is deleted because it lies where a socket should.
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

private let anyPort = Endpoint.ipv4(0x7F00_0001, port: 0)

private func failure(_ body: () throws -> Void) -> Int32? {
    do { try body() } catch let error as SystemError { return error.errorNumber } catch { return -1 }
    return nil
}

struct SocketsTests {
    /// Both sides set SO_REUSEPORT in the end; the first one's comes only when it listens.
    @Test func anAddressInUseIsAnErrorAndOurOwnMayShareIt() throws {
        let first = try Sockets.bind(anyPort)
        let endpoint = try Sockets.localEndpoint(of: first.number)
        try Sockets.listen(first.number, backlog: 5)
        #expect(failure { _ = try Sockets.bind(endpoint, sharingWithOurOwn: true) } == EADDRINUSE)
        try Sockets.shareWithOurOwn(first.number)
        let own = try Sockets.bind(endpoint, sharingWithOurOwn: true)
        try Sockets.listen(own.number, backlog: 5)
        #expect(failure { _ = try Sockets.bind(endpoint) } == EADDRINUSE)
    }

    /// Two programs that bind before either listens: one of them gets the port, not both.
    @Test func aPortIsNotSharedByTwoThatStartTogether() throws {
        let first = try Sockets.bind(anyPort)
        let endpoint = try Sockets.localEndpoint(of: first.number)
        let second = try Sockets.bind(endpoint)
        try Sockets.listen(first.number, backlog: 5)
        try Sockets.shareWithOurOwn(first.number)
        #expect(failure { try Sockets.listen(second.number, backlog: 5) } == EADDRINUSE)
    }

    @Test func errorsNameTheEndpoint() throws {
        let error = #expect(throws: SystemError.self) { _ = try Sockets.bind(.ipv4(0x0808_0808, port: 1)) }
        #expect(error?.description == "bind 8.8.8.8:1: Cannot assign requested address")
    }

    @Test func acceptedSocketsDoNotBlockAndAreNotInherited() throws {
        let listener = try Sockets.bind(anyPort)
        try Sockets.listen(listener.number, backlog: 5)
        #expect(Sockets.accept(on: listener.number).errorNumber == EAGAIN)
        let client = try BlockingSocket.connect(to: try Sockets.localEndpoint(of: listener.number))
        #expect(isReadable(listener.number))
        let accepted = Descriptor(owning: Sockets.accept(on: listener.number).accepted)
        for number in [listener.number, accepted.number] {
            #expect(fcntl(number, F_GETFL) & O_NONBLOCK != 0)
            #expect(fcntl(number, F_GETFD) & FD_CLOEXEC != 0)
        }
        client.close()
    }

    @Test func transfersAnswerWithValues() throws {
        let (peer, number) = try BlockingSocket.pair()
        let ours = Descriptor(owning: number)
        var buffer = [UInt8](repeating: 0, count: 16)
        #expect(Sockets.receive(ours.number, into: &buffer, capacity: 16) == .wouldBlock)
        try peer.send("abc")
        #expect(Sockets.receive(ours.number, into: &buffer, capacity: 16) == .bytes(3))
        peer.finish()
        #expect(Sockets.receive(ours.number, into: &buffer, capacity: 16) == .end)
        #expect(Sockets.send(ours.number, from: buffer, count: 3) == .bytes(3))
        // Not by closing: a child that another test is just starting may hold the socket for a moment.
        peer.shutDown()
        // Without MSG_NOSIGNAL this would end the process.
        #expect(Sockets.send(ours.number, from: buffer, count: 3) == .failed(errorNumber: EPIPE))
    }

    @Test func aConnectThatIsRefusedSaysSoOnce() throws {
        // Bound and not listened on: refused, and nobody else gets the port meanwhile.
        let silent = try Sockets.bind(anyPort)
        let address = SocketAddress(try Sockets.localEndpoint(of: silent.number))
        let socket = try Sockets.open(for: address)
        switch Sockets.startConnect(socket.number, to: address) {
        case .connected: Issue.record("nobody listens")
        case .failed(let failure): #expect(failure == ECONNREFUSED)
        case .inProgress:
            #expect(isReadable(socket.number))
            #expect(Sockets.takeError(of: socket.number) == ECONNREFUSED)
            #expect(Sockets.takeError(of: socket.number) == 0)
        }
    }

    @Test func resetOnCloseIsAReset() throws {
        let backend = try TestBackend { $0.reset() }
        defer { backend.stop() }
        #expect(try BlockingSocket.connect(to: backend.endpoint).receiveAll().end == .reset)
    }

    @Test func unsentBytesAreThoseThatThePeerHasNotTaken() throws {
        let (peer, number) = try BlockingSocket.pair()
        let ours = Descriptor(owning: number)
        #expect(Sockets.unsentBytes(ours.number) == 0)
        #expect(Sockets.send(ours.number, from: [1, 2, 3] as [UInt8], count: 3) == .bytes(3))
        #expect(Sockets.unsentBytes(ours.number) > 0)
        #expect(peer.receive(exactly: 3) == [1, 2, 3])
        #expect(Sockets.unsentBytes(ours.number) == 0)
    }

    @Test func peerUserIsOurs() throws {
        let (_, number) = try BlockingSocket.pair()
        let ours = Descriptor(owning: number)
        #expect(try Sockets.peerUser(of: ours.number) == Processes.ownUser)
    }
}

struct UnixListenerTests {
    @Test func aSocketLeftFromACrashIsReplaced() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("lbd.sock")
        do { _ = try Sockets.bindUnix(path, mode: 0o600) }
        let again = try Sockets.bindUnix(path, mode: 0o660)
        try Sockets.listen(again.number, backlog: 5)
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o660)
        _ = try BlockingSocket.connect(to: .unix(path: path))
    }

    @Test func oneThatSomebodyAnswersAtIsInUse() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("lbd.sock")
        let first = try Sockets.bindUnix(path, mode: 0o600)
        try Sockets.listen(first.number, backlog: 5)
        #expect(failure { _ = try Sockets.bindUnix(path, mode: 0o600) } == EADDRINUSE)
        _ = try BlockingSocket.connect(to: .unix(path: path))
    }

    /// A connect to a plain file is refused as that to a dead socket is: the file was deleted once.
    @Test func aFileInTheWayStays() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("precious")
        try Files.replace(path, with: Array("data".utf8))
        #expect(failure { _ = try Sockets.bindUnix(path, mode: 0o600) } == EADDRINUSE)
        #expect(try Files.read(path, bytesMax: 100) == Array("data".utf8))
        #expect(failure { _ = try Sockets.bindUnix(folder.path, mode: 0o600) } == EADDRINUSE)
    }
}
