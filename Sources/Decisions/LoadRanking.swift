// Least-connections without looking at every backend: who of a pool has the fewest connections per weight.
//
// Looking at all tickets would be exact, and 5 to 10 µs among 1,000 backends. The other known ways are a tree under
// a lock (HAProxy's leastconn, nginx's zones) and comparing two by chance (Envoy), which is never exact. Here each
// worker keeps a ranking of its own, with what it knows of each backend's count, and repairs it as it goes:
//
// - It knows at once what its own connections take and give back (`choose`, `noteReturned`). With one worker the
//   ranking is therefore exact.
// - What other workers have taken makes a count too low. The winner's is compared with the tickets each time, and
//   corrected until it is right, so such a backend never wins by mistake (but for the bound on corrections).
// - What others have given back makes a count too high: a backend is passed over for a while. So each choice reads
//   `refreshes` more tickets in rotation: between two looks at one backend lie count / refreshes choices, in which
//   each other worker, equally busy, gives back 1 / refreshes connections of it. With as many refreshes as workers
//   and 8 at least, the error is thus below one connection on average, and gone after count / refreshes choices
//   however large it was. Pools no larger than `refreshes` are exact always.
// - A full backend stands aside like a tried one, until it is seen with room: at its own connections' end, or by the
//   refreshes. Should all seem full here, the table tells whether one has room after all (`notFull`).
// - So does one that is held back and has had its share for now.
// - Backends that come back are new in the routing, and a new routing is ranked anew from the tickets.
//
// The ranking is a tournament tree: a leaf a backend, each inner node names the better of its two. A corrected count
// replays the matches on its way to the root, 10 for 1,000 backends, in memory that only this worker uses.
//
// Load is connections / weight. Equal loads take turns by weight, as in start-time fair queueing (Goyal, Vin and
// Cheng, SIGCOMM 1996): one client after the other, each gone before the next, spreads like weighted round-robin
// and does not go to the heaviest backend every time.
import Model

