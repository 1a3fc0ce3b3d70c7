// One wait for a descriptor or a time: the single place where a task meets a libevent event.
import CLibevent
import Glibc
import Model

package enum WaitOutcome: Sendable {
    case ready
    case timedOut
    case cancelled
}

package enum Interest: Sendable {
    case readable
    case writable

    fileprivate var bits: Int16 {
        switch self {
        case .readable: Int16(EV_READ)
        case .writable: Int16(EV_WRITE)
        }
    }
}

/// Waits until the descriptor is ready, `timeout` has passed (nil: never), or the task is cancelled.
/// The descriptor stays open until the wait has ended: its owner sees to that.
@ControlPlane package func wait(
    for interest: Interest, on descriptor: Int32, timeout: Duration? = nil
) async -> WaitOutcome {
    await Wait().run(descriptor, interest.bits, timeout)
}

/// Waits for a time to pass; false when the task was cancelled first.
@ControlPlane @discardableResult package func pause(for duration: Duration) async -> Bool {
    await Wait().run(-1, 0, duration) == .timedOut
}

/// One at a time. Who waits again and again keeps it: its event is made once.
@ControlPlane package final class Wait {
    /// Owned by the wait: touched on the loop only, freed with it, which libevent's use of it keeps alive (see `start`).
    nonisolated(unsafe) private let event = UnsafeMutablePointer<event>.allocate(capacity: 1)
    private var continuation: CheckedContinuation<WaitOutcome, Never>?

    package init() {}

    /// Waits for a time to pass; `ready` when `finish` ended it before.
    package func pause(for duration: Duration) async -> WaitOutcome { await run(-1, 0, duration) }

    /// Waits for `finish`.
    package func untilFinished() async -> WaitOutcome { await run(-1, 0, nil) }

    func run(_ descriptor: Int32, _ bits: Int16, _ timeout: Duration?) async -> WaitOutcome {
        await withTaskCancellationHandler {
            await withCheckedContinuation { start(descriptor, bits, timeout, $0) }
        } onCancel: {
            Loop.shared.perform { self.finish(.cancelled) }
        }
    }

    deinit { event.deallocate() }

    private func start(
        _ descriptor: Int32, _ bits: Int16, _ timeout: Duration?,
        _ continuation: CheckedContinuation<WaitOutcome, Never>
    ) {
        guard !Task.isCancelled else { return continuation.resume(returning: .cancelled) }
        self.continuation = continuation
        // Retained here, released in `finish`, which every way out goes through exactly once.
        let context = Unmanaged.passRetained(self).toOpaque()
        event_assign(event, Loop.shared.base, descriptor, bits, waitEnded, context)
        let added: Int32
        if let timeout {
            var limit = timeval(timeout)
            added = event_add(event, &limit)
        } else {
            added = event_add(event, nil)
        }
        if added != 0 { waitByTimer(context) }
    }

    /// The kernel has no memory or no watches left (ENOMEM, ENOSPC): looks again in a moment instead. Who waits finds
    /// out whether there is something, as after any wake-up.
    private func waitByTimer(_ context: UnsafeMutableRawPointer) {
        event_assign(event, Loop.shared.base, -1, 0, timerInstead, context)
        var limit = timeval(.milliseconds(50))
        let added = event_add(event, &limit)
        precondition(added == 0, "libevent has memory for one timer")
    }

    /// Ends the wait; false: one that has ended already stays as it ended.
    @discardableResult package func finish(_ outcome: WaitOutcome) -> Bool {
        guard let continuation else { return false }
        self.continuation = nil
        event_del(event)
        continuation.resume(returning: outcome)
        Unmanaged.passUnretained(self).release()
        return true
    }
}

private func waitEnded(_: Int32, _ bits: Int16, _ context: UnsafeMutableRawPointer?) {
    let wait = Unmanaged<Wait>.fromOpaque(context!).takeUnretainedValue()
    let outcome: WaitOutcome = bits & Int16(EV_TIMEOUT) != 0 ? .timedOut : .ready
    ControlPlane.assumeIsolated { _ = wait.finish(outcome) }
}

private func timerInstead(_: Int32, _: Int16, _ context: UnsafeMutableRawPointer?) {
    let wait = Unmanaged<Wait>.fromOpaque(context!).takeUnretainedValue()
    ControlPlane.assumeIsolated { _ = wait.finish(.ready) }
}

extension timeval {
    /// Rounded up to the microsecond, so that a wait never ends early; at least 0.
    package init(_ duration: Duration) {
        let microseconds = max(0, duration.wholeNanoseconds &+ 999) / 1000
        self.init(tv_sec: Int(microseconds / 1_000_000), tv_usec: Int(microseconds % 1_000_000))
    }
}
