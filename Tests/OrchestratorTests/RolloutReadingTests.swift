// What is told of a rollout from its journal: how each backend stands, what is waited for, and what is wrong with it.
import ControlProtocol
import EventLoop
import Model
import Rollout
import SystemCalls
import TestSupport
import Testing

@testable import Orchestrator

@Suite struct RolloutReadingTests {
    let temporary: TemporaryFolder
    let folder: RolloutFolder

    init() throws {
        temporary = try TemporaryFolder()
        folder = RolloutFolder(store: RolloutStore(path: temporary.path), id: "20261121T180000Z-web-1a2b")
    }

    private func reading(_ fill: (inout SampleJournal) throws -> Void) throws -> RolloutReading {
        var journal = SampleJournal()
        try fill(&journal)
        try journal.write(to: folder)
        return try RolloutReading(folder)
    }

    @Test func aRolloutWithoutAProcessSaysHowToGoOn() throws {
        let reading = try reading { journal in
            try journal.begin(["web-1", "web-2", "web-3"])
            try journal.step("web-1", from: 1)
            journal.action(14, .drain(try BackendReference("web/web-2"), deadline: .seconds(300)))
            journal.add(16, .seen(JournalSight(backend: "web/web-2", connections: 3, oldest: 250)))
        }
        let report = reading.report
        #expect(report.state == .abandoned)
        #expect(report.stepsDone == 1 && report.step == 2 && report.steps == 3)
        #expect(report.nodes.map(\.state) == ["restarted", "draining", "untouched"])
        #expect(report.waitingFor == ["web/web-2: 3 connections, draining since 2.0 s"])
        #expect(report.deadline == nil && report.nodes.allSatisfy { $0.seconds == nil }, "a time of what nobody waits for")
        let later = RolloutReport(
            reading.history, in: folder, process: nil, at: Timestamp(milliseconds: SampleJournal.began.milliseconds + 16_000 + 300_000))
        let words = "not running any more, as no process carries it out; 1 of 3 done; last heard of 5 m 0 s ago, at 2026-11-21T"
        #expect(later.lines.first?.contains(words) == true, "\(later.lines)")
        #expect(later.lines.contains("  waited then for: web/web-2: 3 connections, draining since 2.0 s"), "\(later.lines)")
        #expect(report.next.count == 1)
        #expect(report.next.first?.hasPrefix("to go on: lbctl rollout resume 20261121T180000Z-web-1a2b --state /") == true, "\(report.next)")
    }

    @Test func aFailedRestartIsToldWithItsLastWords() throws {
        let backend = try BackendReference("web/web-1")
        let reading = try reading { journal in
            try journal.begin(["web-1", "web-2"])
            journal.action(1, .drain(backend, deadline: .seconds(300)))
            journal.input(2, .drainEnded(backend, .drained))
            journal.action(2, .restart(backend, .forward, timeout: .seconds(120)))
            journal.input(4, .restartEnded(backend, .failed(reason: "exit status 7", output: "one\nno such unit\n")))
            journal.action(4, .hold(backend, reason: "restart failed: exit status 7"))
            journal.input(4, .held(backend, .done))
        }
        let failures = reading.history.failures.map(\.text)
        #expect(failures.first == "restart failed after 2.0 s: exit status 7; it printed last: no such unit", "\(failures)")
        #expect(reading.report.nodes.map(\.state) == ["drained", "untouched"])
        #expect(reading.history.nodes[0].spans.map(\.phase) == [.drain, .restart, .held])
        #expect(reading.history.nodes[0].spans.map(\.end) == [.well, .failed("exit status 7"), .open])
    }

    @Test func pausesAndResumesAreTold() throws {
        let reading = try reading { journal in
            try journal.begin(["web-1", "web-2"])
            journal.input(1, .pauseRequested)
        }
        #expect(reading.history.isPaused)
        let report = RolloutReport(reading.history, in: folder, process: 1, at: SampleJournal.began)
        #expect(report.state == .paused && report.silent == nil)
        #expect(reading.report.waitingFor == ["paused: lbctl rollout continue \(folder.words)"])
    }

    /// As the machine does it: whoever resumes a rollout ends its pause.
    @Test func aResumeEndsAPause() throws {
        let reading = try reading { journal in
            try journal.begin(["web-1", "web-2"])
            journal.input(1, .pauseRequested)
            journal.input(2, .resumed)
        }
        #expect(!reading.history.isPaused)
        #expect(reading.history.processes == 2)
        #expect(reading.report.waitingFor.isEmpty)
    }

