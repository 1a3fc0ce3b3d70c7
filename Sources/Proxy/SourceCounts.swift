// How many connections each source has open through each listener: exact over all workers.
//
// A hash table with chains, in flat memory. An entry lives while its count is above 0, at the same place, so that a
// connection gives back by number. The hash is SipHash with a key that only this process knows: nobody can choose
// addresses that fall together.
//
// Invariant: a bucket's chain and the entries in it are touched under the bucket's stripe only, free entries under
// `vacant` only (taken within a stripe, never the other way round). Each entry has a connection that holds a ticket
// of the process, taken before its place and given back after it: there are never more entries than tickets.
// The memory is the control plane's, freed when the workers have ended.
import Decisions
import Model
import Synchronization

/// Copying copies the reference; `free` is the control plane's alone.
struct SourceCounts: @unchecked Sendable {
    private struct Entry: BitwiseCopyable {
        let source: IPAddress
        let listener: Int32
        let bucket: Int32
        var count: Int32
        /// In the bucket's chain, or among the vacant ones; -1: the last.
        var next: Int32
    }

    /// Entries that are not in use: given back ones, then those never used yet.
    private struct Vacant {
        var first: Int32 = -1
        var fresh: Int32 = 0
        var used = 0
    }

    private struct Block: ~Copyable {
        let key: SipHash.Key
        let entriesMax: Int
        let bucketMask: Int
        /// The first entry of each bucket, else -1.
        let heads: UnsafeMutablePointer<Int32>
        /// Entries in pieces of `pieceEntries`, allocated as more sources come than ever before.
        let pieces: UnsafeMutablePointer<UnsafeMutablePointer<Entry>?>
        let vacant = Mutex(Vacant())
    }

    private let block: UnsafeMutablePointer<Block>
    private let stripes = Stripes()

    private static var pieceEntries: Int { 1024 }
    private static var bucketsMax: Int { 1 << 18 }

    /// `connectionsMax`: how many tickets the process has; `ceiling`: how many it may ever get.
    init(connectionsMax: Int, ceiling: Int? = nil) {
        var buckets = 64
        while buckets < min(connectionsMax, SourceCounts.bucketsMax) { buckets *= 2 }
        let entriesMax = max(connectionsMax, ceiling ?? 0)
        let pieceCount = entriesMax / SourceCounts.pieceEntries + 1
        block = .allocate(capacity: 1)
        block.initialize(to: Block(
            // The kernel's randomness: getrandom(2).
            key: SipHash.Key(low: .random(in: 0 ... .max), high: .random(in: 0 ... .max)), entriesMax: entriesMax,
            bucketMask: buckets - 1, heads: .allocate(capacity: buckets), pieces: .allocate(capacity: pieceCount)))
        block.pointee.heads.initialize(repeating: -1, count: buckets)
        block.pointee.pieces.initialize(repeating: nil, count: pieceCount)
    }

    /// Counts one more connection: the place to give back; nil where the source has `limit` of them already.
    func take(_ source: IPAddress, listener: Int, below limit: Int) -> Int32? {
        let source = source.unmapped
        let hash = SipHash.hash(low: source.low, high: source.high, key: block.pointee.key)
        let bucket = Int(truncatingIfNeeded: hash) & block.pointee.bucketMask
        return stripes.withLock(bucket) {
            var place = block.pointee.heads[bucket]
            while place >= 0 {
                let entry = entry(place)
                if entry.pointee.source == source, entry.pointee.listener == Int32(listener) {
                    guard entry.pointee.count < limit else { return nil }
                    entry.pointee.count += 1
                    return place
                }
                place = entry.pointee.next
            }
            let next = block.pointee.heads[bucket]
            let new = newEntry(Entry(source: source, listener: Int32(listener), bucket: Int32(bucket), count: 1, next: next))
            block.pointee.heads[bucket] = new
            return new
        }
    }

    /// Once for each place taken.
    func give(_ place: Int32) {
        let entry = entry(place)
        // It never changes while somebody counts here.
        let bucket = Int(entry.pointee.bucket)
        stripes.withLock(bucket) {
            precondition(entry.pointee.count > 0, "a place was given back twice")
            entry.pointee.count -= 1
            guard entry.pointee.count == 0 else { return }
            unlink(place, from: bucket)
            vacate(place)
        }
    }

    /// How many different sources have a connection open, each listener's by themselves.
    var used: Int { block.pointee.vacant.withLock { $0.used } }

    /// After this no worker may hold the block: all have ended.
    func free() {
        let pieceCount = block.pointee.entriesMax / SourceCounts.pieceEntries + 1
        for piece in 0..<pieceCount { block.pointee.pieces[piece]?.deallocate() }
        block.pointee.pieces.deallocate()
        block.pointee.heads.deallocate()
        block.deinitialize(count: 1)
        block.deallocate()
        stripes.free()
    }

    private func entry(_ place: Int32) -> UnsafeMutablePointer<Entry> {
        guard let piece = block.pointee.pieces[Int(place) / SourceCounts.pieceEntries] else {
            preconditionFailure("a place lies in a piece that was allocated")
        }
        return piece + Int(place) % SourceCounts.pieceEntries
    }

    private func unlink(_ place: Int32, from bucket: Int) {
        let next = entry(place).pointee.next
        var before = block.pointee.heads[bucket]
        guard before != place else {
            block.pointee.heads[bucket] = next
            return
        }
        while entry(before).pointee.next != place { before = entry(before).pointee.next }
        entry(before).pointee.next = next
    }

    private func newEntry(_ new: Entry) -> Int32 {
        block.pointee.vacant.withLock { vacant in
            vacant.used += 1
            precondition(vacant.used <= block.pointee.entriesMax, "every source that is counted has a ticket")
            let place: Int32
            if vacant.first >= 0 {
                place = vacant.first
                vacant.first = entry(place).pointee.next
            } else {
                place = vacant.fresh
                vacant.fresh += 1
                let piece = Int(place) / SourceCounts.pieceEntries
                if block.pointee.pieces[piece] == nil { block.pointee.pieces[piece] = .allocate(capacity: SourceCounts.pieceEntries) }
            }
            entry(place).initialize(to: new)
            return place
        }
    }

    private func vacate(_ place: Int32) {
        block.pointee.vacant.withLock { vacant in
            vacant.used -= 1
            entry(place).pointee.next = vacant.first
            vacant.first = place
        }
    }
}
