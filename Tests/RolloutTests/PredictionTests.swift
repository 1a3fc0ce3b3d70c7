// How long a rollout takes. Faults: ninetieths that are added up, and a prediction that half of all rollouts break.
import Decisions
import Glibc
import Model
import Rollout
import Testing

/// Lifetimes in seconds.
private enum Mix: CaseIterable {
    case exponential, lognormal, bimodal, uniform, threeKinds

    func lifetime(_ random: inout SplitMix64) -> Double {
        let unit = Double.random(in: 0.000_001..<1, using: &random)
        let coin = Int.random(in: 0..<10, using: &random)
        switch self {
        case .exponential: return -60 * log(unit)
        case .lognormal: return 30 * exp(sqrt(-2 * log(unit)) * cos(2 * .pi * Double.random(in: 0..<1, using: &random)))
        case .bimodal: return coin < 8 ? 2 + unit : 200 + 100 * unit
        case .uniform: return 1 + 299 * unit
        case .threeKinds: return coin < 5 ? -log(unit) : coin < 9 ? -60 * log(unit) : -300 * log(unit)
        }
    }
}

/// Four backends, restarted one after the other.
private struct Pool {
    struct Connection {
        let begin: Double
        let end: Double
    }

    private var random: SplitMix64
    private let mix: Mix
    private var byBackend: [[Connection]] = Array(repeating: [], count: 4)
    private let rate: Double
    private var time: Double

    init(_ mix: Mix, seed: UInt64) {
        random = SplitMix64(state: seed)
        self.mix = mix
        var random = SplitMix64(state: seed &+ 99)
        let mean = (0..<400).map { _ in mix.lifetime(&random) }.reduce(0, +) / 400
        let window = mean * Double.random(in: 8...20, using: &random)
        rate = Double.random(in: 500...1200, using: &random) / window
        time = -window
        admit(until: 0, without: nil)
    }

    private mutating func admit(until end: Double, without out: Int?) {
        while true {
            let next = time - log(Double.random(in: 0.000_001..<1, using: &random)) / rate
            guard next < end else { return }
            time = next
            let rotation = (0..<4).filter { $0 != out }
            byBackend[rotation.randomElement(using: &random)!].append(Connection(begin: time, end: time + mix.lifetime(&random)))
        }
    }

    private mutating func restartTime() -> Double { Double.random(in: 2...4, using: &random) }

    mutating func experience() -> Prediction.Experience {
        let all = byBackend.flatMap { $0 }
        return Prediction.Experience(
            lifetimes: LifetimeCounts(all.filter { $0.end <= 0 }.map { .seconds($0.end - $0.begin) }),
            ages: LifetimeCounts(all.filter { $0.end > 0 }.map { .seconds(-$0.begin) }),
            restarts: (0..<3).map { _ in .seconds(restartTime()) }, readies: [.seconds(1), .seconds(1.1)])
    }

    func holders(_ index: Int) -> [Duration] { byBackend[index].filter { $0.end > 0 }.map { .seconds(-$0.begin) } }

    /// What it really takes.
    mutating func rollOut() -> Double {
        var now = 0.0
        for index in 0..<4 {
            let empty = byBackend[index].filter { $0.begin <= now }.map(\.end).max().map { max($0, now) } ?? now
            let back = empty + restartTime() + 1
            admit(until: back, without: index)
            now = back
        }
        return now
    }
}

struct PredictionTests {
    private let terms = Prediction.Terms(drainDeadline: .seconds(86_400))

    @Test("of 20 rollouts with several mixes of lifetimes the P90 covers at least 17, and is no empty promise", arguments: [1, 2, 3] as [UInt64])
    func coverage(seed: UInt64) {
        var generator = SplitMix64(state: seed)
        var covered = 0
        var missed: [String] = []
        for index in 0..<20 {
            let mix = Mix.allCases[index % Mix.allCases.count]
            var pool = Pool(mix, seed: seed &* 1000 &+ UInt64(index))
            let batches = (0..<4).map { [Prediction.Work(reference("web-\($0)"), holders: pool.holders($0))] }
            let prediction = Prediction(batches, pool.experience(), terms, using: &generator)
            let real = pool.rollOut()
            let whole = prediction.whole
            #expect(whole.median <= whole.ninetieth)
            if whole.ninetieth.inSeconds >= real { covered += 1 } else { missed.append("\(mix): \(whole.ninetieth.inSeconds) < \(real)") }
            #expect(whole.median.inSeconds < 4 * real, "\(mix): \(whole.median.inSeconds), really \(real)")
            let added = prediction.steps.reduce(0) { $0 + $1.whole.ninetieth.inSeconds }
            #expect(whole.ninetieth.inSeconds < added, "ninetieths do not add up")
        }
        #expect(covered >= 17, "seed \(seed): \(missed)")
    }

