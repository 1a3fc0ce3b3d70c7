// Time on the control plane: libevent's timers behind Swift's Clock, and deadlines by cancellation.
import Model
import SystemCalls

/// The monotonic clock of the loop.
package struct LoopClock: Clock {
    package init() {}
    package var now: MonotonicTime { Clocks.monotonic() }
    package var minimumResolution: Duration { .microseconds(1) }

    package func sleep(until deadline: MonotonicTime, tolerance: Duration?) async throws {
        guard await pause(for: now.duration(to: deadline)) else { throw CancellationError() }
    }
}

/// The operation was cancelled because its time was over.
package struct DeadlinePassed: Error, Equatable, CustomStringConvertible {
    package let limit: Duration
    package var description: String { "not done within \(limit.spoken)" }
}

/// Runs `operation`; when `limit` passes first, cancels it, waits for it to end and throws `DeadlinePassed`.
/// Cancelling the caller cancels the operation.
@ControlPlane package func withDeadline<Success: Sendable>(
    _ limit: Duration, _ operation: @escaping @ControlPlane @Sendable () async throws -> Success
) async throws -> Success {
    let expiry = Expiry()
    let work = startThrowing(operation)
    let timer = start {
        guard await pause(for: limit) else { return }
        expiry.passed = true
        work.cancel()
    }
    defer { timer.cancel() }
    do {
        return try await withTaskCancellationHandler {
            try await work.value
        } onCancel: {
            work.cancel()
        }
    } catch {
        if expiry.passed { throw DeadlinePassed(limit: limit) }
        throw error
    }
}

@ControlPlane private final class Expiry {
    var passed = false
}
