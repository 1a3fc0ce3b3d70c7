// What the control plane writes into the segment about the process, its listeners, pools and backends: names and states.
// Each entry at its places; numbers of bytes, and in the comments where they begin.
// Invariant: pointers are into the segment, which outlives every user, and none is kept. The control plane alone writes here.
import Model
import Synchronization

package struct ProcessEntry: Equatable {
    package var version: String  // 80, 64
    package var pid: Int32  // 8
    /// Of /proc/PID/stat, in ticks since the boot: another process of the same number has another.
    package var startTime: UInt64  // 16
    package var startedAt: Timestamp  // 24
    /// The kernel's name for this boot.
    package var boot: String  // 160, 40
    package var isStopping = false  // 4
    package var connectionsMax: Int  // 32
    package var descriptorsMax: Int  // 40
    /// The number of a listener that is no client's: its connections are not shown. 48, plus 1.
    package var ownListener: Int?

    package init(version: String, pid: Int32, startTime: UInt64, startedAt: Timestamp, boot: String, connectionsMax: Int, descriptorsMax: Int) {
        (self.version, self.pid, self.startTime, self.startedAt, self.boot) = (version, pid, startTime, startedAt, boot)
        (self.connectionsMax, self.descriptorsMax) = (connectionsMax, descriptorsMax)
    }

    var bytes: EntryBytes {
        var entry = EntryBytes(count: SegmentArea.process.stride)
        entry.put(UInt32(isStopping ? 1 : 0), at: 4)
        entry.put(UInt32(bitPattern: pid), at: 8)
        entry.put(startTime, at: 16)
        entry.put(startedAt.milliseconds, at: 24)
        entry.put(UInt64(connectionsMax), at: 32)
        entry.put(UInt64(descriptorsMax), at: 40)
        entry.put(UInt64(ownListener.map { $0 + 1 } ?? 0), at: 48)
        entry.put(version, at: 80, bytesMax: 63)
        entry.put(boot, at: 160, bytesMax: 40)
        return entry
    }

    init(_ entry: EntryBytes) {
        self.init(
            version: entry.text(at: 80, bytesMax: 63), pid: Int32(bitPattern: entry.number(at: 8)), startTime: entry.number(at: 16),
            startedAt: Timestamp(milliseconds: entry.milliseconds(at: 24)), boot: entry.text(at: 160, bytesMax: 40),
            connectionsMax: entry.count(at: 32), descriptorsMax: entry.count(at: 40))
        isStopping = entry.number(at: 4, as: UInt32.self) != 0
        ownListener = entry.count(at: 48) > 0 ? entry.count(at: 48) - 1 : nil
    }
}

/// Once a second, a word each, behind what the sequence covers.
package struct Beat: Equatable {
    package var monotonic: MonotonicTime  // 256
    package var calendar: Timestamp  // 264
    package var descriptors: Int  // 272

    package init(monotonic: MonotonicTime, calendar: Timestamp, descriptors: Int) {
        (self.monotonic, self.calendar, self.descriptors) = (monotonic, calendar, descriptors)
    }

    init(_ entry: EntryBytes) {
        self.init(
            monotonic: MonotonicTime(nanoseconds: entry.nanoseconds(at: 256)), calendar: Timestamp(milliseconds: entry.milliseconds(at: 264)),
            descriptors: entry.count(at: 272))
    }
}

package struct ListenerEntry: Equatable {
    package var name: String  // 64, 64
    package var bind: String  // 200, 128
    package var pool: String  // 130, 64
    /// What the number's counters stood at when this listener got it.
    package var before: ListenerTotals  // 16

    package init(name: String, bind: String, pool: String, before: ListenerTotals) {
        (self.name, self.bind, self.pool, self.before) = (name, bind, pool, before)
    }

    var bytes: EntryBytes {
        var entry = EntryBytes(count: SegmentArea.listeners.stride)
        entry.put(UInt8(1), at: 4)
        entry.put(before.accepted, at: 16)
        entry.put(before.closed, at: 24)
        entry.put(before.refused, at: 32)
        entry.put(name, at: 64, bytesMax: 64)
        entry.put(pool, at: 130, bytesMax: 64)
        entry.put(bind, at: 200, bytesMax: 128)
        return entry
    }

    /// Nil: nobody has the number.
    init?(_ entry: EntryBytes) {
        guard entry.byte(at: 4) == 1 else { return nil }
        self.init(
            name: entry.text(at: 64, bytesMax: 64), bind: entry.text(at: 200, bytesMax: 128), pool: entry.text(at: 130, bytesMax: 64),
            before: ListenerTotals(accepted: entry.number(at: 16), closed: entry.number(at: 24), refused: entry.number(at: 32)))
    }
}

