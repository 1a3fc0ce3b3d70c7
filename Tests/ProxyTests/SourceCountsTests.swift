// Connections of each source, counted by many threads. Faults: one more than the limit for a moment, a count that is
// lost or stays when the last has gone, a chain that is torn, sources or listeners taken for one another.
import Model
import Synchronization
import TestSupport
import Testing

@testable import Proxy

private func address(_ number: Int) -> IPAddress { IPAddress(ipv4: UInt32(0x0A00_0000 + number)) }

struct SourceCountsTests {
    @Test("each source, and each listener's by itself, up to its limit; a place comes back once and is used again")
    func one() {
        let counts = SourceCounts(connectionsMax: 10)
        defer { counts.free() }
        let first = (0..<3).compactMap { _ in counts.take(address(1), listener: 0, below: 3) }
        #expect(first.count == 3)
        #expect(counts.take(address(1), listener: 0, below: 3) == nil)
        let others = [counts.take(address(1), listener: 1, below: 3), counts.take(address(2), listener: 0, below: 3)].compactMap { $0 }
        #expect(others.count == 2)
        #expect(counts.used == 3)
        counts.give(first[0])
        let again = counts.take(address(1), listener: 0, below: 3)
        #expect(again != nil)
        #expect(counts.take(address(1), listener: 0, below: 3) == nil)
        for place in first.dropFirst() + others + [again!] { counts.give(place) }
        #expect(counts.used == 0)
    }

    @Test("an IPv4 client is the same one mapped into IPv6, and not the IPv6 address of the same number")
    func families() {
        let counts = SourceCounts(connectionsMax: 10)
        defer { counts.free() }
        #expect(counts.take(address(1), listener: 0, below: 1) != nil)
        #expect(counts.take(IPAddress(ipv6High: 0, low: 0xFFFF_0A00_0001), listener: 0, below: 1) == nil)
        #expect(counts.take(IPAddress(ipv6High: 0, low: 0x0A00_0001), listener: 0, below: 1) != nil)
    }

    @Test("as many sources as connections fit, in any order, twice over")
    func full() {
        let counts = SourceCounts(connectionsMax: 5000)
        defer { counts.free() }
        for round in 0..<2 {
            var places = (0..<5000).compactMap { counts.take(address($0 + round * 2500), listener: 0, below: 1) }
            #expect(Set(places).count == 5000 && counts.used == 5000)
            var random = SeededGenerator(seed: UInt64(round))
            places.shuffle(using: &random)
            for place in places { counts.give(place) }
            #expect(counts.used == 0)
        }
    }

    @Test("eight threads on forty sources: never more than the limit, and nothing is left")
    func hammered() async throws {
        let table = SourceCounts(connectionsMax: 8 * 8)
        defer { table.free() }
        let held = Held()
        try await onThreads(8) { thread in
            var random = SeededGenerator(seed: UInt64(thread))
            var mine: [(place: Int32, source: Int)] = []
            for _ in 0..<20_000 {
                if mine.count < 8, Bool.random(using: &random) {
                    let source = Int.random(in: 0..<40, using: &random)
                    guard let place = table.take(address(source), listener: 0, below: 3) else { continue }
                    // Counted after the take and before the give: at most as many as the table says.
                    held.add(1, of: source)
                    mine.append((place, source))
                } else if !mine.isEmpty {
                    let one = mine.remove(at: Int.random(in: mine.indices, using: &random))
                    held.add(-1, of: one.source)
                    table.give(one.place)
                }
            }
            for one in mine {
                held.add(-1, of: one.source)
                table.give(one.place)
            }
        }
        #expect(held.excesses.value == 0)
        #expect(table.used == 0)
        // Each has its whole limit again.
        for source in 0..<20 {
            #expect((0..<4).count { _ in table.take(address(source), listener: 0, below: 3) != nil } == 3)
        }
    }
}

/// What the threads hold of each source.
private final class Held: Sendable {
    private let counts = Mutex([Int](repeating: 0, count: 40))
    let excesses = Counter()

    func add(_ count: Int, of source: Int) {
        let held = counts.withLock {
            $0[source] += count
            return $0[source]
        }
        if held > 3 { excesses.add(1) }
    }
}
