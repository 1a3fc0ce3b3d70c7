// One peer of the control socket: what it is told is told in whole lines, and how it behaves is remembered.
import ControlProtocol
import EventLoop
import Model
import SystemCalls

@ControlPlane final class Conversation {
    let socket: AsyncSocket
    /// Of its arrival.
    let number: Int
    let taker = TurnTaker()
    /// What it does now, and since when.
    private(set) var phase: Phase
    /// It asks one thing after the other since then, without a pause.
    private var busySince: MonotonicTime
    /// What it asked for may take long, though just now it may be taking a part of the answer.
    private(set) var isWaiting = false
    /// A request of its is being carried out.
    private(set) var isWorking = false
    /// The line that was read last, until it is answered or carried out.
    private var inHand: [UInt8]?
    private var task: Task<Void, Never>?

    enum Phase: Equatable {
        /// It has asked for nothing yet.
        case silent(since: MonotonicTime)
        /// Between two requests.
        case resting(since: MonotonicTime)
        /// A request of its is being carried out, the last of a row of them.
        case served(since: MonotonicTime)
        /// One that may take long is.
        case waiting
        /// It does not take what it asked for.
        case deaf(since: MonotonicTime)
    }

    /// How much less than others it deserves its place, and since when; nil: it keeps it. Least of all one that is gone,
    /// then one that never asked, one between two requests, one that does not take its answer, one that asks without end.
    func dispensability(_ now: MonotonicTime, isGone: Bool) -> (rank: Int, since: MonotonicTime)? {
        let (rank, since, isLong): (Int, MonotonicTime, Bool) = switch phase {
        case .silent(let since): (1, since, since.duration(to: now) > Conversation.silenceMax)
        case .resting(let since): (2, since, true)
        case .deaf(let since): (3, since, since.duration(to: now) > Conversation.holdMax)
        case .served(let since): (4, since, since.duration(to: now) > Conversation.holdMax)
        case .waiting: (0, busySince, false)
        }
        // One that is silent and gone ends by itself.
        if isGone, rank != 1 { return (0, busySince) }
        return isLong ? (rank, since) : nil
    }

    /// Something of it waits to be read while it counts as quiet.
    var isHeard: Bool {
        switch phase {
        case .silent, .resting: socket.isReadable
        case .deaf, .served, .waiting: false
        }
    }

    /// Where others wait for a place, so long may one be held without a pause.
    private static let holdMax = Duration.milliseconds(200)
    /// And so long may a newcomer take to say something.
    private static let silenceMax = Duration.milliseconds(50)
    /// Less is no pause between two requests.
    private static let pauseMin = Duration.milliseconds(1)
    /// A peer that asks nothing, or takes nothing of an answer, for so long is left.
    private static let patience = Duration.seconds(60)

    private static let linesLeftMax = 1024

    init(socket: AsyncSocket, number: Int) {
        self.socket = socket
        self.number = number
        busySince = LoopClock().now
        phase = .silent(since: busySince)
    }

    /// Runs until the peer goes, or `end`.
    func run(_ body: @escaping @ControlPlane @Sendable (Conversation) async -> Void) {
        task = start { await body(self) }
    }

    func end() { task?.cancel() }

    /// The next request; nil when the conversation is over: silent for too long, or gone, there is nobody to tell.
    func request() async -> AsyncSocket.Line? {
        do throws(SocketFailure) {
            let began = LoopClock().now
            let line = try await socket.line(bytesMax: RequestLine.bytesMax, within: Conversation.patience)
            let now = LoopClock().now
            if began.duration(to: now) >= Conversation.pauseMin { busySince = now }
            phase = .served(since: busySince)
            return line
        } catch {
            return nil
        }
    }

    /// Of a peer that has gone: the line in hand and those that were not read yet, which are nobody else's from now on.
    /// Nothing is waited for. `isMore`: it left more than anybody means.
    func lastLines() -> (lines: [[UInt8]], isMore: Bool) {
        var lines = inHand.map { [$0] } ?? []
        inHand = nil
        for _ in 0..<Conversation.linesLeftMax {
            let line: AsyncSocket.Line?
            do throws(SocketFailure) { line = try socket.lineAtHand(bytesMax: RequestLine.bytesMax) } catch {
                // The connection failed: no more of it can be read.
                return (lines, false)
            }
            switch line {
            case nil, .end: return (lines, false)
            case .tooLong: continue
            case .line(let line): lines.append(line)
            }
        }
        return (lines, true)
    }

    /// Read, and waiting for its turn.
    func take(_ line: [UInt8]) { inHand = line }

    /// False: it was taken away meanwhile, as the peer has gone.
    func holds() -> Bool { inHand != nil }

    /// One that may take long is carried out, until `endWait`.
    func wait() { (phase, isWaiting) = (.waiting, true) }

    func endWait() { isWaiting = false }

    func beginWork() { (isWorking, inHand) = (true, nil) }

    func endWork() { isWorking = false }

    func rest() { phase = .resting(since: LoopClock().now) }

    func say(_ line: ReplyLine) async -> Bool {
        var bytes: [UInt8] = []
        line.append(to: &bytes)
        inHand = nil
        return await send(bytes)
    }

    /// False: the peer is gone.
    func send(_ bytes: [UInt8]) async -> Bool {
        let before = phase
        phase = .deaf(since: LoopClock().now)
        defer { phase = before }
        do throws(SocketFailure) {
            try await socket.send(bytes, patience: Conversation.patience)
            return true
        } catch {
            return false
        }
    }
}
