// Keeps one drain alive as long as this process is: a rollout that dies leaves nothing drained for ever.
import ControlProtocol
import EventLoop
import Model
import Rollout

@ControlPlane final class LeaseRenewal {
    private let task: Task<Void, Never>

    init(interval: Duration = Lease.renewal, renew: @escaping @ControlPlane @Sendable () async -> Void) {
        task = start {
            // The renewal runs in a task of its own: one that is on its way is never cut short, as it might
            // then reach the balancer after the undrain that follows.
            while await pause(for: interval) { await start(renew).value }
        }
    }

    /// Returns when no renewal is on its way any more.
    func stop() async {
        task.cancel()
        await task.value
    }
}
