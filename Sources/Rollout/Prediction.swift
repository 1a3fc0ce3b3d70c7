// How long a rollout takes, or what is left of it: half of all cases, and nine of ten.
//
// Ninetieths do not add up: that all of ten steps are late at once hardly ever happens. So the whole is played many times,
// each step with times drawn at random: until it is empty from how long the pool's connections live and how old its
// holders are, its restart and its way back from those of earlier rollouts. The lifetimes are themselves a sample, and an
// error in them makes all steps late together; so some of the games are played with another sample like it (Efron,
// "Bootstrap methods: another look at the jackknife", 1979). Pure: the generator is an argument.
import Decisions
import Model

package struct Prediction: Equatable, Sendable {
    package struct Span: Equatable, Sendable {
        /// As likely shorter as longer.
        package let median: Duration
        /// In nine of ten cases it is no longer.
        package let ninetieth: Duration

        package init(median: Duration, ninetieth: Duration) {
            self.median = median
            self.ninetieth = ninetieth
        }
    }

    package struct Step: Equatable, Sendable {
        package let backend: BackendReference
        package let drain: Span
        package let restart: Span
        package let ready: Span
        package let whole: Span
        /// Chance that it is not empty by the drain's deadline.
        package let deadlineRisk: Double
    }

    package let whole: Span
    /// In order, but for those that are done.
    package let steps: [Step]
    /// What stands in for times of earlier rollouts, where there are none.
    package let assumptions: [String]

    /// How a step stands; each phase with the time that it has lasted.
    package enum Phase: Equatable, Sendable {
        case ahead
        case draining(Duration)
        case restarting(Duration)
        case readying(Duration)
        case warming(Duration)
        case watching(Duration)
        case done
    }

    /// A step, and who holds its backend now.
    package struct Work: Equatable, Sendable {
        package let backend: BackendReference
        package let phase: Phase
        /// The ages of its connections.
        package let holders: [Duration]

        package init(_ backend: BackendReference, _ phase: Phase = .ahead, holders: [Duration]) {
            self.backend = backend
            self.phase = phase
            self.holders = holders
        }
    }

    /// What a rollout knows of its pool.
    package struct Experience: Equatable, Sendable {
        /// Of connections that have ended.
        package let lifetimes: LifetimeCounts
        /// Of the pool's open connections.
        package let ages: LifetimeCounts
        /// Of earlier restarts, and from their ends until the probes said up.
        package let restarts: [Duration]
        package let readies: [Duration]

        package init(lifetimes: LifetimeCounts, ages: LifetimeCounts, restarts: [Duration] = [], readies: [Duration] = []) {
            self.lifetimes = lifetimes
            self.ages = ages
            self.restarts = restarts
            self.readies = readies
        }
    }

    /// What its options say.
    package struct Terms: Equatable, Sendable {
        package let drainDeadline: Duration
        package let warmUp: Duration
        package let watch: Duration
        /// Once: how long the first wave is watched, or what is left of that.
        package let bake: Duration

        package init(drainDeadline: Duration, warmUp: Duration = .zero, watch: Duration = .zero, bake: Duration = .zero) {
            self.drainDeadline = drainDeadline
            self.warmUp = warmUp
            self.watch = watch
            self.bake = bake
        }
    }

    private static let samples = 8
    private static let gamesOfASample = 50

    /// The same games each time: of the same pool twice, the same is predicted.
    package init(_ batches: [[Work]], _ experience: Experience, _ terms: Terms) {
        var generator = SplitMix64(seed: 1)
        self.init(batches, experience, terms, using: &generator)
    }

    /// `batches`: one after the other; the steps of each go on at the same time.
    package init(_ batches: [[Work]], _ experience: Experience, _ terms: Terms, using generator: inout some RandomNumberGenerator) {
        let batches = batches.map { $0.filter { $0.phase != .done } }.filter { !$0.isEmpty }
        let works = batches.flatMap { $0 }
        var games = Games(works.count)
        for sample in 0..<Prediction.samples {
            // The first is the one that was measured.
            let lived = sample == 0 ? experience : experience.resampled(using: &generator)
            let waits = works.map { EmptyingTimes($0, lived, terms) }
            for _ in 0..<Prediction.gamesOfASample { games.play(batches, waits, experience, terms, using: &generator) }
        }
        whole = Span(games.wholes)
        steps = works.indices.map { index in
            Step(
                backend: works[index].backend, drain: Span(games.drains[index]), restart: Span(games.restarts[index]),
                ready: Span(games.readies[index]), whole: Span(games.steps[index]),
                deadlineRisk: Double(games.late[index]) / Double(games.wholes.count))
        }
        assumptions = works.isEmpty ? [] : experience.assumptions
    }
}

