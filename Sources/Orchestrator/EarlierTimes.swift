// How long restarts took in earlier rollouts of a pool: what a prediction goes by.
import ControlProtocol
import EventLoop
import Model
import Rollout
import SystemCalls

package struct EarlierTimes: Sendable {
    /// The last so many rollouts; what was before them need not be true any more.
    private static let rolloutsMax = 20

    private(set) package var restarts: [Duration] = []
    private(set) package var readies: [Duration] = []

    package init() {}

    /// What cannot be read is not counted: a prediction without it is weaker, not wrong.
    @ControlPlane package init(of pool: PoolName, in store: RolloutStore) {
        let folders: [RolloutFolder]
        do { folders = try store.folders() } catch { return }
        for folder in folders.reversed().filter({ $0.id.contains("-\(pool)-") }).prefix(EarlierTimes.rolloutsMax) { take(folder) }
    }

    @ControlPlane private mutating func take(_ folder: RolloutFolder) {
        do {
            guard let last = try JournalContent(reading: folder.journal).lines.last, case .ended(let end) = try JournalText.record(last).content else { return }
            restarts += end.nodes.compactMap(\.restart).map(Duration.init(inSeconds:))
            readies += end.nodes.compactMap(\.ready).map(Duration.init(inSeconds:))
        } catch { return }
    }

    /// Those of this rollout count as well.
    func and(_ times: [StepTimes]) -> EarlierTimes {
        var sum = self
        sum.restarts += times.compactMap(\.restart)
        sum.readies += times.compactMap(\.ready)
        return sum
    }
}
