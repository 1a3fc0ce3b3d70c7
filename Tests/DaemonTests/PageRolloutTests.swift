// A rollout's steps to the scale of time. Faults: a step of an hour drawn as long as one of a second, one so short that it is
// not seen, a guess that looks like what was, and a rollout whose lbctl is dead shown as running.
import ControlProtocol
import Model
import TestSupport
import Testing

@testable import Daemon

private func at(_ seconds: Int64) -> Timestamp { Timestamp(milliseconds: seconds * 1000) }

private func standing(
    _ steps: [(RolloutNotice.Step, since: Int64?, began: Int64?)], _ state: RolloutState = .running, end: Int64? = nil, heard: Int64 = 200
) throws -> RolloutStanding {
    let nodes = try steps.enumerated().map { number, step in
        RolloutNotice.Node(try BackendReference("web/web-\(number + 1)"), step.0, since: step.since.map(at), began: step.began.map(at))
    }
    var standing = RolloutStanding(
        RolloutNotice(
            id: "web-1", owner: "ann", state: state, began: at(0), nodes: nodes, steps: nodes.count, stepsDone: nodes.count { $0.step == .done },
            end: end.map(at), endAtMost: nil, lease: .seconds(30)), at: at(heard))
    standing.state = state
    return standing
}

/// Nil: it was not told.
private func someTime(_ random: inout SeededGenerator) -> Int64? {
    guard Bool.random(using: &random) else { return nil }
    return Int64.random(in: -400...800, using: &random)
}

struct PageRolloutTests {
    @Test("what was is as long as it took, what is to come shares what is left")
    func scale() throws {
        let bars = RolloutBars(
            try standing([(.done, since: 100, began: 0), (.done, since: 160, began: 110), (.draining, since: 180, began: 170), (.waiting, nil, nil)], end: 270), now: at(200))
        #expect((0..<3).map { bars.bar($0).done } == [0..<100_000, 110_000..<160_000, 170_000..<200_000])
        // Of 70 s left and 30 s spent on the one in hand each of the two gets 50.
        #expect(bars.bar(2).predicted == 200_000..<220_000)
        #expect(bars.bar(3) == RolloutBars.Bar(done: nil, predicted: 220_000..<270_000))
        #expect([0, 135, 270].map { bars.place($0 * 1000) } == [0, 500, 1000])
    }

    @Test("two at once are drawn beside each other, and so are those to come; one that told no beginning begins after the last")
    func together() throws {
        let bars = RolloutBars(
            try standing([(.done, since: 100, began: nil), (.warming, since: 150, began: 100), (.warming, since: 150, began: 100), (.waiting, nil, nil), (.waiting, nil, nil)],
                end: 400), now: at(200))
        #expect(bars.bar(0).done == 0..<100_000 && bars.bar(1).done == bars.bar(2).done)
        #expect(bars.bar(3).predicted == bars.bar(4).predicted && bars.bar(4).predicted?.upperBound == 400_000)
    }

    @Test("on the page: a short step is seen, a guess is drawn otherwise, and 200 steps are few lines")
    func drawn() throws {
        let text = PageRollout(
            standing: try standing([(.done, since: 1, began: 0), (.draining, since: 2, began: 1), (.waiting, nil, nil)], end: 1000), now: at(500)).html.text
        #expect(text.contains("<rect class=\"past\" x=\"0.0%\" width=\"1.2%\""), "\(text)")
        #expect(text.contains("<rect class=\"now\" x=\"0.1%\" width=\"49.9%\"") && text.contains("<rect class=\"next\""), "\(text)")
        #expect(text.plain.contains("took 1 s") && text.plain.contains("for 8 m 18 s"), "\(text.plain)")
        let long = try standing((0..<200).map { ($0 < 100 ? .done : .waiting, since: $0 < 100 ? Int64($0) : nil, began: nil) }, end: 1000)
        let page = PageRollout(standing: long, now: at(200)).html.text
        #expect(page.utf8.count < 5000 && page.contains("web-101<") && page.plain.contains("192 more steps"))
    }

    /// Fault: two that wait, and fewer steps left than that: lbd died of its own page.
    @Test("whatever is told, each bar lies within its axis")
    func anyNumbers() throws {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        for round in 0..<3000 {
            let count = Int.random(in: 1...9, using: &random)
            var steps: [(RolloutNotice.Step, since: Int64?, began: Int64?)] = []
            for _ in 0..<count { steps.append((RolloutNotice.Step.allCases.randomElement(using: &random)!, since: someTime(&random), began: someTime(&random))) }
            var told = try standing(steps, RolloutState.allCases.randomElement(using: &random)!, end: someTime(&random), heard: Int64.random(in: -400...800, using: &random))
            told.startedAt = at(Int64.random(in: -400...800, using: &random)).rfc3339
            told.steps = Int.random(in: 0...12, using: &random)
            told.stepsDone = Int.random(in: 0...(round.isMultiple(of: 2) ? 12 : 1_000_000), using: &random)
            let now = at(Int64.random(in: -400...800, using: &random))
            let bars = RolloutBars(told, now: now)
            #expect(bars.began <= bars.now && bars.now <= bars.end)
            let axis = bars.began...bars.end
            for bar in (0..<count).map(bars.bar) {
                for span in [bar.done, bar.predicted].compactMap(\.self) {
                    #expect(axis.contains(span.lowerBound) && axis.contains(span.upperBound), "seed \(SeededGenerator.seed), round \(round): \(told)")
                }
            }
            #expect(!PageRollout(standing: told, now: now).html.text.isEmpty)
        }
    }

    @Test("when it was heard of last, and what to do where that is long ago", arguments: [
        (RolloutState.running, 203, "last heard 3 s ago"), (.running, 230, "not heard since 00:03:20, for 30 s"),
        (.abandoned, 440, "not heard since 00:03:20, for 4 m 0 s: if no lbctl carries it out any more, lbctl rollout resume web-1"),
    ] as [(RolloutState, Int64, String)])
    func heard(state: RolloutState, now: Int64, words: String) throws {
        let text = PageRollout(standing: try standing([(.draining, since: 2, began: 1)], state), now: at(now)).html.text.plain
        #expect(text.contains(words), "\(text)")
        #expect(text.contains(state.rawValue), "the same word as everywhere: \(text)")
    }
}
