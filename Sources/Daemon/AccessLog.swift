// The access lines: what the workers tell of each connection that has ended, given names and handed to the log, in parts
// between whatever else the loop has to do.
import EventLoop
import Logging
import Model
import Proxy
import SystemCalls

@ControlPlane final class AccessLog {
    private let queues: AccessQueues
    private let table: PoolTable
    private let listeners: Listeners
    private let log: Log
    private let turns: Turns
    private let taker = TurnTaker()
    /// Named before their numbers could become somebody else's, and not written yet.
    private var named: ArraySlice<NamedRecord> = []

    /// Lines between two turns of everybody else: some 300 microseconds.
    private static let partMax = 100
    /// Records that wait with their names: some milliseconds' work for the loop, and as many megabytes. More are lost.
    private static let namedMax = 16_384
    /// What ends within this time is written together: each wake-up of the loop costs more than a line.
    private static let pause = Duration.milliseconds(20)

    init(_ queues: AccessQueues, table: PoolTable, listeners: Listeners, log: Log, turns: Turns) {
        (self.queues, self.table, self.listeners, self.log, self.turns) = (queues, table, listeners, log, turns)
    }

    func run() async {
        while await wait(for: .readable, on: queues.descriptor) == .ready {
            queues.clearNews()
            while await turns.next(for: taker), writePart() {}
            turns.end(of: taker)
            guard await EventLoop.pause(for: AccessLog.pause) else { return }
        }
    }

    /// Numbers are about to be given to others: who has them now is looked up for all that was told so far, each once. The
    /// lines are made in parts, when they are written.
    func nameAll() {
        var (lost, names) = (0, Names(table, listeners))
        _ = queues.take { worker, record in
            if named.count < AccessLog.namedMax { named.append(names.name(worker, record)) } else { lost += 1 }
        }
        noteLost(lost)
    }

    /// What is left, at the end: the workers have ended.
    func finish() {
        while writePart() {}
    }

    /// False: there was nothing.
    private func writePart() -> Bool {
        var part = Array(named.prefix(AccessLog.partMax))
        named = named.count > part.count ? named.dropFirst(part.count) : []
        if part.isEmpty {
            var names = Names(table, listeners)
            _ = queues.take(AccessLog.partMax) { part.append(names.name($0, $1)) }
        }
        log.write(part.map(\.line))
        noteLost(queues.takeLost())
        return !part.isEmpty
    }

    private func noteLost(_ count: Int) {
        guard count > 0 else { return }
        log.countDropped(count)
        log.write(LogLine(
            level: .warning, subsystem: .access,
            text: "\(counted(count, "access line")) \(count == 1 ? "was" : "were") dropped: connections end faster than lbd comes to write them"))
    }
}

/// A record, and who had its numbers then.
private struct NamedRecord {
    let worker: Int
    let record: AccessRecord
    let listener: ListenerName?
    let pool: PoolName?
    let backend: BackendReference?

    var line: LogLine {
        let listener = listener?.text ?? "-"
        let fields = AccessFields(
            id: record.serial.map { ConnectionID(worker: worker, serial: $0).description }, listener: listener, client: record.client?.description,
            pool: pool?.text, backend: backend?.description, bytesToBackend: record.bytesToBackend, bytesToClient: record.bytesToClient,
            connect: record.connected?.inSeconds, firstByte: record.firstByte?.inSeconds,
            duration: record.serial == nil ? nil : Double(record.duration / 1_000_000) / 1000, by: record.ending.by, reason: record.ending.reason)
        return LogLine(
            level: .info, subsystem: .access, subject: "listener \(listener)",
            text: record.serial == nil ? "client turned away" : "connection ended", access: fields)
    }
}

/// Who has which number now: each is looked up once.
@ControlPlane private struct Names {
    private let table: PoolTable
    private let listeners: Listeners
    private var listenerNames: [Int32: ListenerName?] = [:]
    private var poolNames: [Int32: PoolName?] = [:]
    private var backends: [Int32: BackendReference?] = [:]

    init(_ table: PoolTable, _ listeners: Listeners) { (self.table, self.listeners) = (table, listeners) }

    mutating func name(_ worker: Int, _ record: AccessRecord) -> NamedRecord {
        let backend = record.slot < 0 ? nil : Names.find(record.slot, in: &backends) { table.entry(slot: $0)?.backend.reference }
        let pool = backend?.pool ?? (record.pool < 0 ? nil : Names.find(record.pool, in: &poolNames) { table.pool(index: $0)?.configuration.name })
        let listener = Names.find(record.listener, in: &listenerNames) { listeners.listener(index: $0)?.configuration.name }
        return NamedRecord(worker: worker, record: record, listener: listener, pool: pool, backend: backend)
    }

    private static func find<Name>(_ number: Int32, in known: inout [Int32: Name?], _ look: (Int) -> Name?) -> Name? {
        if let name = known[number] { return name }
        let name = look(Int(number))
        known[number] = .some(name)
        return name
    }
}

extension UInt32 {
    /// Of milliseconds.
    fileprivate var inSeconds: Double { Double(self) / 1000 }
}
