// The metrics of lbd as text, for a monitoring system: the values of one moment, written in parts.
//
// Backends are read before pools, and pools before listeners: a connection is counted by its listener first. So no scrape
// shows more connections of backends than of listeners, whatever begins while it reads.
import ControlProtocol
import EventLoop
import Model
import Synchronization
import SystemCalls

@ControlPlane struct MetricsText {
    let handler: CommandHandler
    private let turns = Turns()
    /// Some ten microseconds.
    private static let rowsInPart = 64

    init(_ handler: CommandHandler) { self.handler = handler }

    func text(_ form: ExpositionForm) async throws(Failure) -> [UInt8] {
        let whole = Collected()
        let taker = TurnTaker()
        defer { turns.end(of: taker) }
        let answer = Answer(.text, isFollowed: false, pause: { [turns] in await turns.next(for: taker) }) { whole.bytes += $0 }
        try await tell(form, answer)
        try await answer.flush()
        return whole.bytes
    }

    func tell(_ form: ExpositionForm, _ answer: Answer) async throws(Failure) {
        let readings = Readings(handler, await ProcessUsage.now())
        var samples = Samples()
        try await tell([readings.process], form, &samples, answer)
        try await tell(readings.loops, form, &samples, answer)
        try await tell(readings.listeners, form, &samples, answer)
        try await tell(readings.pools, form, &samples, answer)
        try await tell(readings.backends, form, &samples, answer)
        switch form {
        case .prometheus: break
        case .openMetrics: try await answer.write { $0 += "# EOF\n".utf8 }
        }
    }

    private func tell<Row: Reading>(_ rows: [Row], _ form: ExpositionForm, _ samples: inout Samples, _ answer: Answer) async throws(Failure) {
        for family in Row.families {
            try await write(&samples, answer) { $0.begin(family.metric, form) }
            for start in stride(from: 0, to: rows.count, by: MetricsText.rowsInPart) {
                try await write(&samples, answer) { samples in
                    for row in rows[start..<min(start + MetricsText.rowsInPart, rows.count)] {
                        samples.begin(row: row.labels)
                        family.add(row, &samples)
                    }
                }
            }
        }
    }

    /// The bytes are never owned twice, which would have them copied.
    private func write(_ samples: inout Samples, _ answer: Answer, _ part: (inout Samples) -> Void) async throws(Failure) {
        try await answer.write { bytes in
            swap(&samples.bytes, &bytes)
            part(&samples)
            swap(&samples.bytes, &bytes)
        }
    }
}

@ControlPlane private final class Collected {
    var bytes: [UInt8] = []
}

/// All values as of one moment.
@ControlPlane private struct Readings {
    let backends: [BackendReading]
    let pools: [PoolReading]
    let listeners: [ListenerReading]
    let loops: [LoopReading]
    let process: ProcessReading

    init(_ handler: CommandHandler, _ usage: ProcessUsage) {
        let (table, listeners) = (handler.table, handler.status.listeners)
        backends = table.pools.flatMap { pool in
            let former = pool.holdersAtFormerAddresses
            return pool.backends.map { BackendReading($0, table, former: former[$0.reference] ?? 0) }
        }
        pools = table.pools.map { PoolReading($0, table) }
        var named: [ListenerName: [OpenListener]] = [:]
        let all = listeners.open + listeners.closing
        for listener in all { named[listener.configuration.name, default: []].append(listener) }
        self.listeners = all.compactMap { listener in
            named.removeValue(forKey: listener.configuration.name).map { ListenerReading(listener.configuration.name, $0, listeners, table) }
        }
        loops = LoopReading.all(handler)
        process = ProcessReading(handler, usage)
    }
}

extension Pool {
    /// They are still the backend's.
    fileprivate var holdersAtFormerAddresses: [BackendReference: Int] {
        leaving.reduce(into: [:]) { $0[$1.reference, default: 0] += $1.holders }
    }
}

extension ProcessUsage {
    /// An older kernel counts descriptors one by one, of which there may be thousands: beside the loop.
    @ControlPlane fileprivate static func now() async -> ProcessUsage {
        var usage = ProcessUsage()
        guard usage.descriptors == nil else { return usage }
        let count = Atomic(0)
        do throws(SystemError) {
            try await inBackground { () throws(SystemError) in count.store(try Limits.openDescriptors(), ordering: .relaxed) }
            usage.descriptors = count.load(ordering: .relaxed)
        } catch {
            // None is left for the folder that lists them: without them, and the limit stands beside.
            usage.descriptors = nil
        }
        return usage
    }
}
