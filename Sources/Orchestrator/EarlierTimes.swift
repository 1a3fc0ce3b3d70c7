// How long restarts took in earlier rollouts of a pool: what a prediction goes by.
import ControlProtocol
import EventLoop
import Model
import Rollout
import SystemCalls

package struct EarlierTimes: Sendable {
    /// The last so many rollouts; what was before them need not be true any more.
    private static let rolloutsMax = 20

    private var restarts: [Duration] = []
    /// A person's times tell nothing of a command's, nor the other way round.
    private var restartsByHand: [Duration] = []
    private(set) package var readies: [Duration] = []

    package init() {}

    package func restarts(byHand: Bool) -> [Duration] { byHand ? restartsByHand : restarts }

    /// What cannot be read is not counted: a prediction without it is weaker, not wrong.
    @ControlPlane package init(of pool: PoolName, in store: RolloutStore) {
        let folders: [RolloutFolder]
        do { folders = try store.folders() } catch { return }
        for folder in folders.reversed().filter({ $0.id.contains("-\(pool)-") }).prefix(EarlierTimes.rolloutsMax) { take(folder) }
    }

    @ControlPlane private mutating func take(_ folder: RolloutFolder) {
        do {
            let lines = try JournalContent(reading: folder.journal).lines
            guard let first = lines.first, case .begun(let begin) = try JournalText.record(first).content else { return }
            guard let last = lines.last, case .ended(let end) = try JournalText.record(last).content else { return }
            for node in end.nodes { take(node, begin) }
        } catch { return }
    }

    /// What took longer than it may was not watched: its process stood still meanwhile.
    private mutating func take(_ node: JournalEnd.Node, _ begin: JournalBegin) {
        let isByHand = begin.steps.contains { $0.backend == node.backend && $0.restart.manual != nil }
        if let restart = node.restart {
            if isByHand { restartsByHand.append(Duration(inSeconds: restart)) }
            if !isByHand, restart <= begin.limits.restart + EarlierTimes.slack { restarts.append(Duration(inSeconds: restart)) }
        }
        if let ready = node.ready, ready <= begin.limits.ready + EarlierTimes.slack { readies.append(Duration(inSeconds: ready)) }
    }

    /// Seconds beyond a limit that its end may take.
    private static let slack = 30.0

    /// Those of this rollout count as well.
    func and(_ times: [StepTimes], byHand: Bool) -> EarlierTimes {
        var sum = self
        if byHand { sum.restartsByHand += times.compactMap(\.restart) } else { sum.restarts += times.compactMap(\.restart) }
        sum.readies += times.compactMap(\.ready)
        return sum
    }
}
