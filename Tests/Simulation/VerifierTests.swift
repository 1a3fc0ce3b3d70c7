// Forged, cut and shuffled journals: every change to one line of a real one is noticed.
import ControlProtocol
import Model
import Rollout
import Testing

/// Of two backends, one after the other: every change to every line of it is tried.
func smallest(writesText: Bool = false) throws -> Process {
    for seed in UInt64(1)...1000 {
        let process = try simulated(seed: seed, faults: false, writesText: writesText)
        let order = process.order
        if order.plan.steps.count == 2, order.policy.strategy == .rolling, order.policy.canary == 0, order.policy.batch == 1 { return process }
    }
    throw Broken("no seed makes a small rollout")
}

@Suite struct VerifierTests {
    private let real: [JournalRecord]

    init() throws { real = try smallest(writesText: true).journal }

    /// As they lie on the disk: each record says what it says, the values are of the lines as they are.
    private func lines(_ records: [JournalRecord]) -> [JournalLine] {
        records.map { JournalLine(record: $0, value: JournalChain.value(of: Array(JSONText.line($0).utf8))) }
    }

    /// By a forger who makes the chain and the numbers fit.
    private func chained(_ records: [JournalRecord]) -> [JournalLine] {
        var lines: [JournalLine] = []
        for (index, old) in records.enumerated() {
            let record = JournalRecord(
                sequence: index, at: old.at, elapsed: old.elapsed, chain: lines.last?.value ?? JournalChain.first, content: old.content)
            lines.append(JournalLine(record: record, value: JournalChain.value(of: Array(JSONText.line(record).utf8))))
        }
        return lines
    }

    @Test func aRealOneHolds() {
        let finding = JournalVerifier.verify(lines(real))
        #expect(finding.holds, "\(finding.breaches)")
        #expect(JournalVerifier.verify(chained(real)) == finding)
        #expect(finding.restarts >= 2)
    }

    /// Nothing left, no beginning, or any line missing, doubled or moved: the chain breaks. Cut at its end it is unfinished.
    @Test func everyCutIsNoticed() {
        for index in real.indices {
            var without = real, doubled = real, moved = real
            without.remove(at: index)
            doubled.insert(real[index], at: index)
            let other = index == 0 ? real.count - 1 : index - 1
            moved.swapAt(index, other)
            let verdicts = [without, doubled, moved].map { JournalVerifier.verify(lines($0)).holds }
            #expect(verdicts == [false, false, false], "line \(index + 1)")
            #expect(!JournalVerifier.verify(lines(Array(real[..<index]))).holds, "cut before line \(index + 1)")
        }
    }

    /// Every byte of every line matters to the line that follows it, or is the last.
    @Test func everyAlteredLineIsNoticed() {
        for index in real.indices.dropLast() {
            var lines = lines(real)
            let old = lines[index].record
            let altered = JournalRecord(
                sequence: old.sequence, at: Timestamp(milliseconds: old.at.milliseconds + 1), elapsed: old.elapsed, chain: old.chain, content: old.content)
            lines[index] = JournalLine(record: altered, value: JournalChain.value(of: Array(JSONText.line(altered).utf8)))
            #expect(!JournalVerifier.verify(lines).holds, "line \(index + 1)")
        }
    }

    /// With a chain that fits: what is left out does not lead to what follows.
    @Test func aForgerWhoMakesTheChainFitIsNoticedToo() {
        for index in real.indices {
            var without = real
            without.remove(at: index)
            #expect(!JournalVerifier.verify(chained(without)).holds, "without line \(index + 1): \(real[index].content)")
            guard index > 0 else { continue }
            var moved = real
            moved.swapAt(index, index - 1)
            #expect(!JournalVerifier.verify(chained(moved)).holds, "line \(index + 1) moved")
            var doubled = real
            doubled.insert(real[index], at: index)
            let isInput = if case .input = real[index].content { true } else { false }
            // An input that comes twice is late the second time, unless it is an answer: that was not asked twice.
            #expect(!JournalVerifier.verify(chained(doubled)).holds || isInput, "line \(index + 1) doubled")
        }
    }

    /// The promises are counted without the machine: a journal of a machine that broke them does not pass by itself.
    @Test func anAnswerThatIsAnotherIsNoticed() {
        for (index, record) in real.enumerated() {
            guard case .input(var event) = record.content, event.result != nil else { continue }
            event.result = "failed"
            event.reason = "forged"
            var forged = real
            forged[index] = JournalRecord(
                sequence: record.sequence, at: record.at, elapsed: record.elapsed, chain: record.chain, content: .input(event))
            #expect(!JournalVerifier.verify(chained(forged)).holds, "line \(index + 1): \(event.name)")
        }
    }

    /// A sight put in after the drain, by whoever tells the truth: the journal is sound, and is not proved.
    @Test func aSightAfterTheDrainIsTold() throws {
        let index = try #require(real.firstIndex { if case .action(let event) = $0.content { event.name == "restart" } else { false } })
        guard case .action(let restart) = real[index].content else { return }
        let sight = JournalSight(backend: restart.backend, connections: 3)
        var seen = real
        seen.insert(JournalRecord(sequence: 0, at: real[index].at, elapsed: real[index].elapsed, chain: "", content: .seen(sight)), at: index + 1)
        let finding = JournalVerifier.verify(chained(seen))
        #expect(!finding.holds && finding.breaches == [])
        #expect(finding.contradictions.map(\.description) == ["line \(index + 2): \(restart.backend ?? "") had 3 connections after it was drained"])
    }

    /// All of a run that was killed: it holds as far as it goes, and is unfinished.
    @Test func anUnfinishedOneHoldsAsFarAsItGoes() {
        for count in real.indices.dropFirst() {
            let finding = JournalVerifier.verify(lines(Array(real[..<count])))
            #expect(finding.breaches == [], "\(count) lines")
            #expect(finding.end == nil)
        }
    }
}
