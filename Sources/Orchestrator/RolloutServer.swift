// The rollout's own socket: how it stands, and pause, continue, done and abort, from any terminal of the same user.
import ControlProtocol
import EventLoop
import Glibc
import Model
import SystemCalls

/// Whoever carries a rollout out. The orders answer with what will be done when a kill does not lose them any more, or throw why not.
@ControlPlane package protocol RolloutControl: AnyObject, Sendable {
    func report() async -> RolloutReport
    func pause() async throws(Failure) -> String
    func goOn() async throws(Failure) -> String
    func done() async throws(Failure) -> String
    func abort() async throws(Failure) -> String
}

@ControlPlane package final class RolloutServer {
    private static let silenceMax = Duration.seconds(60)

    private let folder: RolloutFolder
    private let control: any RolloutControl
    private var accepting: Task<Void, Never>?

    /// Mode 0600: whoever may write into the folder may give orders.
    package init(_ folder: RolloutFolder, _ control: any RolloutControl) throws(SystemError) {
        self.folder = folder
        self.control = control
        let socket = try FarSocket.bind(in: folder.path, "socket")
        try Sockets.listen(socket.number, backlog: 16)
        let listener = AsyncListener(owning: socket)
        accepting = start { [control] in
            while let peer = await RolloutServer.accept(listener) { start { await RolloutServer.converse(with: peer, control) } }
        }
    }

    package func close() {
        accepting?.cancel()
        // One that stays is known by nobody answering there.
        do throws(SystemError) { try Files.remove(folder.socket) } catch { return }
    }

    private static func accept(_ listener: AsyncListener) async -> AsyncSocket? {
        while true {
            do throws(SocketFailure) { return try await listener.accept() } catch {
                guard error != .cancelled, await pause(for: .seconds(1)) else { return nil }
            }
        }
    }

    private static func converse(with peer: AsyncSocket, _ control: any RolloutControl) async {
        do throws(SocketFailure) {
            while true {
                switch try await peer.line(bytesMax: RequestLine.bytesMax, within: silenceMax) {
                case .end: return
                case .tooLong: try await say([.failure(Failure(.badUsage, "a line has at most \(RequestLine.bytesMax) bytes"))], to: peer)
                case .line(let line): if !line.isEmpty { try await say(await answer(line, control), to: peer) }
                }
            }
        } catch {
            // The peer has gone, as it may.
        }
    }

    private static func say(_ lines: [ReplyLine], to peer: AsyncSocket) async throws(SocketFailure) {
        var bytes: [UInt8] = []
        for line in lines { line.append(to: &bytes) }
        try await peer.send(bytes, patience: silenceMax)
    }

    private static func answer(_ line: [UInt8], _ control: any RolloutControl) async -> [ReplyLine] {
        let request: RolloutRequest
        do throws(LineError) { request = try RolloutRequest(line: line) } catch {
            return [.failure(Failure(.badUsage, error.description))]
        }
        do throws(Failure) {
            switch request.word {
            case .help: return RolloutOrderWord.allCases.map { .data("\($0.rawValue)  -- \($0.doc)") } + [.ok]
            case .status: return data(await control.report(), request.output)
            case .pause: return data(RolloutAnswer(try await control.pause()), request.output)
            case .goOn: return data(RolloutAnswer(try await control.goOn()), request.output)
            case .done: return data(RolloutAnswer(try await control.done()), request.output)
            case .abort: return data(RolloutAnswer(try await control.abort()), request.output)
            }
        } catch {
            return [.failure(error)]
        }
    }

    private static func data(_ record: some Record, _ output: Output) -> [ReplyLine] {
        let lines = output == .json ? [JSONText.line(record)] : record.lines
        return lines.map { .data($0) } + [.ok]
    }
}

/// A socket in a folder whose path may be longer than a socket's name can be: it is reached by the folder's descriptor.
enum FarSocket {
    static func bind(in folder: String, _ name: String) throws(SystemError) -> Descriptor {
        let opened = try Files.open(folder, O_RDONLY | O_DIRECTORY)
        defer { withExtendedLifetime(opened) {} }
        return try Sockets.bindUnix("/proc/self/fd/\(opened.number)/\(name)", mode: 0o600)
    }

    @ControlPlane static func connect(in folder: String, _ name: String) async throws(SocketFailure) -> AsyncSocket {
        let opened = try open(folder)
        defer { withExtendedLifetime(opened) {} }
        return try await AsyncSocket.connect(to: .unix(path: "/proc/self/fd/\(opened.number)/\(name)"))
    }

    private static func open(_ folder: String) throws(SocketFailure) -> Descriptor {
        do throws(SystemError) { return try Files.open(folder, O_RDONLY | O_DIRECTORY) } catch { throw .system(error) }
    }
}
