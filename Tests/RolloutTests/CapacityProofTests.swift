// Whether the others carry it. Faults: a proof that counts heads instead of loads, and a refusal that does not say by how much.
import Model
import Rollout
import Testing

private func node(
    _ number: Int, weight: Int = 1, backup: Bool = false, _ availability: Availability = .available, max: Int? = nil,
    can capacity: Capacity = Capacity(), peak: Load = Load()
) -> CapacityProof.Node {
    CapacityProof.Node(
        reference("web-\(number)"), weight: weight, isBackup: backup, availability: availability, connectionsMax: max, capacity: capacity,
        peak: peak)
}

struct CapacityProofTests {
    private let first = [reference("web-1")]

    @Test("four backends at 85 % of what they carry: refused, by forty; at 60 %: proved, with a fifth to spare")
    func fourBackends() {
        for limit in [{ node($0, max: 100) }, { node($0, can: Capacity(connections: 100)) }] {
            let nodes = (1...4).map(limit)
            let refused = CapacityProof(nodes, out: first, load: Load(connections: 340))
            #expect(refused.outcome == .refused)
            #expect(refused.parts.map(\.quantity) == [.connections], "what nobody has declared is not asked")
            #expect(refused.lines(window: .seconds(600)).joined(separator: "\n").contains("40 connections too many (13 % more than they can)"))
            let proved = CapacityProof(nodes, out: first, load: Load(connections: 240))
            #expect(proved.outcome == .proved && abs(proved.parts[0].reserve! - 0.2) < 1e-9)
            #expect(proved.lines(window: .seconds(600))[1].contains("240 of 300: reserve 60 (20 %)"))
        }
    }

    @Test("what overflows one at its connections-max goes to the others; beyond a capacity nothing overflows")
    func overflow() {
        let limited = [node(1), node(2, max: 20), node(3, max: 200)]
        #expect(CapacityProof(limited, out: first, load: Load(connections: 200)).outcome == .proved)
        let believed = [node(1), node(2, can: Capacity(connections: 20)), node(3, can: Capacity(connections: 200))]
        let proof = CapacityProof(believed, out: first, load: Load(connections: 200))
        #expect(proof.parts[0].finding == .short(most: 40, first: reference("web-2")))
    }

    @Test("a standby is proved as a whole, nobody out; one that is not proved to be up counts for nothing")
    func standby() {
        let nodes = [node(1, .down, max: 50), node(2, max: 50), node(3, max: 50)]
        let up = [reference("web-1"), reference("web-2")]
        let proved = CapacityProof(standby: nodes, up: up, load: Load(connections: 80))
        #expect(proved.outcome == .proved)
        #expect(proved.headline(.seconds(60)) == "proof: the 2 of pool web can carry the highest load of the last 1 m 0 s")
        let refused = CapacityProof(standby: nodes, up: up, load: Load(connections: 120))
        #expect(refused.outcome == .refused && refused.headline(.seconds(60)).hasSuffix("20 connections too many (20 % more than they can)"))
        #expect(CapacityProof(standby: nodes, up: [], load: Load()).outcome == .refused)
        #expect(CapacityProof(standby: [node(1)], up: up, load: Load(connections: 9)).outcome == .notProvable)
    }

    @Test("weights: one of weight 3 gets three times as much, and is the first at its limit")
    func weights() {
        let nodes = [node(1), node(2, weight: 3, can: Capacity(connectsPerSecond: 90)), node(3, can: Capacity(connectsPerSecond: 90))]
        let proof = CapacityProof(nodes, out: first, load: Load(connectsPerSecond: 110))
        #expect(proof.parts == [.init(quantity: .connectsPerSecond, load: 110, finding: .carried(most: 120, first: reference("web-2")))])
        #expect(CapacityProof(nodes, out: first, load: Load(connectsPerSecond: 121)).outcome == .refused)
    }