package struct PoolEntry: Equatable {
    package var name: String  // 8, 64
    package var balance: String  // 80, 32

    package init(name: String, balance: String) { (self.name, self.balance) = (name, balance) }

    var bytes: EntryBytes {
        var entry = EntryBytes(count: SegmentArea.pools.stride)
        entry.put(UInt8(1), at: 4)
        entry.put(name, at: 8, bytesMax: 64)
        entry.put(balance, at: 80, bytesMax: 32)
        return entry
    }

    init?(_ entry: EntryBytes) {
        guard entry.byte(at: 4) == 1 else { return nil }
        self.init(name: entry.text(at: 8, bytesMax: 64), balance: entry.text(at: 80, bytesMax: 32))
    }
}

/// Where words lie that are stored one by one, without the sequence: rates, by whoever measures.
enum LooseWords {
    /// How many numbers have been written, behind the beat: nothing is behind them.
    static let used: [SegmentArea: Int] = [.listeners: 280, .pools: 288, .backends: 296]
    static let listener = 8
    static let backend = 24
}

extension SegmentView {
    package func write(_ process: ProcessEntry) { write(process.bytes.bytes.prefix(256), .process, 0, besides: nil) }

    package func write(_ beat: Beat) {
        let words = words(.process, 0)
        (words + 32).pointee.store(UInt64(bitPattern: beat.monotonic.nanoseconds), ordering: .relaxed)
        (words + 33).pointee.store(UInt64(bitPattern: beat.calendar.milliseconds), ordering: .relaxed)
        (words + 34).pointee.store(UInt64(beat.descriptors), ordering: .relaxed)
    }

    /// Nil: nobody has the number any more.
    package func write(_ entry: ListenerEntry?, listener: Int) {
        write(entry?.bytes.bytes[...] ?? EntryBytes(count: SegmentArea.listeners.stride).bytes[...], .listeners, listener, besides: LooseWords.listener)
    }

    package func write(_ entry: PoolEntry?, pool: Int) {
        write(entry?.bytes.bytes[...] ?? EntryBytes(count: SegmentArea.pools.stride).bytes[...], .pools, pool, besides: nil)
    }

    package func write(_ entry: BackendEntry?, slot: Int) {
        write(entry?.bytes.bytes[...] ?? EntryBytes(count: SegmentArea.backends.stride).bytes[...], .backends, slot, besides: LooseWords.backend)
    }

    package func write(_ details: BackendDetails, slot: Int) { write(details.bytes.bytes[...], .details, slot, besides: nil) }

    package func write(rate: Double, listener: Int) {
        (words(.listeners, listener) + LooseWords.listener / 8).pointee.store(rate.bitPattern, ordering: .relaxed)
    }

    package func write(rate: Double, byteRate: Double, slot: Int) {
        let word = UInt64(Float(rate).bitPattern) | UInt64(Float(byteRate).bitPattern) << 32
        (words(.backends, slot) + LooseWords.backend / 8).pointee.store(word, ordering: .relaxed)
    }

    private func words(_ area: SegmentArea, _ index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> { memory(area, index) }

    private func note(_ area: SegmentArea, _ index: Int) {
        guard let place = LooseWords.used[area] else { return }
        let counter = words(.process, 0) + place / 8
        if counter.pointee.load(ordering: .relaxed) <= index { counter.pointee.store(UInt64(index + 1), ordering: .relaxed) }
    }

    /// Under the entry's sequence. An entry that stays as it is stays unwritten.
    private func write(_ bytes: ArraySlice<UInt8>, _ area: SegmentArea, _ index: Int, besides place: Int?) {
        note(area, index)
        let words = words(area, index)
        var new = [UInt64](repeating: 0, count: bytes.count / 8)
        for (offset, byte) in bytes.enumerated() { new[offset / 8] |= UInt64(byte) << UInt64(offset % 8 * 8) }
        let first = (words).pointee.load(ordering: .relaxed)
        if let place { new[place / 8] = (words + place / 8).pointee.load(ordering: .relaxed) }
        let isSame = first >> 32 == new[0] >> 32 && (1..<new.count).allSatisfy { (words + $0).pointee.load(ordering: .relaxed) == new[$0] }
        guard !isSame else { return }
        let sequence = UInt32(truncatingIfNeeded: first)
        words.pointee.store(first & ~0xFFFF_FFFF | UInt64(sequence | 1), ordering: .relaxed)
        atomicMemoryFence(ordering: .releasing)
        for word in 1..<new.count { (words + word).pointee.store(new[word], ordering: .relaxed) }
        words.pointee.store(new[0] & ~0xFFFF_FFFF | UInt64(sequence &+ 2), ordering: .releasing)
    }
}
