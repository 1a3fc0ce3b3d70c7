// The answer to one command while it is given: records, each as lines for people or as one JSON object.
import ControlProtocol
import EventLoop

@ControlPlane final class Answer {
    let output: Output
    /// Hands whole lines to whoever asked; throws when nobody listens any more.
    private let send: @ControlPlane ([UInt8]) async throws(Failure) -> Void
    /// Between two pieces others have their turn.
    private let pause: @ControlPlane () async -> Bool
    /// Whoever asked follows it: each record is sent when it is known. Else what is left at the end leaves together with
    /// the line that says so, as each send may wake somebody in vain.
    private let isFollowed: Bool
    private var pending: [UInt8] = []
    /// Time that writing the piece in hand has taken.
    private var spent = Duration.zero

    /// A long answer leaves in pieces, and between two of them everybody else has a turn on the loop. A piece ends at
    /// this size, or when it has taken so long to write.
    private static let pieceSize = 32 * 1024
    private static let pieceTime = Duration.milliseconds(1)
    private static let linesInPart = 200

    /// `pause` says false where the answer was given up meanwhile.
    init(
        _ output: Output, isFollowed: Bool, pause: @escaping @ControlPlane () async -> Bool,
        send: @escaping @ControlPlane ([UInt8]) async throws(Failure) -> Void
    ) {
        self.output = output
        self.isFollowed = isFollowed
        self.pause = pause
        self.send = send
    }

    func tell(_ record: some Record) async throws(Failure) { try await tell([record]) }

    /// What is known at once leaves together.
    func tell(_ records: [some Record]) async throws(Failure) {
        try await add(records)
        if isFollowed { try await flush() }
    }

    /// As `tell`, but more follows at once; `flush` ends it.
    func add(_ records: [some Record]) async throws(Failure) {
        for record in records {
            switch output {
            case .text: try await add(record.lines)
            case .json:
                try await write { bytes in
                    JSONText.append(record, to: &bytes)
                    bytes.append(0x0A)
                }
            }
        }
    }

    private func add(_ all: [String]) async throws(Failure) {
        for start in stride(from: 0, to: all.count, by: Answer.linesInPart) {
            try await write { lines(all[start..<min(start + Answer.linesInPart, all.count)], &$0) }
        }
    }

    func lines(_ lines: some Sequence<String>, _ bytes: inout [UInt8]) {
        for line in lines { ReplyLine.data(line).append(to: &bytes) }
    }

    /// A part of a line or some lines.
    func write(_ part: (inout [UInt8]) -> Void) async throws(Failure) {
        let began = LoopClock().now
        part(&pending)
        spent += began.duration(to: LoopClock().now)
        guard pending.count >= Answer.pieceSize || spent >= Answer.pieceTime else { return }
        try await flush()
        guard await pause() else { throw Failure(.failed, "the peer is gone") }
        spent = .zero
    }

    func flush() async throws(Failure) {
        guard !pending.isEmpty else { return }
        let piece = pending
        pending = []
        try await send(piece)
    }

    /// What is still to be sent.
    func end(with line: ReplyLine) -> [UInt8] {
        defer { pending = [] }
        line.append(to: &pending)
        return pending
    }
}