    private let lifetimes = LifetimeCounts((1...300).map { .seconds($0 % 60 + 1) })

    private func predict(_ batches: [[Prediction.Work]], _ terms: Prediction.Terms? = nil, restarts: [Duration] = [.seconds(3)]) -> Prediction {
        var generator = SplitMix64(state: 5)
        let experience = Prediction.Experience(
            lifetimes: lifetimes, ages: LifetimeCounts([.seconds(5), .seconds(30)]), restarts: restarts, readies: [.seconds(1)])
        return Prediction(batches, experience, terms ?? self.terms, using: &generator)
    }

    @Test("the same seed gives the same prediction; what is done counts no more; what goes on at once does not add up")
    func batches() {
        let held = { (number: Int) in Prediction.Work(reference("web-\(number)"), holders: [.seconds(1), .seconds(20)]) }
        let one = predict([[held(1)], [held(2)], [held(3)]])
        #expect(one == predict([[held(1)], [held(2)], [held(3)]]))
        let atOnce = predict([[held(1), held(2), held(3)]])
        #expect(atOnce.whole.median < one.whole.median)
        let later = predict([[Prediction.Work(reference("web-1"), .done, holders: [])], [held(2)], [held(3)]])
        #expect(later.steps.count == 2 && later.whole.median < one.whole.median)
        #expect(predict([]).whole == Prediction.Span(median: .zero, ninetieth: .zero))
    }

    @Test("a step with nobody to wait for takes more than its restart and its way back: looks, orders and the journal")
    func orders() {
        let left = [Prediction.Phase.ahead, .restarting(.zero)].map { phase in
            predict([[Prediction.Work(reference("web-1"), phase, holders: [])]]).whole.median
        }
        #expect(left[0] - left[1] >= .milliseconds(99), "\(left)")
    }

    @Test("time left: each phase that is over takes nothing more")
    func timeLeft() {
        let terms = Prediction.Terms(drainDeadline: .seconds(600), warmUp: .seconds(10), watch: .seconds(20))
        let holders: [Duration] = [.seconds(1)]
        let phases: [Prediction.Phase] = [
            .ahead, .restarting(.zero), .restarting(.seconds(2)), .readying(.zero), .warming(.zero), .warming(.seconds(8)), .watching(.seconds(15)),
        ]
        let left = phases.map { predict([[Prediction.Work(reference("web-1"), $0, holders: holders)]], terms).whole.median }
        #expect(left == left.sorted(by: >), "\(left)")
        #expect(left.last == .seconds(5))
    }

    @Test("the watch of the first wave is added once, however many steps there are")
    func bake() {
        let batches = (1...3).map { [Prediction.Work(reference("web-\($0)"), holders: [.seconds(1)])] }
        let plain = predict(batches, Prediction.Terms(drainDeadline: .seconds(600)))
        let baked = predict(batches, Prediction.Terms(drainDeadline: .seconds(600), bake: .seconds(90)))
        #expect(abs((baked.whole.median - plain.whole.median).inSeconds - 90) < 0.01)
    }

    @Test("one that never gets empty waits until its deadline, and the risk says so; without times of restarts the assumption does")
    func never() {
        let terms = Prediction.Terms(drainDeadline: .seconds(100))
        let prediction = predict([[Prediction.Work(reference("web-1"), .draining(.seconds(40)), holders: [.seconds(86_400)])]], terms, restarts: [])
        #expect(prediction.steps[0].drain == Prediction.Span(median: .seconds(60), ninetieth: .seconds(60)))
        #expect(prediction.steps[0].deadlineRisk == 1)
        #expect(prediction.lines.contains { $0.contains("in 100 of 100 cases it is not empty at the drain's deadline") })
        #expect(prediction.assumptions == ["no restart has been timed yet: 1 s to 30 s assumed"])
    }
}
