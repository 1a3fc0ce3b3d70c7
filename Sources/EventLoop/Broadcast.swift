// 'Something has changed, look again', told to all who wait for it: no polling, no lost news.
import Model

/// Each announcement is a new version. Whoever has seen a version waits for the next one; when that has come
/// already, the wait is over at once.
@ControlPlane package final class Broadcast {
    package private(set) var version: UInt64 = 0
    private var waits: [ObjectIdentifier: Wait] = [:]

    package nonisolated init() {}

    package func announce() {
        version += 1
        let told = waits
        waits = [:]
        for wait in told.values { wait.finish(.ready) }
    }

    /// Waits for a version after `seen`.
    package func next(after seen: UInt64, timeout: Duration? = nil) async -> WaitOutcome {
        guard version == seen else { return Task.isCancelled ? .cancelled : .ready }
        let wait = Wait()
        waits[ObjectIdentifier(wait)] = wait
        defer { waits[ObjectIdentifier(wait)] = nil }
        return await wait.run(-1, 0, timeout)
    }
}
