// A client's side of one connection: ask, check the answer, end cleanly; each step bounded in time.
import EventLoop
import Model
import SystemCalls

@ControlPlane final class Conversation {
    /// How long each step may take.
    nonisolated static let limit = Duration.seconds(5)

    private let socket: AsyncSocket
    /// Who answered first: nobody else may answer on this connection.
    private var partner: Answerer?

    private init(_ socket: AsyncSocket) { self.socket = socket }

    static func open(to endpoint: Endpoint) async throws(LoadFailure) -> Conversation {
        try await bounded("connect") { Conversation(try await AsyncSocket.connect(to: endpoint)) }
    }

    /// What an answer was, and how long it took.
    struct Answer: Sendable {
        let answerer: Answerer
        let time: Duration
    }

    @discardableResult
    func ask(_ inquiry: Inquiry) async throws(LoadFailure) -> Answer {
        try await Conversation.bounded(inquiry.line) {
            let asked = Clocks.monotonic()
            try await self.socket.send(Array((inquiry.line + "\n").utf8))
            let line = try await self.socket.line(bytesMax: Inquiry.lineBytesMax)
            let time = asked.duration(to: Clocks.monotonic())
            return Answer(answerer: try self.check(line, inquiry), time: time)
        }
    }

    private func check(_ line: AsyncSocket.Line, _ inquiry: Inquiry) throws(LoadFailure) -> Answerer {
        switch line {
        case .end:
            throw LoadFailure(.earlyEnd, "\(inquiry.line): the connection ended before the answer")
        case .tooLong:
            throw LoadFailure(.wrongAnswer, "\(inquiry.line): the answer has no end")
        case .line(let bytes):
            let text = String(decoding: bytes, as: UTF8.self)
            guard let answerer = inquiry.answerer(in: text) else {
                throw LoadFailure(.wrongAnswer, "\(inquiry.line): '\(text.escapedForOneLine)'")
            }
            if let partner, partner != answerer {
                throw LoadFailure(.wrongAnswer, "\(inquiry.line): \(answerer) on a connection with \(partner)")
            }
            partner = answerer
            return answerer
        }
    }

    /// Ends our direction and waits for the end of theirs: a reset or stray bytes at the end are failures too.
    func end() async throws(LoadFailure) {
        try await Conversation.bounded("end") {
            self.socket.shutdownWrite()
            let rest = try await self.socket.receive()
            guard rest.isEmpty else { throw LoadFailure(.wrongAnswer, "end: \(rest.count) bytes that nobody asked for") }
        }
    }

    private static func bounded<Success: Sendable>(
        _ step: String, _ body: @escaping @ControlPlane @Sendable () async throws -> Success
    ) async throws(LoadFailure) -> Success {
        do {
            return try await withDeadline(limit, body)
        } catch {
            throw LoadFailure(error, doing: step)
        }
    }
}
