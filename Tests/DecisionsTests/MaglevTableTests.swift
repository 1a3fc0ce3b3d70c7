// Who a client belongs to. Faults: balancers of one fleet that disagree, a backend that goes and moves everybody's
// clients (hash modulo count), shares far apart (a ring with few points).
import Decisions
import TestSupport
import Testing

private func names(_ count: Int) -> [String] { (1...count).map { "web/web-\($0)" } }

/// Clients 10.0.0.0, 10.0.0.1, …
private func hash(ofClient number: Int) -> UInt64 {
    ClientHash.ofIPv4(word: (UInt32(10) << 24 | UInt32(number)).byteSwapped)
}

struct MaglevTableTests {
    @Test(arguments: [2, 3, 20, 1000])
    func sharesAreEven(_ count: Int) {
        let positions = MaglevTable.positions(names: names(count), weights: Array(repeating: 1, count: count))
        #expect(positions.count == MaglevTable.size)
        let had = counts(positions.map { Int($0) }, of: count)
        // Turns make them differ by one position at most: 1.6 % of 65 for 1,000 backends.
        #expect((had.max() ?? 0) - (had.min() ?? 0) <= 1)
    }

    @Test(arguments: [[1, 2, 5], [256, 1], [100, 101, 99, 3]])
    func sharesFollowWeights(_ weights: [Int]) {
        let positions = MaglevTable.positions(names: names(weights.count), weights: weights)
        let had = counts(positions.map { Int($0) }, of: weights.count)
        for (index, weight) in weights.enumerated() {
            let share = Double(MaglevTable.size) * Double(weight) / Double(weights.reduce(0, +))
            #expect(abs(Double(had[index]) - share) <= max(2, 0.01 * share), "\(weights): \(had)")
        }
    }

    /// Computed by a second implementation (Python, from the paper and the comments in MaglevTable.swift): another
    /// release of lbd must not answer otherwise.
    @Test func isWrittenInStone() {
        #expect(ClientHash.ofIPv4(word: 0x0702_00c0) == 0x5601_906a_23ad_b24d)
        #expect(ClientHash.ofIPv6(low: 0xb80d_0120, high: 0x0700_0000_0000_0000) == 0xce9c_fcac_258f_54c6)
        let table = TestTable(weights: [1, 2, 1], names: names(3))
        let chosen = (0..<16).map { BackendChoice.sourceHash(table, hash: ClientHash.ofIPv4(word: UInt32($0) << 24 | 0x0002_00c0)) }
        #expect(chosen == [0, 1, 0, 0, 2, 1, 0, 1, 0, 2, 1, 1, 1, 1, 0, 1])
    }

    @Test func aMappedClientIsTheSame() {
        // ::ffff:192.0.2.7
        #expect(ClientHash.ofIPv6(low: 0, high: 0x0702_00c0_ffff_0000) == ClientHash.ofIPv4(word: 0x0702_00c0))
        #expect(ClientHash.ofIPv6(low: 1, high: 0x0702_00c0_ffff_0000) != ClientHash.ofIPv4(word: 0x0702_00c0))
    }

    /// The order in which a configuration names its backends is another on every balancer's disk.
    @Test func agreesWhateverTheOrder() {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        let backends = names(20).enumerated().map { (name: $0.element, weight: 1 + $0.offset % 3) }
        let shuffled = backends.shuffled(using: &random)
        let one = MaglevTable.positions(names: backends.map(\.name), weights: backends.map(\.weight))
        let other = MaglevTable.positions(names: shuffled.map(\.name), weights: shuffled.map(\.weight))
        #expect(zip(one, other).allSatisfy { backends[Int($0)].name == shuffled[Int($1)].name }, "SEED=\(SeededGenerator.seed)")
    }

    /// Of 100,000 clients of 20 backends those of the one that goes must move, and few others.
    @Test(arguments: [0, 7, 19])
    func fewClientsMove(_ gone: Int) {
        let all = names(20)
        let rest = all.indices.filter { $0 != gone }
        let before = MaglevTable.positions(names: all, weights: all.map { _ in 1 })
        let after = MaglevTable.positions(names: rest.map { all[$0] }, weights: rest.map { _ in 1 })
        var moved = 0
        for client in 0..<100_000 {
            let position = Int(hash(ofClient: client) % UInt64(MaglevTable.size))
            if Int(before[position]) != rest[Int(after[position])] { moved += 1 }
        }
        #expect(moved > 4_000 && moved <= 100_000 / 20 + 3_000, "\(moved) of 100,000 moved")
    }

    @Test func clientsSpreadEvenly() {
        let positions = MaglevTable.positions(names: names(20), weights: Array(repeating: 1, count: 20))
        let had = counts((0..<100_000).map { Int(positions[Int(hash(ofClient: $0) % UInt64(MaglevTable.size))]) }, of: 20)
        // 5,000 each, give or take what chance gives (σ = 69).
        #expect(had.allSatisfy { abs($0 - 5000) < 350 }, "\(had)")
    }

    @Test func nobodyIsATableToo() {
        #expect(MaglevTable.positions(names: [], weights: []) == [])
        #expect(BackendChoice.sourceHash(TestTable(weights: [], names: []), hash: 7) == nil)
    }
}

struct SourceHashTests {
    /// A retry goes to another, the same one each time, and the clients of one backend spread over all others.
    @Test func theTriedOnesClientsSpread() {
        var table = TestTable(weights: [1, 1, 1, 1, 1], names: names(5))
        let clients = (0..<5000).map { hash(ofClient: $0) }.filter { BackendChoice.sourceHash(table, hash: $0) == 2 }
        table.tried = [2]
        let next = clients.compactMap { BackendChoice.sourceHash(table, hash: $0) }
        let had = counts(next, of: 5)
        #expect(next.count == clients.count && had[2] == 0)
        #expect([0, 1, 3, 4].allSatisfy { abs(had[$0] - clients.count / 4) < clients.count / 8 }, "\(had)")
        #expect(next == clients.compactMap { BackendChoice.sourceHash(table, hash: $0) })
    }

    @Test func endsWhenAllAreTried() {
        #expect(BackendChoice.sourceHash(TestTable(weights: [256, 1], tried: [0, 1], names: names(2)), hash: 3) == nil)
        #expect(BackendChoice.sourceHash(TestTable(weights: [256, 1], tried: [0], names: names(2)), hash: 3) == 1)
    }
}
