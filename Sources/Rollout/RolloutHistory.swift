// What a journal tells, record by record: how each backend fares, what is waited for, what went wrong. For people; nothing follows from it.
import Model

package struct RolloutHistory: Equatable, Sendable {
    /// What a backend went through, one after the other.
    package struct Span: Equatable, Sendable {
        package enum Phase: String, Equatable, Sendable, CaseIterable {
            case drain, restart, ready, warm, watch, rollback, held
        }

        package enum End: Equatable, Sendable {
            case open
            case well
            case failed(String)
        }

        package let phase: Phase
        package let from: Duration
        package internal(set) var to: Duration?
        package internal(set) var end = End.open
        /// When what is waited for counts as failed; nil: it has no deadline.
        package let deadline: Duration?
    }

    package enum Fate: Equatable, Sendable {
        case untouched
        case inHand(Span.Phase)
        /// Restarted and in rotation.
        case restarted
        case rolledBack
        /// In rotation again, and not restarted.
        case undone
        case held(String)
        case drainLost(String)
        /// As the journal's last line calls it.
        case ended(String, detail: String?)
    }

    package struct Node: Equatable, Sendable {
        package let backend: String
        package let address: String
        package internal(set) var fate = Fate.untouched
        package internal(set) var spans: [Span] = []
        /// Connections as they were seen.
        package internal(set) var counts: [(elapsed: Duration, connections: Int)] = []
        /// Whether the restart of its step has ended well.
        var isRestarted = false
        var isRolledBack = false

        init(backend: String, address: String) {
            self.backend = backend
            self.address = address
        }

        package static func == (left: Node, right: Node) -> Bool {
            left.backend == right.backend && left.fate == right.fate && left.spans == right.spans
                && left.counts.elementsEqual(right.counts) { $0 == $1 }
        }
    }

    package enum Weight: String, Equatable, Sendable { case plain, warning, failure }

    /// One line of the story.
    package struct Entry: Equatable, Sendable {
        package let sequence: Int
        package let at: Timestamp
        package let elapsed: Duration
        package let backend: String?
        package let text: String
        package let weight: Weight
    }

    package let begin: JournalBegin
    package let beganAt: Timestamp
    package private(set) var nodes: [Node]
    package internal(set) var entries: [Entry] = []
    package internal(set) var end: JournalEnd?
    package internal(set) var isPaused = false
    package internal(set) var isStopping = false
    /// Processes that have carried it out, one after the other.
    package internal(set) var processes = 1
    package internal(set) var lastSequence = 0
    package internal(set) var lastAt: Timestamp
    package internal(set) var elapsed = Duration.zero
    /// What the others carry, as the last look at the pool said.
    package internal(set) var capacity: String?
    /// The last look that found the rest too weak, and is repeated.
    package internal(set) var waitsForCapacity = false

    /// The first record.
    package init(_ begin: JournalBegin, at: Timestamp) {
        self.begin = begin
        beganAt = at
        lastAt = at
        nodes = begin.steps.map { Node(backend: $0.backend, address: $0.address) }
    }

    /// Nil where the first record is none that begins a rollout.
    package init?(_ records: some Sequence<JournalRecord>) {
        var history: RolloutHistory?
        for record in records {
            if case .begun(let begin) = record.content, history == nil { history = RolloutHistory(begin, at: record.at) }
            history?.take(record)
        }
        guard let history else { return nil }
        self = history
    }

    /// The one that is in hand; where several are, the first.
    package var inHand: [Node] {
        nodes.filter { if case .inHand = $0.fate { true } else { false } }
    }

    package var failures: [Entry] { entries.filter { $0.weight == .failure } }

    mutating func change(_ backend: String?, _ change: (inout Node) -> Void) {
        guard let backend, let index = nodes.firstIndex(where: { $0.backend == backend }) else { return }
        change(&nodes[index])
    }
}

extension RolloutHistory.Node {
    mutating func open(_ phase: RolloutHistory.Span.Phase, at elapsed: Duration, lasting seconds: Double?) {
        // The same again, after a resume: it goes on.
        if let last = spans.last, last.phase == phase, last.end == .open { return }
        close(.well, at: elapsed)
        spans.append(RolloutHistory.Span(
            phase: phase, from: elapsed, deadline: seconds.map { elapsed + Duration(inSeconds: $0) }))
        fate = .inHand(phase)
    }

    mutating func close(_ end: RolloutHistory.Span.End, at elapsed: Duration) {
        guard let index = spans.indices.last, spans[index].end == .open else { return }
        spans[index].to = elapsed
        spans[index].end = end
    }

    package var openSpan: RolloutHistory.Span? { spans.last.flatMap { $0.end == .open ? $0 : nil } }
}