@frozen package struct LoadRanking: Sendable {
    @frozen @usableFromInline struct Entry: Sendable {
        /// As far as this worker knows.
        @usableFromInline var connections: Int32
        @usableFromInline let weight: Int32
        /// From which virtual time on it is its turn again, as far as this worker has chosen.
        @usableFromInline var turn: UInt64
        @inlinable init(connections: Int32, weight: Int32, turn: UInt64) {
            (self.connections, self.weight, self.turn) = (connections, weight, turn)
        }

        /// connections / weight, compared without dividing; among equals the one whose turn is earlier.
        @inlinable func isBetter(than other: Entry) -> Bool {
            let load = Int64(connections) &* Int64(other.weight)
            let otherLoad = Int64(other.connections) &* Int64(weight)
            return load == otherLoad ? turn < other.turn : load < otherLoad
        }
    }

    @usableFromInline var entries: [Entry]
    /// Winners: node n has the children 2n and 2n + 1, the root is 1, the leaf of backend i would be node count + i.
    @usableFromInline var winners: [UInt16]
    /// Virtual time: the turn that was taken last.
    @usableFromInline var clock: UInt64
    @usableFromInline var rotation = 0
    @usableFromInline let refreshes: Int

    /// Ranks nobody.
    package init() {
        (entries, winners, clock, refreshes) = ([], [], 0, 0)
    }

    /// `start`: who goes first among equals; workers differ in it, so that they do not march in step.
    @inlinable package init(_ table: some ChoiceTable, workers: Int, start: UInt64) {
        let count = table.count
        precondition(count <= Int(UInt16.max), "a pool has at most \(UInt16.max) backends")
        clock = 0
        refreshes = min(count, max(LoadRanking.refreshesMin, workers))
        let first = count == 0 ? 0 : Int(start % UInt64(count))
        entries = (0..<count).map {
            let turn = $0 >= first ? $0 - first : $0 - first + count
            return Entry(connections: LoadRanking.load(table, $0), weight: Int32(table.weight($0)), turn: UInt64(turn))
        }
        winners = Array(repeating: 0, count: max(2, count))
        for node in stride(from: count - 1, to: 0, by: -1) {
            winners[node] = UInt16(truncatingIfNeeded: playMatch(node))
        }
    }

    /// Virtual time that a choice costs a backend of weight 1; large, so that it divides well by weights up to 256.
    @inlinable static var turnOfWeightOne: UInt64 { 1 << 32 }
    @inlinable static var refreshesMin: Int { 8 }
    /// Of the winner's count, for one choice: others may have taken hundreds since this worker's last one.
    @inlinable static var correctionsMax: Int { 32 }
    /// Stands for a backend that must not win now.
    @inlinable static var parked: Int32 { .max }

    /// The fewest connections per weight among the untried; nil when there are none.
    @inlinable package mutating func choose(_ table: some ChoiceTable) -> Int? {
        guard !entries.isEmpty else { return nil }
        refresh(table)
        // Stays empty, and so costs no allocation, but for connections whose first attempt has failed.
        var aside: [Int] = []
        var corrections = 0
        var chosen: (index: Int, connections: Int32)?
        while true {
            let best = winner
            let known = entries[best].connections
            if known == LoadRanking.parked {
                chosen = remaining(table)
                break
            }
            if table.isTried(best) {
                set(best, LoadRanking.parked)
                aside.append(best)
                continue
            }
            let real = LoadRanking.load(table, best)
            if real > known, corrections < LoadRanking.correctionsMax {
                corrections += 1
                set(best, real)
                continue
            }
            chosen = real == LoadRanking.parked ? remaining(table) : (best, real)
            break
        }
        if let chosen { take(chosen.index, connections: chosen.connections) }
        for index in aside { set(index, LoadRanking.load(table, index)) }
        return chosen?.index
    }

    /// A connection of this worker has given its ticket back; `connections` are left, over all workers.
    @inlinable package mutating func noteReturned(_ index: Int, connections: Int) {
        correct(index, Int32(clamping: connections))
    }

    /// The same, but the ticket went to somebody who waited: the backend is full still.
    @inlinable package mutating func noteFull(_ index: Int) { correct(index, LoadRanking.parked) }

    /// Of all that seem full here, one that is not; from where the refreshes stand, so that it is not always the same.
    @inlinable func remaining(_ table: some ChoiceTable) -> (index: Int, connections: Int32)? {
        table.remaining(from: rotation).map { ($0, Int32(clamping: table.connections($0))) }
    }

    /// The chosen backend has one more; its next turn is behind the others'.
    @inlinable mutating func take(_ index: Int, connections: Int32) {
        clock = max(clock, entries[index].turn)
        entries[index].turn = clock + LoadRanking.turnOfWeightOne / UInt64(entries[index].weight)
        set(index, connections + 1)
    }

    @inlinable static func load(_ table: some ChoiceTable, _ index: Int) -> Int32 {
        table.isFull(index) || table.isHeldBack(index) ? parked : Int32(clamping: table.connections(index))
    }

    @inlinable var winner: Int { entries.count == 1 ? 0 : Int(winners[1]) }

    @inlinable mutating func refresh(_ table: some ChoiceTable) {
        for _ in 0..<refreshes {
            rotation = rotation + 1 < entries.count ? rotation + 1 : 0
            correct(rotation, LoadRanking.load(table, rotation))
        }
    }

    @inlinable mutating func correct(_ index: Int, _ connections: Int32) {
        if entries[index].connections != connections { set(index, connections) }
    }

    /// Replays the backend's matches upwards, until one that it neither wins nor had won: nobody above knows it.
    @inlinable mutating func set(_ index: Int, _ connections: Int32) {
        entries[index].connections = connections
        var node = (entries.count + index) / 2
        while node > 0 {
            let before = Int(winners[node])
            let after = playMatch(node)
            if after == before, after != index { return }
            winners[node] = UInt16(truncatingIfNeeded: after)
            node /= 2
        }
    }

    /// Who wins at an inner node.
    @inlinable func playMatch(_ node: Int) -> Int {
        let left = competitor(2 * node), right = competitor(2 * node + 1)
        return entries[right].isBetter(than: entries[left]) ? right : left
    }

    @inlinable func competitor(_ node: Int) -> Int {
        node >= entries.count ? node - entries.count : Int(winners[node])
    }
}
