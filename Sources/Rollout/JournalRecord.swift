// One line of a rollout's journal as a value: what went into the machine, what came out of it, and the first and the last.
//
// A rollout is what its inputs make of it: the machine, fed the journalled inputs at their times, is where it was. So
// an input and the actions that follow from it are on disk before any of them is carried out.
import Decisions
import Model

package struct JournalRecord: Equatable, Sendable {
    /// What a reader must know to read on; another number: another format.
    package static let format = 2
    /// 1 has whole pools only.
    package static let formatsRead = [1, 2]

    package enum Content: Equatable, Sendable {
        /// The first, before the first lease.
        case begun(JournalBegin)
        case input(JournalEvent)
        case action(JournalEvent)
        /// For people: nothing follows from it.
        case seen(JournalSight)
        /// The last.
        case ended(JournalEnd)
    }

    /// From 0, without gaps.
    package let sequence: Int
    package let at: Timestamp
    /// Since the beginning, by a clock that nobody sets; it goes on with the next process.
    package let elapsed: Duration
    /// Of the line before; sixteen zeros in the first. A line that was altered, cut out or put in is noticed by it.
    package let chain: String
    package let content: Content

    package init(sequence: Int, at: Timestamp, elapsed: Duration, chain: String, content: Content) {
        self.sequence = sequence
        self.at = at
        self.elapsed = elapsed
        self.chain = chain
        self.content = content
    }

    /// As the machine takes it.
    package var now: MonotonicTime { MonotonicTime(nanoseconds: elapsed.wholeNanoseconds) }
}

/// What ties each line to the one before. No secret: who rewrites all of a journal can make it fit, but then its inputs
/// must still lead to its actions, which `JournalVerifier` replays.
package enum JournalChain {
    package static let first = String(repeating: "0", count: 16)
    private static let key = SipHash.Key("sluice-journal-1")

    /// `line`: its bytes without the newline.
    package static func value(of line: [UInt8]) -> String {
        let text = String(SipHash.hash(line, key: key), radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}

/// A record as it was read, with the value that the next line must carry.
package struct JournalLine: Equatable, Sendable {
    package let record: JournalRecord
    package let value: String

    package init(record: JournalRecord, value: String) {
        self.record = record
        self.value = value
    }
}

/// Why a record cannot be read, in words that continue "line 7: …".
package struct JournalError: Error, Equatable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Something that was seen on the way, for the report.
package struct JournalSight: Codable, Equatable, Sendable {
    package var backend: String?
    package var connections: Int?
    /// Seconds of the oldest of them.
    package var oldest: Double?
    package var text: String?

    package init(backend: String? = nil, connections: Int? = nil, oldest: Double? = nil, text: String? = nil) {
        self.backend = backend
        self.connections = connections
        self.oldest = oldest
        self.text = text
    }
}

/// How it ended, backend by backend.
package struct JournalEnd: Codable, Equatable, Sendable {
    package struct Node: Codable, Equatable, Sendable {
        package let backend: String
        package let state: String
        package let detail: String?
        /// Seconds; absent for what did not happen.
        package let drain: Double?
        package let restart: Double?
        package let ready: Double?
    }

    package let done: Bool
    package let reason: String?
    package let nodes: [Node]
}

extension JournalRecord: Codable {
    private enum Key: String, CodingKey { case sequence, at, elapsed, chain, begun, input, action, seen, ended }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(sequence, forKey: .sequence)
        try fields.encode(at.rfc3339, forKey: .at)
        try fields.encode(elapsed.inSeconds, forKey: .elapsed)
        try fields.encode(chain, forKey: .chain)
        switch content {
        case .begun(let begin): try fields.encode(begin, forKey: .begun)
        case .input(let event): try fields.encode(event, forKey: .input)
        case .action(let event): try fields.encode(event, forKey: .action)
        case .seen(let sight): try fields.encode(sight, forKey: .seen)
        case .ended(let end): try fields.encode(end, forKey: .ended)
        }
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        sequence = try fields.decode(Int.self, forKey: .sequence)
        guard let at = Timestamp(rfc3339: try fields.decode(String.self, forKey: .at)) else {
            throw JournalError("its time is not one of RFC 3339 in UTC")
        }
        self.at = at
        elapsed = Duration(inSeconds: try fields.decode(Double.self, forKey: .elapsed))
        chain = try fields.decode(String.self, forKey: .chain)
        content = try JournalRecord.content(of: fields)
    }

    private static func content(of fields: KeyedDecodingContainer<Key>) throws -> Content {
        if let begin = try fields.decodeIfPresent(JournalBegin.self, forKey: .begun) { return .begun(begin) }
        if let event = try fields.decodeIfPresent(JournalEvent.self, forKey: .input) { return .input(event) }
        if let event = try fields.decodeIfPresent(JournalEvent.self, forKey: .action) { return .action(event) }
        if let sight = try fields.decodeIfPresent(JournalSight.self, forKey: .seen) { return .seen(sight) }
        if let end = try fields.decodeIfPresent(JournalEnd.self, forKey: .ended) { return .ended(end) }
        throw JournalError("it holds none of: begun, input, action, seen, ended")
    }
}

extension Duration {
    /// From seconds as JSON carries them, exact to the nanosecond for 52 days; what no Int64 holds is the longest.
    package init(inSeconds seconds: Double) {
        let nanoseconds = (seconds * 1e9).rounded()
        self = .nanoseconds(Int64(exactly: nanoseconds) ?? (seconds < 0 ? .min : .max))
    }
}

extension JournalEnd {
    package init(_ verdict: Verdict) {
        done = verdict.cause == nil
        reason = verdict.cause?.short
        nodes = verdict.nodes.map {
            Node(
                backend: $0.backend.description, state: $0.fate.word, detail: $0.fate.detail, drain: $0.times.drain?.inSeconds,
                restart: $0.times.restart?.inSeconds, ready: $0.times.ready?.inSeconds)
        }
    }
}
