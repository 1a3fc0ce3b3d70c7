// One look into a segment: its parts put together as the values that people and programs want to see.
import Model
import SystemCalls

struct Look {
    private let parts: Parts
    private let process: ProcessEntry
    private let beat: Beat
    private let life: Life
    /// What ages are counted to: of the dead, the last beat.
    private let now: MonotonicTime
    private let used: [SegmentArea: Int]

    /// Nil: nobody has said yet whose it is.
    init?(file: FileParts, areas: AreaTable) throws(SystemError) {
        parts = Parts(file: file, areas: areas)
        let entry = try parts.whole(.process, 0..<1)[0] ?? EntryBytes(count: SegmentArea.process.stride)
        (process, beat) = (ProcessEntry(entry), Beat(entry))
        guard process.pid > 0 else { return nil }
        used = LooseWords.used.mapValues { entry.count(at: $0) }
        life = try Life(of: process, beat, isHeld: file.isHeld())
        now = life.liveness.isDead ? beat.monotonic : Clocks.monotonic()
    }

    func observation() throws(SystemError) -> Observation {
        let table = try connections()
        var seen = Observation(process: try observedProcess())
        (seen.workers, seen.connections, seen.unlisted, seen.unread) = (table.workers, table.rows, table.unlisted, table.unread)
        seen.listeners = try listeners()
        seen.pools = try pools()
        return seen
    }

    private func observedProcess() throws(SystemError) -> ObservedProcess {
        ObservedProcess(
            version: process.version, pid: process.pid, startedAt: process.startedAt, liveness: life.liveness, isSeen: life.isSeen,
            isStopping: process.isStopping,
            connections: try held(.processTickets, 0..<1)[0], connectionsMax: process.connectionsMax,
            descriptors: beat.descriptors, descriptorsMax: process.descriptorsMax)
    }

    private func held(_ area: SegmentArea, _ range: Range<Int>) throws(SystemError) -> [Int] {
        try parts.entries(area, range).map { $0.count(at: 0) }
    }

    /// Numbers of an area that have been in use, as far as there is room for them.
    private func range(_ area: SegmentArea) -> Range<Int> { 0..<min(used[area] ?? 0, parts.areas[area].count) }

    // MARK: Listeners

    private func listeners() throws(SystemError) -> [ObservedListener] {
        let range = range(.listeners)
        let (entries, held) = (try parts.whole(.listeners, range), try held(.listenerTickets, range))
        var totals = [ListenerTotals](repeating: ListenerTotals(), count: range.count)
        for worker in 0..<parts.areas[.listenerLines].arrays {
            for (index, line) in try parts.entries(.listenerLines, range, array: worker).enumerated() {
                totals[index].accepted &+= line.number(at: 0)
                totals[index].closed &+= line.number(at: 8)
                totals[index].refused &+= line.number(at: 16)
            }
        }
        return range.compactMap { index in
            guard let bytes = entries[index], let entry = ListenerEntry(bytes) else { return nil }
            let since = totals[index] - entry.before
            return ObservedListener(
                index: index, name: entry.name, bind: entry.bind, pool: entry.pool, connections: held[index],
                connectionsTotal: since.accepted, refused: since.refused, rate: bytes.double(at: LooseWords.listener))
        }
    }

    // MARK: Pools

    private func pools() throws(SystemError) -> [ObservedPool] {
        var backends = try backends()
        var pools: [ObservedPool] = []
        for (index, bytes) in try parts.whole(.pools, range(.pools)).enumerated() {
            guard let bytes, let entry = PoolEntry(bytes) else { continue }
            var pool = ObservedPool(index: index, name: entry.name, balance: entry.balance, backends: backends.removeValue(forKey: index) ?? [])
            for worker in 0..<parts.areas[.poolTimes].arrays {
                let times = try parts.entries(.poolTimes, index..<index + 1, array: worker)[0]
                pool.connectTimes.add(times, at: PoolTimes.connects.rawValue * TimeLine.bytes)
                pool.firstBytes.add(times, at: PoolTimes.firstBytes.rawValue * TimeLine.bytes)
                pool.durations.add(times, at: PoolTimes.durations.rawValue * TimeLine.bytes)
            }
            pools.append(pool)
        }
        return pools
    }

