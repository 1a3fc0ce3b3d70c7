// How many are inside at once, at most: counted by several threads.
import Synchronization

package final class Occupancy: Sendable {
    private let state = Mutex((now: 0, most: 0))

    package init() {}
    package var most: Int { state.withLock { $0.most } }

    package func enter() {
        state.withLock {
            $0.now += 1
            $0.most = max($0.most, $0.now)
        }
    }

    package func leave() { state.withLock { $0.now -= 1 } }
}
