// Whether the release on the restarted backends is worse than what ran before, by what became of their connections.
//
// Compared with the others, before and since the first came back. Each quantity is a share (`ShareComparison`), so that
// one connection of an hour weighs no more than one of a second. 'Worse' needs four things: a minimum sample; evidence
// that holds however often it is looked at, divided among the quantities (Bonferroni); a difference that matters; and that
// the others are not in the same state by now, else it is not the release.
//
// Lifetimes are censored: restarted backends have no old connections yet. So what is compared is the share of begun
// connections that ended before an age, for ages of no more than a quarter of the time that has been watched: the younger
// group has then at most a quarter fewer of them, which errs towards 'not worse'. Bytes go with the age too; so they
// are compared among those that ended within two seconds.
import Decisions
import Model

package struct ReleaseVerdict: Equatable, Sendable {
    package enum Quantity: String, CaseIterable, Sendable {
        case connectFailures
        case backendResets
        case timeToFirstByte
        case lifetime
        case bytes
    }

    /// One quantity in which they are worse.
    package struct Finding: Equatable, Sendable {
        package let quantity: Quantity
        /// At what the values are split, for people; nil: it happens or not.
        package let split: String?
        package let own: ShareComparison.Count
        package let others: ShareComparison.Count
        /// ln of the e-value.
        package let evidence: Double
    }

    package enum Outcome: Equatable, Sendable {
        /// Fewer connections than it takes to judge; so many are missing.
        case tooFew(missing: UInt64)
        case notWorse
        case worse([Finding])
    }

    /// Chance that a release that is as good as the others is ever called worse, however long it is watched.
    package static let falseAlarms = 0.005
    /// Connections that the restarted ones must have had, and the others.
    package static let sampleMin: UInt64 = 100
    /// A share of one in a hundred more is what begins to matter.
    private static let failureMargin = 0.01
    /// Of times and bytes: so much of the connections has gone from one side of a split to the other.
    private static let shiftMargin = 0.15

    package let outcome: Outcome

    /// `own`: of the restarted backends since each came back. `before`: of the others until the first came back;
    /// `meanwhile`: of the others since then. `watched`: since the first came back.
    package init(own: ConnectionOutcomes, before: ConnectionOutcomes, meanwhile: ConnectionOutcomes, watched: Duration) {
        let sample = own.connections + own.connectFailures
        let others = before + meanwhile
        let missing = max(0, Int64(ReleaseVerdict.sampleMin) - Int64(clamping: min(sample, others.connections + others.connectFailures)))
        guard missing == 0 else {
            outcome = .tooFew(missing: UInt64(missing))
            return
        }
        let findings = Quantity.allCases.compactMap { quantity in
            ReleaseVerdict.finding(
                quantity, quantity.splits(own, watched), quantity.splits(others, watched), quantity.splits(meanwhile, watched))
        }
        outcome = findings.isEmpty ? .notWorse : .worse(findings)
    }

    private static func finding(_ quantity: Quantity, _ own: [Split], _ others: [Split], _ meanwhile: [Split]) -> Finding? {
        let comparisons = zip(own, others).map { ShareComparison(own: $0.count, others: $1.count) }
        let evidence = ShareComparison.mean(comparisons.map(\.logEvidence))
        guard evidence > (Double(Quantity.allCases.count) / falseAlarms).naturalLogarithm else { return nil }
        let matters = comparisons.indices.filter { index in
            let (comparison, now) = (comparisons[index], meanwhile[index].count)
            let isCommon = now.tries >= 20 && now.share * 2 > comparison.own.share + comparison.others.share
            return comparison.own.share - comparison.others.share >= quantity.margin && !isCommon
        }
        guard let worst = matters.max(by: { comparisons[$0].logEvidence < comparisons[$1].logEvidence }) else { return nil }
        return Finding(
            quantity: quantity, split: own[worst].name, own: comparisons[worst].own, others: comparisons[worst].others, evidence: evidence)
    }

    fileprivate static func margin(of quantity: Quantity) -> Double {
        switch quantity {
        case .connectFailures, .backendResets: failureMargin
        case .timeToFirstByte, .lifetime, .bytes: shiftMargin
        }
    }
}

/// A question with yes or no about each connection.
private struct Split {
    let name: String?
    let count: ShareComparison.Count
}

extension ReleaseVerdict.Quantity {
    fileprivate var margin: Double { ReleaseVerdict.margin(of: self) }

    fileprivate func splits(_ outcomes: ConnectionOutcomes, _ watched: Duration) -> [Split] {
        switch self {
        case .connectFailures:
            [Split(name: nil, count: .init(outcomes.connectFailures, of: outcomes.connections + outcomes.connectFailures))]
        case .backendResets: [Split(name: nil, count: .init(outcomes.backendResets, of: outcomes.connections))]
        case .timeToFirstByte: slow(outcomes.firstBytes)
        case .lifetime: early(outcomes, watched)
        case .bytes: answers(outcomes.answers)
        }
    }