extension Prediction.Span {
    /// Of the values of many games, in seconds.
    fileprivate init(_ values: [Double]) {
        let sorted = values.sorted()
        guard !sorted.isEmpty else {
            self.init(median: .zero, ninetieth: .zero)
            return
        }
        self.init(
            median: .milliseconds(Int64(sorted[sorted.count / 2] * 1000)),
            ninetieth: .milliseconds(Int64(sorted[min(sorted.count - 1, sorted.count * 9 / 10)] * 1000)))
    }
}

/// What came out of each game, in seconds; by step.
private struct Games {
    var wholes: [Double] = []
    var drains: [[Double]]
    var restarts: [[Double]]
    var readies: [[Double]]
    var steps: [[Double]]
    /// How often the deadline came first.
    var late: [Int]

    init(_ steps: Int) {
        (drains, restarts) = (Array(repeating: [], count: steps), Array(repeating: [], count: steps))
        (readies, self.steps) = (Array(repeating: [], count: steps), Array(repeating: [], count: steps))
        late = Array(repeating: 0, count: steps)
    }

    mutating func play(
        _ batches: [[Prediction.Work]], _ waits: [EmptyingTimes], _ experience: Prediction.Experience, _ terms: Prediction.Terms,
        using generator: inout some RandomNumberGenerator
    ) {
        var (whole, index) = (terms.bake.inSeconds, 0)
        for batch in batches {
            var longest = 0.0
            for work in batch {
                longest = max(longest, play(index, work, waits[index], experience, terms, using: &generator))
                index += 1
            }
            whole += longest
        }
        wholes.append(whole)
    }

    private mutating func play(
        _ index: Int, _ work: Prediction.Work, _ wait: EmptyingTimes, _ experience: Prediction.Experience, _ terms: Prediction.Terms,
        using generator: inout some RandomNumberGenerator
    ) -> Double {
        let (drain, isLate) = wait.draw(using: &generator)
        let restart = experience.restart(work.phase, using: &generator)
        let ready = experience.ready(work.phase, using: &generator)
        let rest = work.phase.rest(of: terms)
        drains[index].append(drain)
        restarts[index].append(restart)
        readies[index].append(ready)
        late[index] += isLate ? 1 : 0
        let step = drain + restart + ready + rest
        steps[index].append(step)
        return step
    }
}

/// When a backend will be empty, as times in equally likely cases; none later than the deadline.
private struct EmptyingTimes {
    /// In seconds.
    private var times: [Double] = []
    private var deadline = 0.0

    private static let count = 16

    init(_ work: Prediction.Work, _ experience: Prediction.Experience, _ terms: Prediction.Terms) {
        guard let waited = work.phase.drained, !work.holders.isEmpty else { return }
        deadline = max(0, (terms.drainDeadline - waited).inSeconds)
        let forecast = TimeToEmpty(completed: experience.lifetimes, open: experience.ages, holders: work.holders)
        guard !forecast.isNever else {
            times = [deadline]
            return
        }
        let crowd = Crowd(SurvivalCurve(completed: experience.lifetimes, open: experience.ages), work.holders)
        for place in 0..<EmptyingTimes.count {
            let chance = (Double(place) + 0.5) / Double(EmptyingTimes.count)
            times.append(min(deadline, crowd.time(until: chance)?.inSeconds ?? deadline))
        }
    }

    func draw(using generator: inout some RandomNumberGenerator) -> (seconds: Double, isLate: Bool) {
        guard let last = times.last else { return (0, false) }
        let place = Double.random(in: 0..<Double(times.count), using: &generator) - 0.5
        let below = min(max(0, Int(place)), times.count - 1)
        guard below + 1 < times.count else {
            // Beyond the last case: as much longer again as from the one before.
            let before = times.count > 1 ? times[times.count - 2] : last
            let beyond = last + (last - before) * max(0, place - Double(below)) * 2
            return (min(beyond, deadline), beyond >= deadline)
        }
        let time = times[below] + (times[below + 1] - times[below]) * max(0, place - Double(below))
        return (time, time >= deadline)
    }
}

extension Prediction.Phase {
    /// How long its drain has lasted; nil: that is over.
    fileprivate var drained: Duration? {
        switch self {
        case .ahead: .zero
        case .draining(let time): time
        case .restarting, .readying, .warming, .watching, .done: nil
        }
    }

    /// Of looks, orders and the journal, between the phases of a step: idle a third of it, on a busy machine three times as much.
    private static let orders = 0.1