    /// By the number of their pool, in the order of their slots.
    private func backends() throws(SystemError) -> [Int: [ObservedBackend]] {
        let range = range(.backends)
        let (entries, held) = (try parts.whole(.backends, range), try held(.slotTickets, range))
        var totals = [BackendTotals](repeating: BackendTotals(), count: range.count)
        for worker in 0..<parts.areas[.slotLines].arrays {
            for (slot, line) in try parts.entries(.slotLines, range, array: worker).enumerated() { totals[slot].add(line) }
        }
        var backends: [Int: [ObservedBackend]] = [:]
        for slot in range {
            guard let bytes = entries[slot], let entry = BackendEntry(bytes) else { continue }
            let details = entry.hasDetails ? try parts.whole(.details, slot..<slot + 1)[0].map { BackendDetails($0) } : nil
            let rates = BackendEntry.rates(bytes)
            backends[entry.pool, default: []].append(ObservedBackend(
                slot: slot, name: entry.name, address: entry.address?.description ?? details.map { "unix:\($0.path)" } ?? "",
                wish: entry.wish, probe: entry.probe, availability: entry.availability, drain: details?.drain, weight: entry.weight,
                connections: held[slot], connectionsMax: entry.connectionsMax, totals: totals[slot] - details?.before,
                rate: rates.connections, byteRate: rates.bytes))
        }
        return backends
    }

    // MARK: Connections

    private struct Table {
        var workers: [ObservedWorker] = []
        var rows: [ObservedConnection] = []
        var (unlisted, unread) = (0, 0)
    }

    private func connections() throws(SystemError) -> Table {
        var table = Table()
        for worker in 0..<parts.areas[.workers].arrays {
            let line = try parts.entries(.workers, 0..<1, array: worker)[0]
            let rows = try parts.whole(.connections, 0..<min(line.count(at: 16), parts.areas[.connections].count), array: worker)
            let before = table.rows.count
            for row in rows {
                if let row { observed(row, worker).map { table.rows.append($0) } } else { table.unread += 1 }
            }
            let unlisted = line.count(at: 8)
            table.unlisted += unlisted
            table.workers.append(ObservedWorker(
                index: worker, connections: table.rows.count - before + unlisted, lag: WorkerLag.at(beat: beat.monotonic.nanoseconds, taken: line.nanoseconds(at: 24), lag: line.nanoseconds(at: 0))))
        }
        return table
    }

    /// Nil: nobody has the row, or lbd itself.
    private func observed(_ row: EntryBytes, _ worker: Int) -> ObservedConnection? {
        let (listener, slot): (UInt16, UInt16) = (row.number(at: 16), row.number(at: 20))
        guard let phase = RowState(rawValue: row.byte(at: 4))?.phase, Int(listener) != process.ownListener else { return nil }
        return ObservedConnection(
            id: ConnectionID(worker: worker, serial: row.number(at: 8)),
            client: ConnectionRow.client(family: UInt64(row.byte(at: 5)), port: row.number(at: 6), high: row.number(at: 48), low: row.number(at: 56)),
            listener: Int(listener), pool: Int(row.number(at: 18, as: UInt16.self)), slot: slot == .max ? nil : Int(slot),
            phase: phase, bytesToBackend: row.number(at: 32), bytesToClient: row.number(at: 40),
            age: since(row.number(at: 28)), idle: since(row.number(at: 24)))
    }

    /// A tick goes round after two years; one that is a little in the future is now.
    private func since(_ tick: UInt32) -> Duration {
        let elapsed = Int32(bitPattern: UInt32(truncatingIfNeeded: now.nanoseconds >> ConnectionRow.tickShift) &- tick)
        return .nanoseconds(Int64(max(0, elapsed)) << ConnectionRow.tickShift)
    }
}

extension TimeCounts {
    fileprivate mutating func add(_ entry: EntryBytes, at place: Int) {
        for bucket in 0..<TimeBuckets.count { counts[bucket] &+= entry.number(at: place + 8 * bucket) }
        sum &+= entry.number(at: place + 8 * TimeBuckets.count)
    }
}

extension BackendTotals {
    fileprivate mutating func add(_ line: EntryBytes) {
        connections &+= line.number(at: 0)
        connectFailures &+= line.number(at: 8)
        backendResets &+= line.number(at: 16)
        clientResets &+= line.number(at: 24)
        bytesToBackend &+= line.number(at: 32)
        bytesToClient &+= line.number(at: 40)
        connectTimes.add(ConnectTimes(word: line.number(at: 48)))
    }
}

extension RowState {
    fileprivate var phase: ConnectionPhase? {
        switch self {
        case .free: nil
        case .header: .header
        case .queued: .queued
        case .connecting: .connecting
        case .relaying: .relaying
        case .halfClosedByClient: .halfClosedByClient
        case .halfClosedByBackend: .halfClosedByBackend
        case .flushing: .flushing
        case .resetting: .resetting
        }
    }
}
