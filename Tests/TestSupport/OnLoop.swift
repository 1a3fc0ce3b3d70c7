// The loop for tests: it runs once per process, on a thread of its own, and tests hand their bodies to it. All test
// targets are linked into one process, so there is one such helper for all of them.
import EventLoop
import Glibc

private let loopThread: Void = {
    var thread = pthread_t()
    let failure = pthread_create(&thread, nil, runLoop, nil)
    precondition(failure == 0, "no thread for the loop: \(failure)")
    pthread_detach(thread)
}()

/// Never returns: the process ends with it.
private nonisolated func runLoop(_: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    _ = Loop.shared.run {
        while true { await pause(for: .seconds(3600)) }
    }
    return nil
}

/// Runs `body` on the control plane, as every part of lbd and lbctl does.
package func onLoop<Success: Sendable>(_ body: @escaping @ControlPlane @Sendable () async throws -> Success) async throws -> Success {
    loopThread
    return try await startThrowing(body).value
}