    /// Of the phases that take as long as the options say, what is still ahead, in seconds.
    fileprivate func rest(of terms: Prediction.Terms) -> Double {
        let (warm, watch) = (terms.warmUp.inSeconds, terms.watch.inSeconds)
        return switch self {
        case .ahead, .draining: Self.orders + warm + watch
        case .restarting, .readying: warm + watch
        case .warming(let time): max(0, warm - time.inSeconds) + watch
        case .watching(let time): max(0, watch - time.inSeconds)
        case .done: 0
        }
    }
}

extension Prediction.Experience {
    /// Where nothing is known of a restart, and of the way back: anything between these, in seconds.
    private static let unknownRestart = [1.0, 2, 4, 8, 16, 30]
    private static let unknownReady = [0.5, 1, 2, 5, 10, 20]

    fileprivate var assumptions: [String] {
        (restarts.isEmpty ? ["no restart has been timed yet: 1 s to 30 s assumed"] : [])
            + (readies.isEmpty ? ["no way back to 'up' has been timed yet: 0.5 s to 20 s assumed"] : [])
    }

    fileprivate func restart(_ phase: Prediction.Phase, using generator: inout some RandomNumberGenerator) -> Double {
        let known = restarts.map(\.inSeconds)
        return switch phase {
        case .ahead, .draining: draw(known, Self.unknownRestart, beyond: 0, using: &generator)
        case .restarting(let time): draw(known, Self.unknownRestart, beyond: time.inSeconds, using: &generator)
        case .readying, .warming, .watching, .done: 0
        }
    }

    fileprivate func ready(_ phase: Prediction.Phase, using generator: inout some RandomNumberGenerator) -> Double {
        let known = readies.map(\.inSeconds)
        return switch phase {
        case .ahead, .draining, .restarting: draw(known, Self.unknownReady, beyond: 0, using: &generator)
        case .readying(let time): draw(known, Self.unknownReady, beyond: time.inSeconds, using: &generator)
        case .warming, .watching, .done: 0
        }
    }

    /// What is left of one of the known times, of which so much has passed. The fewer are known, the wider about them.
    private func draw(_ known: [Double], _ assumed: [Double], beyond passed: Double, using generator: inout some RandomNumberGenerator) -> Double {
        let times = known.isEmpty ? assumed : known
        let width = 1 + 1 / (Double(times.count) + 1)
        for _ in 0..<8 {
            let time = times[Int.random(in: 0..<times.count, using: &generator)]
            let drawn = time * Double.random(in: 1 / width...width, using: &generator)
            if drawn > passed { return drawn - passed }
        }
        // It has taken longer than any before: about as much longer again as that.
        return max(0.5, passed * Double.random(in: 0.1...0.5, using: &generator))
    }

    /// Another sample, as it might have been measured as well.
    fileprivate func resampled(using generator: inout some RandomNumberGenerator) -> Prediction.Experience {
        var (lifetimes, ages) = (lifetimes, ages)
        for bucket in lifetimes.counts.indices { lifetimes.counts[bucket] = poisson(lifetimes.counts[bucket], using: &generator) }
        for bucket in ages.counts.indices { ages.counts[bucket] = poisson(ages.counts[bucket], using: &generator) }
        return Prediction.Experience(lifetimes: lifetimes, ages: ages, restarts: restarts, readies: readies)
    }

    /// How many there are where so many are to be expected.
    private func poisson(_ mean: UInt64, using generator: inout some RandomNumberGenerator) -> UInt64 {
        guard mean > 0 else { return 0 }
        guard mean < 50 else {
            // Nearly normal: twelve uniform numbers have the variance 1.
            let sum = (0..<12).reduce(-6.0) { sum, _ in sum + Double.random(in: 0..<1, using: &generator) }
            return UInt64(max(0, Double(mean) + sum * Double(mean).squareRoot()))
        }
        var (count, product) = (UInt64(0), Double.random(in: 0..<1, using: &generator))
        let end = (-Double(mean)).exponential
        while product > end {
            count += 1
            product *= Double.random(in: 0..<1, using: &generator)
        }
        return count
    }
}

extension Prediction {
    /// For `plan`.
    package var lines: [String] {
        var lines = ["predicted: \(whole.text)"]
        lines += steps.map { step in
            let risk = step.deadlineRisk >= 0.1 ? "; in \(Int((step.deadlineRisk * 100).rounded())) of 100 cases it is not empty at the drain's deadline" : ""
            return "  \(step.backend): \(step.whole.text), of that until empty \(step.drain.text)\(risk)"
        }
        return lines + assumptions.map { "  \($0)" }
    }
}

extension Prediction.Span {
    /// `12 s, in 9 of 10 cases within 30 s`
    package var text: String { "\(median.spoken) (P50), \(ninetieth.spoken) (P90)" }
}
