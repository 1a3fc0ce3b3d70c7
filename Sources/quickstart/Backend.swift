// The backend: listens, answers inquiries, and on SIGTERM lets the open conversations finish.
import EventLoop
import Glibc
import Model
import SystemCalls

struct BackendSettings: Sendable {
    let files: BackendFiles
    let listen: Endpoint
    let boot: Duration
    /// Where the starter listens for our announcement.
    let announcement: Endpoint?
}

@ControlPlane final class Backend {
    /// How long open conversations may go on after SIGTERM.
    nonisolated static let grace = Duration.seconds(5)

    private let settings: BackendSettings
    private var answerer: Answerer
    private var conversations: [Int: Task<Void, Never>] = [:]
    private var accepted = 0

    init(_ settings: BackendSettings) {
        self.settings = settings
        answerer = Answerer(name: settings.files.name.text, generation: 0)
    }

    /// Runs until SIGTERM or SIGINT; the exit status.
    func run() async -> Int32 {
        do {
            try Files.makeFolder(settings.files.folder)
            let signals = SignalSource(owning: try Signals.open([SIGTERM, SIGINT]))
            let lock = try claim()
            let service = startThrowing { try await self.serve() }
            let stopping = startThrowing {
                guard let signal = try await signals.next() else { return }
                self.log("\(Signals.name(signal)): finishing, \(self.conversations.count) conversations open")
                service.cancel()
            }
            try await service.value
            stopping.cancel()
            await finishConversations()
            log("ended after \(accepted) conversations")
            // The lock says that we run: it is held to the very end.
            _ = consume lock
            return 0
        } catch {
            Console.complain("\(settings.files.name): \(error)")
            return 1
        }
    }

    private func claim() throws -> ProcessLock {
        do {
            return try ProcessLock(settings.files.lock)
        } catch {
            guard error.errorNumber == EAGAIN else { throw error }
            let holder = try ProcessLock.holder(of: settings.files.lock).map { " as pid \($0)" } ?? ""
            throw BackendFileError(description: "runs already\(holder); stop it first: quickstart stop, or restart")
        }
    }

    /// From the bind to the end of listening. The port is ours before we boot, so a second start fails at once.
    private func serve() async throws {
        let port = try settings.files.lastPort()
        let descriptor = try Sockets.bind(settings.listen.port == 0 ? settings.listen.with(port: port ?? 0) : settings.listen)
        let number = descriptor.number
        let bound = try Sockets.localEndpoint(of: number)
        if let port = bound.port { try settings.files.record(port: port) }
        answerer = Answerer(name: settings.files.name.text, generation: try settings.files.nextGeneration())
        let listener = AsyncListener(owning: descriptor)
        await announce(bound)
        if settings.boot > .zero {
            guard await pause(for: settings.boot) else { return }
        }
        // Two backends that were told the same port do not share it: the second one's listen fails.
        try Sockets.set(number, level: SOL_SOCKET, option: SO_REUSEPORT, to: 0)
        try Sockets.listen(number, backlog: 1024)
        log("listens on \(bound)")
        try await accept(from: listener)
    }

    private func announce(_ bound: Endpoint) async {
        guard let starter = settings.announcement else { return }
        do {
            let socket = try await AsyncSocket.connect(to: starter)
            try await socket.send(Array("\(answerer.generation) \(bound)\n".utf8))
        } catch {
            log("whoever started us does not listen: \(error)")
        }
    }

    /// Until the task is cancelled, and then once more: who stands in the backlog has been promised a conversation.
    private func accept(from listener: AsyncListener) async throws(SocketFailure) {
        var isLastRound = false
        while true {
            do {
                begin(with: try await listener.accept())
            } catch {
                switch error {
                case .system, .deadlinePassed: throw error
                case .cancelled:
                    guard !isLastRound else { return }
                    isLastRound = true
                }
            }
        }
    }

    private func begin(with socket: AsyncSocket) {
        accepted += 1
        let number = accepted
        conversations[number] = start {
            await self.converse(on: socket)
            self.conversations[number] = nil
        }
    }

    private func converse(on socket: AsyncSocket) async {
        do {
            while try await answerNext(on: socket) {}
            socket.shutdownWrite()
        } catch {
            // The peer is gone, or our grace is over: either way there is nobody to answer.
        }
    }

    /// False when the conversation is over.
    private func answerNext(on socket: AsyncSocket) async throws(SocketFailure) -> Bool {
        switch try await socket.line(bytesMax: Inquiry.lineBytesMax) {
        case .end:
            return false
        case .tooLong:
            try await socket.send(Array("error: the line is too long\n".utf8))
            return false
        case .line(let line):
            guard let inquiry = Inquiry(line) else {
                try await socket.send(Array("error: \(Inquiry.help)\n".utf8))
                return true
            }
            switch inquiry.answer(of: answerer) {
            case .line(let answer): try await socket.send(Array((answer + "\n").utf8))
            case .filler(let count): try await send(count, on: socket)
            }
            return true
        }
    }

    private func send(_ count: Int, on socket: AsyncSocket) async throws(SocketFailure) {
        let chunk = [UInt8](repeating: 0x78, count: min(count, 256 * 1024))
        var rest = count
        while rest > 0 {
            try await socket.send(rest >= chunk.count ? chunk : Array(chunk[..<rest]))
            rest -= chunk.count
        }
    }

    private func finishConversations() async {
        let limit = start {
            guard await pause(for: Backend.grace) else { return }
            self.log("cutting \(self.conversations.count) conversations that did not end")
            for conversation in self.conversations.values { conversation.cancel() }
        }
        for conversation in conversations.values { await conversation.value }
        limit.cancel()
    }

    private func log(_ text: String) {
        Console.say("\(Clocks.calendar().rfc3339) \(answerer) \(text)")
    }
}

extension Endpoint {
    /// The same address with another port; a Unix socket has none.
    func with(port: UInt16) -> Endpoint {
        switch self {
        case .ipv4(let address, _): .ipv4(address, port: port)
        case .ipv6(let groups, _): .ipv6(groups, port: port)
        case .unix: self
        }
    }
}
