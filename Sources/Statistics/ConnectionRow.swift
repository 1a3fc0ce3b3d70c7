// One live connection in the table: written by its worker, who keeps its counts of bytes nowhere else.
//
// A line of eight words. Word 0: sequence (32 bits), state (8), family of the client's address (8: 0, 4 or 6), its port (16).
// 1: serial. 2: listener, pool, slot (16 bits each; no slot: 0xFFFF), and 1 where the row is not in the table. 3: when it
// began, when the last byte came (32 bits each, ticks of 2^24 ns of the monotonic clock). 4, 5: bytes to the backend, to
// the client. 6, 7: the client's address, first and last 64 bits. Bytes, the last byte's tick, the state, pool and slot are
// stored one by one as they change; the sequence is odd while the others are.
import Model
import Synchronization
import SystemCalls

/// As it is stored; 0: nobody's.
@frozen package enum RowState: UInt8, Sendable {
    case free, header, queued, connecting, relaying, halfClosedByClient, halfClosedByBackend, flushing, resetting
}

@frozen package struct ConnectionRow: @unchecked Sendable {
    // Invariant: points at a row of the segment, or at one besides, owned by the worker that alone writes it, and freed
    // only when no record has it any more.
    @usableFromInline let words: UnsafeMutablePointer<Atomic<UInt64>>
    @inlinable init(words: UnsafeMutablePointer<Atomic<UInt64>>) { self.words = words }

    @inlinable package static var tickShift: Int64 { 24 }
    @inlinable static var noSlot: UInt64 { 0xFFFF }
    @inlinable static var unlisted: UInt64 { 1 << 48 }

    @inlinable func word(_ place: Int) -> UInt64 { words[place].load(ordering: .relaxed) }
    @inlinable func store(_ word: UInt64, at place: Int) { words[place].store(word, ordering: .relaxed) }

    @inlinable package func advanced(by rows: Int) -> ConnectionRow { ConnectionRow(words: words + 8 * rows) }

    @inlinable package var isListed: Bool { word(2) & ConnectionRow.unlisted == 0 }

    /// Nobody's.
    package var isFree: Bool { word(0) >> 32 & 0xFF == UInt64(RowState.free.rawValue) }

    /// A row of the table takes the place of one besides: whoever has that has this from now on.
    package func takePlace(of other: ConnectionRow) {
        let sequence = beginWriting()
        for place in 1..<8 { store(other.word(place), at: place) }
        store(word(2) & ~ConnectionRow.unlisted, at: 2)
        words[0].store(UInt64(sequence &+ 2) | other.word(0) & ~UInt64(UInt32.max), ordering: .releasing)
    }

    /// A new connection has it. `client`: nil for a Unix socket's.
    @inlinable package func begin(serial: UInt64, listener: Int, pool: Int, client: IPEndpoint?, now: Int64) {
        let sequence = beginWriting()
        store(serial, at: 1)
        store(word(2) & ConnectionRow.unlisted | ConnectionRow.noSlot << 32 | UInt64(pool) << 16 | UInt64(listener), at: 2)
        let tick = UInt64(UInt32(truncatingIfNeeded: now >> ConnectionRow.tickShift))
        store(tick << 32 | tick, at: 3)
        store(0, at: 4)
        store(0, at: 5)
        storeAddress(client)
        endWriting(sequence, .connecting, client)
    }

    /// A proxy in front has said who it is.
    @inlinable package func set(client: IPEndpoint?) {
        let state = RowState(rawValue: UInt8(truncatingIfNeeded: word(0) >> 32)) ?? .free
        let sequence = beginWriting()
        storeAddress(client)
        endWriting(sequence, state, client)
    }

    /// It has ended.
    @inlinable package func end() {
        words[0].store(UInt64(UInt32(truncatingIfNeeded: word(0)) &+ 2), ordering: .releasing)
    }

    @inlinable func beginWriting() -> UInt32 {
        let sequence = UInt32(truncatingIfNeeded: word(0))
        store(UInt64(sequence | 1), at: 0)
        atomicMemoryFence(ordering: .releasing)
        return sequence
    }

    @inlinable func endWriting(_ sequence: UInt32, _ state: RowState, _ client: IPEndpoint?) {
        let family: UInt64 = client.map { $0.address.family == .ipv4 ? 4 : 6 } ?? 0
        let port = UInt64(client?.port ?? 0)
        words[0].store(UInt64(sequence &+ 2) | UInt64(state.rawValue) << 32 | family << 40 | port << 48, ordering: .releasing)
    }

    @inlinable func storeAddress(_ client: IPEndpoint?) {
        store(client?.address.high ?? 0, at: 6)
        store(client?.address.low ?? 0, at: 7)
    }

    // MARK: What changes while it lives

    @inlinable package func set(_ state: RowState) { store(word(0) & ~(0xFF << 32) | UInt64(state.rawValue) << 32, at: 0) }
    @inlinable package func set(pool: Int) { store(word(2) & ~(0xFFFF << 16) | UInt64(pool) << 16, at: 2) }
    /// -1: it holds none.
    @inlinable package func set(slot: Int) { store(word(2) & ~(0xFFFF << 32) | UInt64(UInt16(truncatingIfNeeded: slot)) << 32, at: 2) }

    @inlinable package func countBytesToBackend(_ bytes: Int, now: Int64) {
        store(word(4) &+ UInt64(bytes), at: 4)
        note(now)
    }

    @inlinable package func countBytesToClient(_ bytes: Int, now: Int64) {
        store(word(5) &+ UInt64(bytes), at: 5)
        note(now)
    }

    @inlinable func note(_ now: Int64) {
        store(word(3) & (0xFFFF_FFFF << 32) | UInt64(UInt32(truncatingIfNeeded: now >> ConnectionRow.tickShift)), at: 3)
    }

    // MARK: Read by its own worker

    @inlinable package var serial: UInt64 { word(1) }
    @inlinable package var bytesToBackend: UInt64 { word(4) }
    @inlinable package var bytesToClient: UInt64 { word(5) }

    package var client: IPEndpoint? {
        let family = word(0) >> 40 & 0xFF
        return ConnectionRow.client(family: family, port: UInt16(truncatingIfNeeded: word(0) >> 48), high: word(6), low: word(7))
    }

    static func client(family: UInt64, port: UInt16, high: UInt64, low: UInt64) -> IPEndpoint? {
        switch family {
        case 4: IPEndpoint(IPAddress(ipv4: UInt32(truncatingIfNeeded: low)), port: port)
        case 6: IPEndpoint(IPAddress(ipv6High: high, low: low), port: port)
        default: nil
        }
    }
}