    @Test("no capacity known: not provable, beside the highest that each was seen to carry")
    func unknown() {
        let nodes = (1...3).map { node($0, peak: Load(connections: 40 + Double($0), bytesPerSecond: 2048)) }
        let proof = CapacityProof(nodes, out: first, load: Load(connections: 120, connectsPerSecond: 3, bytesPerSecond: 6000))
        #expect(proof.outcome == .notProvable && proof.unknown == [reference("web-2"), reference("web-3")])
        let text = proof.lines(window: .seconds(600)).joined(separator: "\n")
        #expect(text.hasPrefix("not provable: no capacity known for web/web-2, web/web-3\n"))
        #expect(text.contains("120 in all; the highest that each was seen to carry: web/web-2 42, web/web-3 43"))
    }

    @Test("what they were seen to carry already they can carry, known or not")
    func seen() {
        let nodes = (1...3).map { node($0, peak: Load(connections: 100, connectsPerSecond: 10, bytesPerSecond: 10)) }
        #expect(CapacityProof(nodes, out: first, load: Load(connections: 190, connectsPerSecond: 15, bytesPerSecond: 15)).outcome == .proved)
        // More than its operator believes.
        let modest = (1...3).map { node($0, can: Capacity(connections: 50), peak: Load(connections: 100)) }
        let proof = CapacityProof(modest, out: first, load: Load(connections: 190))
        #expect(proof.outcome == .proved)
        // Fault: what its operator had declared counted for nothing, and nobody was told.
        let doubts = proof.lines(window: .seconds(600)).filter { $0.contains("was seen to carry 100 connections, more than its capacity of 50 says") }
        #expect(doubts.count == 2 && doubts[0].hasPrefix("  web/web-2 "))
        let right = CapacityProof((1...3).map { node($0, can: Capacity(connections: 100), peak: Load(connections: 100)) }, out: first, load: Load(connections: 190))
        #expect(!right.lines(window: .seconds(600)).contains { $0.contains("was seen") })
    }

    @Test("one whose capacity is not known does not hide that another's does not suffice")
    func partlyKnown() {
        let nodes = [node(1), node(2, can: Capacity(connections: 50)), node(3)]
        #expect(CapacityProof(nodes, out: first, load: Load(connections: 90)).outcome == .notProvable)
        #expect(CapacityProof(nodes, out: first, load: Load(connections: 110)).outcome == .refused)
    }

    @Test("those that are down carry nothing, backups only in need; nobody left: refused")
    func health() {
        let down = [node(1, max: 100), node(2, .down, max: 100), node(3, max: 100)]
        #expect(CapacityProof(down, out: first, load: Load(connections: 101)).outcome == .refused)
        let backup = [node(1, max: 100), node(2, max: 100), node(3, backup: true, max: 100)]
        #expect(CapacityProof(backup, out: first, load: Load(connections: 101)).carriers.map(\.backend) == [reference("web-2")])
        #expect(CapacityProof(backup, out: [reference("web-1"), reference("web-2")], load: Load(connections: 90)).outcome == .proved)
        #expect(CapacityProof([node(1)], out: first, load: Load()).outcome == .refused)
    }

    @Test("a rollout rests on its weakest step")
    func weakest() {
        let nodes = [node(1, max: 50), node(2, max: 300), node(3, max: 100)]
        let proof = CapacityProof.weakest(nodes, groups: (1...3).map { [reference("web-\($0)")] }, load: Load(connections: 140))
        #expect(proof?.out == [reference("web-2")])
        #expect(proof?.outcome == .proved && abs(proof!.parts[0].reserve! - 10.0 / 150) < 1e-9)
    }

    @Test("whatever the pool, it is proved exactly up to the most that it says")
    func exact() {
        var random = SplitMix64(state: 7)
        for _ in 0..<500 {
            let nodes = (1...Int.random(in: 2...6, using: &random)).map {
                let limit = Int.random(in: 10...200, using: &random)
                let weight = Int.random(in: 1...5, using: &random)
                return Bool.random(using: &random) ? node($0, weight: weight, max: limit) : node($0, weight: weight, can: Capacity(connections: limit))
            }
            guard case .carried(let most, _) = CapacityProof(nodes, out: first, load: Load()).parts[0].finding else {
                Issue.record("no load is always carried")
                return
            }
            #expect(CapacityProof(nodes, out: first, load: Load(connections: most - 0.001)).outcome == .proved)
            #expect(CapacityProof(nodes, out: first, load: Load(connections: most + 0.001)).outcome == .refused)
        }
    }
}
