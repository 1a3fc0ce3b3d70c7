// A balancer for tests: speaks the control protocol, remembers what it was told, answers as the test says.
import TestSupport
import ControlProtocol
import EventLoop
import Model
import SystemCalls

@ControlPlane final class ScriptedBalancer {
    typealias Answer = @ControlPlane @Sendable (Command) async -> [ReplyLine]

    let path: String
    /// For the journals of its rollouts; goes with it.
    let state: TemporaryFolder
    private(set) var commands: [Command] = []
    private let answer: Answer
    private var task: Task<Void, Never>?

    init(_ name: String, answer: @escaping Answer) throws {
        path = "/tmp/sluice-test-\(name)-\(Processes.own).sock"
        self.answer = answer
        state = try TemporaryFolder()
        try Files.remove(path)
        let listening = try Sockets.bind(.unix(path: path))
        try Sockets.listen(listening.number, backlog: 16)
        let listener = AsyncListener(owning: listening)
        task = start {
            while let socket = await ScriptedBalancer.accept(listener) {
                start { await self.serve(socket) }
            }
        }
    }

    func close() throws {
        task?.cancel()
        try Files.remove(path)
    }

    private func serve(_ socket: AsyncSocket) async {
        do {
            guard case .line(let line) = try await socket.line(bytesMax: RequestLine.bytesMax) else { return }
            let command = try Request(line: line).command
            commands.append(command)
            for reply in await answer(command) { try await socket.send(Array((reply.text + "\n").utf8)) }
        } catch {
            // The client has gone, as it may.
        }
    }

    private static func accept(_ listener: AsyncListener) async -> AsyncSocket? {
        do throws(SocketFailure) { return try await listener.accept() } catch { return nil }
    }
}
