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
    private var named: ArraySlice<LogLine> = []

    /// Lines between two turns of everybody else: some 300 microseconds.
    private static let partMax = 100
    /// More that are named wait for nobody: they are lost.
    private static let namedMax = 65_536
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

    /// Numbers are about to be given to others: who has them now is looked up for all that was told so far.
    func nameAll() {
        var lost = 0
        _ = queues.take { worker, record in
            if named.count < AccessLog.namedMax { named.append(line(worker, record)) } else { lost += 1 }
        }
        noteLost(lost)
    }

    /// What is left, at the end: the workers have ended.
    func finish() {
        while writePart() {}
    }

    /// False: there was nothing.
    private func writePart() -> Bool {
        var lines = Array(named.prefix(AccessLog.partMax))
        named = named.count > lines.count ? named.dropFirst(lines.count) : []
        if lines.isEmpty { _ = queues.take(AccessLog.partMax) { lines.append(line($0, $1)) } }
        log.write(lines)
        noteLost(queues.takeLost())
        return !lines.isEmpty
    }

    private func noteLost(_ count: Int) {
        guard count > 0 else { return }
        log.countDropped(count)
        log.write(LogLine(
            level: .warning, subsystem: .access,
            text: "\(counted(count, "access line")) \(count == 1 ? "was" : "were") dropped: connections end faster than lbd comes to write them"))
    }

    // MARK: Names

    private func line(_ worker: Int, _ record: AccessRecord) -> LogLine {
        let listener = listeners.listener(index: Int(record.listener))?.configuration.name.text ?? "-"
        let backend = table.entry(slot: Int(record.slot))?.backend.reference
        let pool = backend?.pool ?? (record.pool < 0 ? nil : table.pool(index: Int(record.pool))?.configuration.name)
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

extension UInt32 {
    /// Of milliseconds.
    fileprivate var inSeconds: Double { Double(self) / 1000 }
}