    /// How many took that long or longer; below a millisecond it is the machine's load that tells them apart.
    private func slow(_ counts: [UInt64]) -> [Split] {
        let total = counts.reduce(0, +)
        var below: UInt64 = 0
        return (1..<counts.count).compactMap { bucket in
            below += counts[bucket - 1]
            let start = FirstByteBuckets.start(of: bucket)
            guard start >= .milliseconds(1) else { return nil }
            return Split(name: "\(start.spoken) or longer", count: .init(total - below, of: total))
        }
    }

    private func early(_ outcomes: ConnectionOutcomes, _ watched: Duration) -> [Split] {
        var ended: UInt64 = 0
        return outcomes.earlyEnds.indices.compactMap { bucket in
            ended += outcomes.earlyEnds[bucket]
            guard EarlyEndBuckets.end(of: bucket) * 4 <= watched else { return nil }
            return Split(name: "ended within \(EarlyEndBuckets.end(of: bucket).spoken)", count: .init(ended, of: outcomes.connections))
        }
    }

    /// Fewer bytes, or more: both are another answer.
    private func answers(_ counts: [UInt64]) -> [Split] {
        let total = counts.reduce(0, +)
        var below: UInt64 = 0
        return (0..<counts.count - 1).flatMap { bucket in
            below += counts[bucket]
            let fewer = ShareComparison.Count(below, of: total)
            let name = bucket == 0 ? "no bytes" : "fewer than \(AnswerBuckets.end(of: bucket)) bytes"
            return [Split(name: name, count: fewer), Split(name: "at least \(AnswerBuckets.end(of: bucket)) bytes", count: fewer.others)]
        }
    }
}

extension ReleaseVerdict {
    /// Who is compared, in words.
    package struct Sides: Equatable, Sendable {
        package let own: String
        package let others: String

        package init(own: String, others: String) { (self.own, self.others) = (own, others) }
        package static let rolling = Sides(own: "the restarted ones", others: "the others")
    }

    /// For people.
    package var lines: [String] { lines(.rolling) }

    package func lines(_ sides: Sides) -> [String] {
        switch outcome {
        case .tooFew(let missing): ["verdict: too few connections yet to judge by: \(missing) more of \(ReleaseVerdict.sampleMin)"]
        case .notWorse: ["verdict: no worse on \(sides.own) than on \(sides.others)"]
        case .worse(let findings): findings.map { "verdict: worse: \($0.text(sides))" }
        }
    }
}

extension ReleaseVerdict.Finding {
    package var text: String { text(.rolling) }

    package func text(_ sides: ReleaseVerdict.Sides) -> String {
        let what = quantity.words + (split.map { " (\($0))" } ?? "")
        return "\(what): \(own.text) of \(sides.own), \(others.text) of \(sides.others)"
    }
}

extension ReleaseVerdict.Quantity {
    package var words: String {
        switch self {
        case .connectFailures: "connect failures"
        case .backendResets: "resets by the backend"
        case .timeToFirstByte: "time to first byte"
        case .lifetime: "lifetime"
        case .bytes: "bytes of an answer"
        }
    }
}

extension ShareComparison.Count {
    /// `12 of 240 (5.0 %)`
    package var text: String {
        let perMille = Int((share * 1000).rounded())
        return "\(hits) of \(tries) (\(perMille / 10).\(perMille % 10) %)"
    }
}

/// What has been seen of a rollout's backends so far: readings of their counters go in, the verdict comes out.
package struct ReleaseWatch: Equatable, Sendable {
    private var last: [BackendReference: ConnectionOutcomes] = [:]
    private var restarted: Set<BackendReference> = []
    private var watchedSince: MonotonicTime?
    package private(set) var own = ConnectionOutcomes()
    package private(set) var before = ConnectionOutcomes()
    package private(set) var meanwhile = ConnectionOutcomes()

    package init() {}

    /// All traffic has gone elsewhere: what was judged is what others are compared with. At first all that its balancers have
    /// counted: a standby is switched to within a second, in which too few come to compare with.
    package init(after watch: ReleaseWatch) {
        before = watch.restarted.isEmpty ? watch.last.values.reduce(ConnectionOutcomes(), +) : watch.own
    }

    /// It is back in rotation, and warm: what comes from now on is the new release's.
    package mutating func note(restarted backend: BackendReference, at now: MonotonicTime) {
        restarted.insert(backend)
        last[backend] = nil
        watchedSince = watchedSince ?? now
    }

    /// It is being restarted: what happens meanwhile is nobody's fault.
    package mutating func note(out backend: BackendReference) { last[backend] = nil }

    /// Its counters as they stand. Of the first reading nothing counts, nor of one that has begun anew.
    package mutating func read(_ backend: BackendReference, _ outcomes: ConnectionOutcomes) {
        defer { last[backend] = outcomes }
        guard let last = last[backend], outcomes.connections >= last.connections else { return }
        let news = outcomes - last
        if restarted.contains(backend) {
            own = own + news
        } else if watchedSince == nil {
            before = before + news
        } else {
            meanwhile = meanwhile + news
        }
    }

    package func verdict(at now: MonotonicTime) -> ReleaseVerdict {
        ReleaseVerdict(own: own, before: before, meanwhile: meanwhile, watched: watchedSince?.duration(to: now) ?? .zero)
    }
}
