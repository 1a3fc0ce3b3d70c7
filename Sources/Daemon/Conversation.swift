// One peer of the control socket: what it is told is told in whole lines, and how it behaves is remembered.
import ControlProtocol
import EventLoop
import Model
import SystemCalls

@ControlPlane final class Conversation {
    let socket: AsyncSocket
    /// What it does now, and since when.
    private(set) var phase: Phase
    private var task: Task<Void, Never>?

    enum Phase: Equatable {
        /// It has asked for nothing yet.
        case silent(since: MonotonicTime)
        /// Between two requests.
        case resting(since: MonotonicTime)
        /// A request of its is being carried out.
        case served
        /// It does not take what it asked for.
        case deaf(since: MonotonicTime)
    }

    /// A peer that asks nothing, or takes nothing of an answer, for so long is left.
    private static let patience = Duration.seconds(60)

    init(socket: AsyncSocket) {
        self.socket = socket
        phase = .silent(since: LoopClock().now)
    }

    /// Runs until the peer goes, or `end`.
    func run(_ body: @escaping @ControlPlane @Sendable (Conversation) async -> Void) {
        task = start { await body(self) }
    }

    func end() { task?.cancel() }

    /// The next request; nil when the conversation is over: silent for too long, or gone, there is nobody to tell.
    func request() async -> AsyncSocket.Line? {
        do throws(SocketFailure) {
            let line = try await socket.line(bytesMax: RequestLine.bytesMax, within: Conversation.patience)
            phase = .served
            return line
        } catch {
            return nil
        }
    }

    func rest() { phase = .resting(since: LoopClock().now) }

    func say(_ line: ReplyLine) async -> Bool {
        var bytes: [UInt8] = []
        line.append(to: &bytes)
        return await send(bytes)
    }

    /// False: the peer is gone.
    func send(_ bytes: [UInt8]) async -> Bool {
        phase = .deaf(since: LoopClock().now)
        defer { phase = .served }
        do throws(SocketFailure) {
            try await socket.send(bytes, patience: Conversation.patience)
            return true
        } catch {
            return false
        }
    }
}
