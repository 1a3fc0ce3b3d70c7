// A rollout's journal for tests, written as a rollout writes it: records in order, each tied to the one before.
import EventLoop
import Model
import Rollout
import SystemCalls

@testable import Orchestrator

/// Collects records; times in seconds since the beginning.
struct SampleJournal {
    private(set) var lines: [[UInt8]] = []
    private var chain = JournalChain.first
    static let began = Timestamp(milliseconds: 1_795_284_000_000)

    mutating func add(_ seconds: Double, _ content: JournalRecord.Content) {
        let record = JournalRecord(
            sequence: lines.count, at: Timestamp(milliseconds: SampleJournal.began.milliseconds + Int64(seconds * 1000)),
            elapsed: .milliseconds(Int64(seconds * 1000)), chain: chain, content: content)
        let line = JournalText.line(record)
        lines.append(line)
        chain = JournalChain.value(of: line)
    }

    mutating func input(_ seconds: Double, _ input: RolloutMachine.Input) { add(seconds, .input(JournalEvent(input))) }
    mutating func action(_ seconds: Double, _ action: RolloutMachine.Action) {
        if let event = JournalEvent(action) { add(seconds, .action(event)) }
    }

    mutating func begin(_ names: [String], command: String = "restart-it") throws {
        let pool = try PoolName("web")
        let backends = try names.enumerated().map {
            BackendSnapshot(
                name: try BackendName($0.element), address: try Endpoint("127.0.0.1:900\($0.offset + 1)"), wish: .ready, availability: .available,
                drainOwner: nil)
        }
        let plan = try Plan(pool: PoolSnapshot(name: pool, backends: backends), restart: .command([command, "{backend}"]))
        let limits = RolloutLimits(drain: .seconds(300), restart: .seconds(120), ready: .seconds(60))
        let order = RolloutOrder(
            id: "20261121T180000Z-web-1a2b", owner: "rollout-web", balancers: ["run/lbd.sock"], plan: plan, limits: limits,
            commandLine: ["lbctl", "rollout", "run", "web"], proof: ["2 of 3 carry it: 850 of 1000 connections"])
        add(0, .begun(JournalBegin(order, version: "1")))
        input(0, .begin)
    }

    /// One backend's step that goes well, beginning at `from`.
    mutating func step(_ name: String, from: Double) throws {
        let backend = try BackendReference("web/\(name)")
        action(from, .drain(backend, deadline: .seconds(300)))
        add(from + 1, .seen(JournalSight(backend: "web/\(name)", connections: 30)))
        add(from + 3, .seen(JournalSight(backend: "web/\(name)", connections: 4, oldest: 250)))
        input(from + 6, .drainEnded(backend, .drained))
        action(from + 6, .restart(backend, .forward, timeout: .seconds(120)))
        input(from + 9, .restartEnded(backend, .restarted))
        action(from + 9, .probe(backend, timeout: .seconds(60)))
        input(from + 11, .probed(backend, .up))
        action(from + 11, .undrain(backend))
        input(from + 11, .undrained(backend, .done))
    }

    var bytes: [UInt8] { SampleJournal.bytes(of: lines) }

    static func bytes(of lines: [[UInt8]]) -> [UInt8] { lines.reduce(into: []) { $0 += $1 + [0x0A] } }

    func write(to folder: RolloutFolder) throws {
        try Files.makeFolder(folder.path, mode: 0o700)
        try Files.create(folder.journal, with: bytes)
    }
}
