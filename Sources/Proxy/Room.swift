// Which of a pool's backends have room below their connections-max, found without asking each.
//
// A bit too many costs one look at the tickets; one too few would hide a backend, so whoever clears one
// looks at the tickets once more.
import Statistics
import Synchronization

extension Route {
    /// Whether the backend has room, as far as is known at once.
    func hasRoom(_ index: Int) -> Bool { !header.hasLimits || room.isSet(index) }

    /// The first with room at or after `index`, going round.
    func withRoom(from index: Int) -> Int? { header.hasLimits ? room.firstSet(from: index) : index }

    /// A ticket has come back of a backend of which `before` were out.
    func noteReturned(_ index: Int, before: Int) {
        if before >= limit(index) { room.set(index) }
    }

    /// Takes a ticket, if there is one below the limit. Whoever waits is to be served afterwards: a bit that is cleared
    /// for a moment may have been looked for.
    func takeTicket(_ index: Int, _ segment: SegmentView) -> Bool {
        let tickets = segment.tickets(slot: slot(index))
        guard header.hasLimits else {
            tickets.take()
            return true
        }
        let isTaken = tickets.take(below: limit(index))
        if tickets.held >= limit(index) { clearRoom(index, tickets) }
        return isTaken
    }

    /// Sets every bit anew from the tickets: what others gave back by an older routing is not in these.
    func lookForRoom(_ segment: SegmentView) {
        guard header.hasLimits else { return }
        for index in 0..<header.targetCount where segment.tickets(slot: slot(index)).held < limit(index) { room.set(index) }
    }

    private func clearRoom(_ index: Int, _ tickets: Tickets) {
        room.clear(index)
        if tickets.held < limit(index) { room.set(index) }
    }
}

/// A bit for each backend, set where it may have room, shared by all workers. 64 in a word: of 1,000 full backends 16
/// words tell.
struct RoomBits: @unchecked Sendable {
    // Invariant: owned by the route; only atomics are read and written through it.
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let count: Int
    private var wordCount: Int { (count + 63) / 64 }

    /// All set.
    init(count: Int) {
        self.count = count
        words = .allocate(capacity: max(1, (count + 63) / 64))
        for word in 0..<wordCount {
            let bits = min(64, count - 64 * word)
            (words + word).initialize(to: Atomic(bits == 64 ? .max : (1 << UInt64(bits)) - 1))
        }
    }

    private func mask(_ index: Int) -> UInt64 { 1 << UInt64(index & 63) }

    func isSet(_ index: Int) -> Bool {
        words[index >> 6].load(ordering: .sequentiallyConsistent) & mask(index) != 0
    }

    func set(_ index: Int) { words[index >> 6].bitwiseOr(mask(index), ordering: .sequentiallyConsistent) }
    func clear(_ index: Int) { words[index >> 6].bitwiseAnd(~mask(index), ordering: .sequentiallyConsistent) }

    func firstSet(from index: Int) -> Int? {
        // The first word is looked at twice: above the start, and in the end below it.
        var above = ~(mask(index) - 1)
        for step in 0...wordCount {
            let word = ((index >> 6) + step) % wordCount
            let bits = words[word].load(ordering: .sequentiallyConsistent) & above
            if bits != 0 { return word << 6 + bits.trailingZeroBitCount }
            above = .max
        }
        return nil
    }

    func free() {
        words.deinitialize(count: wordCount)
        words.deallocate()
    }
}