extension SegmentView {
    /// A slab of rows in the table for a worker that grows; nil: it has no room or no memory. They are never given back.
    package func growListedRows(worker: Int) -> ConnectionRow? {
        let line = line(ofWorker: worker)
        let used = line.pointee.rows.load(ordering: .relaxed)
        guard used < layout.rows, hasMemory(behindRows: used, worker: worker) else { return nil }
        let first: UnsafeMutablePointer<Atomic<UInt64>> = memory(.connections, used, worker: worker)
        line.pointee.rows.store(used + SegmentLayout.slabRows, ordering: .releasing)
        return ConnectionRow(words: first)
    }

    /// The same, besides where there is nothing in the table: nobody sees them there.
    package func growRows(worker: Int) -> ConnectionRow {
        if let rows = growListedRows(worker: worker) { return rows }
        let words = UnsafeMutablePointer<Atomic<UInt64>>.allocate(capacity: 8 * SegmentLayout.slabRows)
        for place in 0..<8 * SegmentLayout.slabRows {
            (words + place).initialize(to: Atomic(place % 8 == 2 ? ConnectionRow.unlisted : 0))
        }
        return ConnectionRow(words: words)
    }

    /// Of a slab besides the table whose every row was replaced.
    package func free(unlistedRows first: ConnectionRow) { first.words.deallocate() }

    private func hasMemory(behindRows first: Int, worker: Int) -> Bool {
        guard descriptor >= 0 else { return true }
        let offset = layout.offset(.connections, first, worker: worker)
        return MemoryFile.reserve(descriptor, offset: offset, count: SegmentLayout.pageBytes) == 0
    }

    /// Of a row besides the table: one more, or one less.
    package func countUnlisted(_ change: Int, worker: Int) {
        let line = line(ofWorker: worker)
        line.pointee.unlisted.store(line.pointee.unlisted.load(ordering: .relaxed) + change, ordering: .relaxed)
    }
}
