// A server inside the test process: a thread that accepts, and one for each connection.
import Foundation
import Model
import Synchronization
import SystemCalls

package final class TestBackend: Sendable {
    package let endpoint: Endpoint
    private let listener: BlockingSocket
    private let count = Atomic(0)

    /// Connections accepted so far.
    package var accepted: Int { count.load(ordering: .relaxed) }

    /// `handler` has the connection to itself; it is closed when the handler lets go of it.
    package init(at endpoint: Endpoint = .ipv4(0x7F00_0001, port: 0), _ handler: @escaping @Sendable (BlockingSocket) throws -> Void) throws {
        let bound = try Sockets.bind(endpoint)
        self.endpoint = try Sockets.localEndpoint(of: bound.number)
        try Sockets.listen(bound.number, backlog: 1024)
        listener = try BlockingSocket(owning: bound.release())
        Thread { [self] in
            do {
                while let connection = try listener.accept() {
                    count.add(1, ordering: .relaxed)
                    // A handler that fails ends its connection; the client's side of the test sees that.
                    Thread { do { try handler(connection) } catch { connection.close() } }.start()
                }
            } catch { return }
        }.start()
    }

    /// To be called at the end: the accepting thread keeps the backend alive.
    package func stop() { listener.shutDown() }

    /// Sends back whatever comes, up to the end, which it passes on.
    package static func echo() throws -> TestBackend {
        try TestBackend { connection in
            while case .success(let bytes) = connection.receive() { try connection.send(bytes) }
            connection.finish()
        }
    }
}
