// In what order and how many at once a rollout restarts, and what it does about a bad release.
import Model

package struct Policy: Equatable, Sendable {
    package enum Strategy: Equatable, Sendable {
        /// In waves, among the others that go on serving.
        case rolling
        /// All traffic goes to another pool, and the idle one is restarted.
        case hotStandby(Standby)
    }

    package struct Standby: Equatable, Sendable {
        package let pool: PoolName
        package let backends: [BackendReference]
        /// Those that lead to the pool that is restarted; they are switched in one change.
        package let listeners: [ListenerName]
        /// Whether traffic goes back to the pool once it is restarted.
        package let switchesBack: Bool
        /// How long the pool that was switched to is watched, each time, before anything else is done.
        package let bake: Duration

        package init(pool: PoolName, backends: [BackendReference], listeners: [ListenerName], switchesBack: Bool, bake: Duration = .zero) {
            self.bake = bake
            self.pool = pool
            self.backends = backends
            self.listeners = listeners
            self.switchesBack = switchesBack
        }
    }

    package var strategy = Strategy.rolling
    /// How many make one wave; the next begins when all of it are back and judged.
    package var batch = 1
    /// How many may be out at once, for whatever reason.
    package var unavailableMax = 1
    /// The size of the first wave; 0: as the others.
    package var canary = 0
    /// How long the first wave is watched before the next; with nobody judged bad by then it goes on.
    package var bake = Duration.zero
    /// Whether a pool whose capacity nobody knows is refused.
    package var requiresProof = false

    package init() {}
}
