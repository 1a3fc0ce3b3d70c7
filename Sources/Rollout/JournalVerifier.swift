// Whether a journal proves that its rollout kept its promises: from the journal alone, without any balancer.
//
// Three ways, each of which a forger must pass: the lines hang together by their chain; the inputs, fed to the machine
// again, lead to exactly the actions that stand there; and the promises hold by a count of its own (`JournalPromises`)
// that knows nothing of the machine.
import Model

package struct JournalVerifier {
    package struct Breach: Equatable, Sendable, CustomStringConvertible {
        /// From 1, as an editor counts.
        package let line: Int
        package let text: String

        package var description: String { "line \(line): \(text)" }
    }

    package struct Finding: Equatable, Sendable {
        package fileprivate(set) var breaches: [Breach] = []
        /// What was seen to be otherwise than a balancer had said: told, but the journal itself is sound.
        package fileprivate(set) var contradictions: [Breach] = []
        /// Without one the rollout was killed, or the end of the journal was cut off: it is proved as far as it goes.
        package fileprivate(set) var end: JournalEnd?
        package fileprivate(set) var lines = 0
        package fileprivate(set) var restarts = 0
        package fileprivate(set) var mostOut = 0
        package fileprivate(set) var outMax = 0
        package fileprivate(set) var resumes = 0

        package var holds: Bool { breaches.isEmpty && contradictions.isEmpty && end != nil }
    }

    private var finding = Finding()
    private var machine: RolloutMachine?
    private var promises: JournalPromises?
    /// What the machine has ordered and the journal has not said yet.
    private var due: [JournalEvent] = []
    private var dueEnd: JournalEnd?

    private init() {}

    package static func verify(_ lines: [JournalLine]) -> Finding {
        var verifier = JournalVerifier()
        verifier.finding.lines = lines.count
        if lines.isEmpty { verifier.breach(0, "there is no line") }
        var before: JournalLine?
        for (index, line) in lines.enumerated() {
            verifier.link(line.record, to: before, at: index)
            verifier.take(line.record, at: index)
            before = line
        }
        verifier.conclude(lines.count)
        return verifier.finding
    }

    private mutating func breach(_ index: Int, _ text: String) {
        finding.breaches.append(Breach(line: index + 1, text: text))
    }

    private mutating func contradict(_ index: Int, _ texts: [String]) {
        finding.contradictions += texts.map { Breach(line: index + 1, text: $0) }
    }

    private mutating func link(_ record: JournalRecord, to before: JournalLine?, at index: Int) {
        if record.chain != before?.value ?? JournalChain.first {
            breach(index, index == 0 ? "it does not begin a journal: lines before it are missing, or it was altered"
                : "it does not follow the line before: one of them was altered, or lines were cut out, put in or moved")
        }
        if record.sequence != index { breach(index, "it says it is number \(record.sequence), and it is \(index)") }
        if let before, record.elapsed < before.record.elapsed { breach(index, "it is earlier than the line before") }
    }

    private mutating func take(_ record: JournalRecord, at index: Int) {
        guard finding.end == nil else { return breach(index, "something follows the end") }
        switch record.content {
        case .begun(let begin): self.begin(begin, at: index)
        case .input(let event): input(event, record, at: index)
        case .action(let event): action(event, at: index)
        case .seen(let sight):
            if machine == nil { breach(index, "something comes before the beginning") }
            contradict(index, promises?.contradictions(seen: sight) ?? [])
        case .ended(let end): ended(end, at: index)
        }
    }

    private mutating func begin(_ begin: JournalBegin, at index: Int) {
        guard index == 0 else { return breach(index, "a second beginning") }
        do throws(JournalError) {
            let order = try begin.order()
            machine = RolloutMachine(order)
            promises = JournalPromises(order)
        } catch { breach(index, error.description) }
    }

    private mutating func input(_ event: JournalEvent, _ record: JournalRecord, at index: Int) {
        guard machine != nil else { return breach(index, "an input before the beginning") }
        // A process that was killed may have written less than it had in hand; the next one asks for it anew.
        if event.name != "resumed", let missing = due.first { breach(index, "'\(missing.name)' \(missing.backend ?? "") was to come first") }
        if event.name == "resumed" { finding.resumes += 1 }
        (due, dueEnd) = ([], nil)
        let input: RolloutMachine.Input
        do throws(JournalError) { input = try event.input() } catch { return breach(index, error.description) }
        for text in promises?.take(input: event) ?? [] { breach(index, text) }
        contradict(index, promises?.contradictions(looked: event) ?? [])
        for action in machine?.handle(input, now: record.now) ?? [] {
            if case .end(let verdict) = action { dueEnd = JournalEnd(verdict) } else if let event = JournalEvent(action) { due.append(event) }
        }
    }

    private mutating func action(_ event: JournalEvent, at index: Int) {
        guard let expected = due.first else { return breach(index, "'\(event.name)' \(event.backend ?? "") does not follow from anything") }
        due.removeFirst()
        if expected != event {
            breach(index, "'\(event.name)' \(event.backend ?? "") where '\(expected.name)' \(expected.backend ?? "") follows from what came before")
        }
        for text in promises?.take(action: event) ?? [] { breach(index, text) }
    }

    private mutating func ended(_ end: JournalEnd, at index: Int) {
        if let missing = due.first { breach(index, "'\(missing.name)' \(missing.backend ?? "") was to come first") }
        if dueEnd != end { breach(index, dueEnd == nil ? "it is not at its end" : "it ended otherwise: \(dueEnd?.reason ?? "all was done")") }
        finding.end = end
    }

    private mutating func conclude(_ count: Int) {
        guard let promises else { return }
        finding.restarts = promises.restarts
        finding.mostOut = promises.mostOut
        finding.outMax = promises.outMax
    }
}