    /// A load that the others cannot carry is what is waited for, with its numbers, and told once.
    @Test func aWaitForCapacityIsTold() throws {
        let backend = try BackendReference("web/web-1")
        let pool = PoolSnapshot(name: try PoolName("web"), backends: [])
        let reading = try reading { journal in
            try journal.begin(["web-1", "web-2"])
            for second in 1...3 { journal.input(Double(second), .looked(.before(backend), .pool(pool, capacity: .fails(text: "900 of 800 connections")))) }
        }
        #expect(reading.report.waitingFor == ["900 of 800 connections"])
        #expect(reading.history.entries.filter { $0.text.contains("900 of 800") }.count == 1)
    }

    /// Faults: a journal that holds a pool of hundreds at every look, and one that is not the same when it is read back.
    @Test func aLookIsWrittenAsWhatChangedAndReadAsTheWhole() async throws {
        let folder = folder
        try await onLoop {
            func pool(_ names: [Int], connections: Int) throws -> JournalRecord.Content {
                let backends = try names.map {
                    BackendSnapshot(
                        name: try BackendName("web-\($0)"), address: try Endpoint("127.0.0.1:\(9000 + $0)"), wish: .ready, availability: .available,
                        drainOwner: nil, connections: $0 == 2 ? connections : 0)
                }
                let end = RolloutMachine.LookEnd.pool(PoolSnapshot(name: try PoolName("web"), backends: backends), capacity: .carries(text: ""))
                return .input(JournalEvent(.looked(.afterAll, end)))
            }
            try Files.makeFolder(folder.path, mode: 0o700)
            var begin = SampleJournal()
            try begin.begin(["web-1", "web-2"])
            let first = try JournalText.record(begin.lines[0]).content
            let recorder = JournalRecorder(try Journal.create(in: folder))
            let looks = try [([1, 2, 3], 0), ([1, 2, 3], 7), ([1, 2, 3], 7), ([1, 2], 7), ([2, 1], 7)].map { try pool($0.0, connections: $0.1) }
            try await recorder.append([first] + looks, at: .zero)
            let content = try JournalContent(reading: folder.journal)
            let read = try content.records()
            #expect(read.map(\.record) == recorder.records && read.map(\.record.content) == [first] + looks)
            let sizes = content.lines.dropFirst().map { String(decoding: $0, as: UTF8.self).count(of: "\"address\"") }
            #expect(sizes == [3, 1, 0, 2, 2])
            // What begins with a change has lost the line that says of what.
            var pools = JournalPools()
            let orphan = content.lines[2]
            #expect(throws: JournalError.self) { _ = try JournalText.read(orphan, &pools) }
        }
    }

    @Test func aTornLastLineIsAWarning() throws {
        var journal = SampleJournal()
        try journal.begin(["web-1"])
        try journal.write(to: folder)
        try Files.replace(folder.journal, with: journal.bytes + Array("{\"sequence\":2".utf8))
        let reading = try RolloutReading(folder)
        #expect(reading.warning?.contains("13 bytes") == true)
        #expect(reading.history.lastSequence == 1)
    }

    /// Each way to forge a journal is refused with the line at which it shows.
    @Test(arguments: [
        ("altered", 3), ("cut out", 3), ("twice", 4), ("swapped", 3), ("no record", 3), ("first cut", 1),
    ])
    func damageIsToldByItsLine(_ kind: String, line: Int) throws {
        var journal = SampleJournal()
        try journal.begin(["web-1", "web-2"])
        try journal.step("web-1", from: 1)
        var lines = journal.lines
        switch kind {
        case "altered": lines[1] = Array(String(decoding: lines[1], as: UTF8.self).replacing("\"begin\"", with: "\"begim\"").utf8)
        case "cut out": lines.remove(at: 2)
        case "twice": lines.insert(lines[2], at: 2)
        case "swapped": lines.swapAt(2, 3)
        case "no record": lines[2] = Array("{}".utf8)
        case "first cut": lines.removeFirst()
        default: Issue.record("no such way: \(kind)")
        }
        let damage = #expect(throws: JournalDamage.self) { try JournalContent(SampleJournal.bytes(of: lines)).records() }
        #expect(damage?.line == line, "\(damage.map(\.description) ?? "none")")
    }
}

extension String {
    /// How often it holds `part`.
    fileprivate func count(of part: String) -> Int { ranges(of: part).count }
}
