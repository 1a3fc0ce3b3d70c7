// How fast each source opens connections through one listener: a bounded table of token buckets, shared by all workers.
//
// Sets of eight, in flat memory; a source has its place in one set. A bucket that is full again tells nothing: its
// place is free. Where all eight are in use, the one nearest to full is forgotten, and its source begins anew with a
// full one: a flood of sources makes the limit lenient to some and refuses nobody who is within it. Newcomers push
// out newcomers; those who are far over their rate stay. A source is known by its 64-bit hash alone: SipHash with a
// key that only this process knows, so nobody can choose addresses that fall together.
//
// Invariant: a set is touched under its stripe only. The memory is the control plane's, freed when the workers have ended.
import Decisions
import Model

/// Copying copies the reference; `free` is the control plane's alone.
struct SourceRates: @unchecked Sendable {
    private struct Entry: BitwiseCopyable {
        var source: UInt64
        var theoreticalArrival: Int64
    }

    private struct Block {
        let key: SipHash.Key
        let bucket: TokenBucket
        let ipv4Prefix: Int
        let ipv6Prefix: Int
        let setMask: Int
    }

    private let block: UnsafeMutablePointer<Block>
    private let entries: UnsafeMutablePointer<Entry>
    private let stripes = Stripes()

    private static var setEntries: Int { 8 }

    init(_ limit: SourceRate) {
        var sets = 1
        while sets * 2 * SourceRates.setEntries <= limit.tableMax { sets *= 2 }
        block = .allocate(capacity: 1)
        block.initialize(to: Block(
            // The kernel's randomness: getrandom(2).
            key: SipHash.Key(low: .random(in: 0 ... .max), high: .random(in: 0 ... .max)), bucket: TokenBucket(limit.rate),
            ipv4Prefix: limit.ipv4Prefix, ipv6Prefix: limit.ipv6Prefix, setMask: sets - 1))
        entries = .allocate(capacity: sets * SourceRates.setEntries)
        entries.initialize(repeating: Entry(source: 0, theoreticalArrival: 0), count: sets * SourceRates.setEntries)
    }

    /// Whether the source may open one more; then it is counted. `now` in monotonic nanoseconds.
    func take(_ source: IPAddress, now: Int64) -> Bool {
        let hash = hash(source.unmapped)
        // The set by other bits than a collision within it would need.
        let set = Int(truncatingIfNeeded: hash >> 32) & block.pointee.setMask
        return stripes.withLock(set) {
            let entry = place(of: hash, in: entries + set * SourceRates.setEntries)
            switch block.pointee.bucket.judge(at: now, theoreticalArrival: entry.pointee.theoreticalArrival) {
            case .tooEarly: return false
            case .conforms(let theoreticalArrival):
                entry.pointee.theoreticalArrival = theoreticalArrival
                return true
            }
        }
    }

    /// The source's own entry, else the one nearest to full, emptied of what it knew.
    private func place(of source: UInt64, in set: UnsafeMutablePointer<Entry>) -> UnsafeMutablePointer<Entry> {
        var fullest = set
        for entry in set..<(set + SourceRates.setEntries) {
            if entry.pointee.source == source { return entry }
            if entry.pointee.theoreticalArrival < fullest.pointee.theoreticalArrival { fullest = entry }
        }
        fullest.pointee = Entry(source: source, theoreticalArrival: 0)
        return fullest
    }

    private func hash(_ source: IPAddress) -> UInt64 {
        switch source.family {
        // As IPv6 has it mapped, which no IPv6 source is here: the two never meet.
        case .ipv4: SipHash.hash(low: source.start(ofPrefix: block.pointee.ipv4Prefix).low | 0xFFFF << 32, high: 0, key: block.pointee.key)
        case .ipv6:
            SipHash.hash(
                low: source.start(ofPrefix: block.pointee.ipv6Prefix).low, high: source.start(ofPrefix: block.pointee.ipv6Prefix).high,
                key: block.pointee.key)
        }
    }

    /// After this no worker may hold the block: all have ended.
    func free() {
        block.deallocate()
        entries.deallocate()
        stripes.free()
    }
}
