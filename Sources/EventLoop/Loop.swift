// One libevent base as a Swift executor: the control plane's thread. Jobs and callbacks run here, one at a time.
import CLibevent
import Glibc
import Model
import Synchronization
import SystemCalls

/// Owned by the process: made at first use, run by one thread, never freed.
///
/// `checkIsolated` and `isIsolatingCurrentContext` answer for C callbacks, which run on the loop's thread
/// outside of any task: without them an isolation check inside such a callback traps. As the task executor
/// of `main` it is inherited by child tasks too: a nonisolated `addTask` would start the global pool otherwise.
package final class Loop: SerialExecutor, TaskExecutor {
    package static let shared = Loop()

    /// The event base. Touched by the loop's thread alone once it runs (the base has no locks).
    nonisolated(unsafe) let base: OpaquePointer
    private let jobs = Mutex<[UnownedJob]>([])
    private let wakeup: Wakeup
    /// pthread_self() of the thread inside `run`, 0 before.
    private let thread = Atomic<UInt>(0)

    private init() {
        guard let config = event_config_new() else { preconditionFailure("no memory for an event loop") }
        event_config_set_flag(config, Int32(EVENT_BASE_FLAG_NOLOCK.rawValue))
        // Without it libevent reads the coarse clock, and a wait could end some milliseconds early.
        event_config_set_flag(config, Int32(EVENT_BASE_FLAG_PRECISE_TIMER.rawValue))
        guard let base = event_base_new_with_config(config) else {
            preconditionFailure("the kernel gave no epoll descriptor: \(SystemError.words(for: errno))")
        }
        event_config_free(config)
        self.base = base
        do { wakeup = try Wakeup() } catch { preconditionFailure("no descriptor for the event loop: \(error)") }
    }

    /// Runs `main` on the loop, in the calling thread, until it returns. Once per process.
    package func run(_ main: @escaping @ControlPlane @Sendable () async -> Int32) -> Int32 {
        thread.store(UInt(pthread_self()), ordering: .releasing)
        let wakeupEvent = watchWakeup()
        let status = ExitStatus()
        @ControlPlane @Sendable func body() async { status.value.store(Int64(await main()), ordering: .releasing) }
        start(body)
        while status.isRunning { round(while: status) }
        event_free(wakeupEvent)
        return Int32(status.value.load(ordering: .acquiring))
    }

    /// Runs `body` on the loop's thread: at once when called there, else soon.
    package func perform(_ body: @escaping @ControlPlane @Sendable () -> Void) {
        if isOnLoop { ControlPlane.assumeIsolated(body) } else { start(body) }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        jobs.withLock { $0.append(unowned) }
        if !isOnLoop { wakeup.signal() }
    }

    package func checkIsolated() {
        precondition(isOnLoop, "control-plane code ran outside of its loop")
    }

    package func isIsolatingCurrentContext() -> Bool? { isOnLoop }

    private var isOnLoop: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

    /// So long one job after the other runs before descriptors and timers are looked at, which takes two system calls.
    private static let lookPause = Duration.microseconds(100)

    /// The jobs that are waiting now and those that follow from them, then whatever descriptors and timers are ready.
    private func round(while status: ExitStatus) {
        let began = Clocks.monotonic()
        var more = true
        repeat { more = runJobs() } while more && status.isRunning && began.duration(to: Clocks.monotonic()) < Loop.lookPause
        guard status.isRunning else { return }
        let result = event_base_loop(base, EVLOOP_ONCE | (more ? EVLOOP_NONBLOCK : 0))
        precondition(result >= 0, "libevent's loop failed: \(SystemError.words(for: errno))")
    }

    /// Whether there are more by now.
    private func runJobs() -> Bool {
        let batch = jobs.withLock { waiting in
            let batch = waiting
            waiting.removeAll(keepingCapacity: true)
            return batch
        }
        for job in batch { job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor()) }
        return jobs.withLock { !$0.isEmpty }
    }

    private func watchWakeup() -> UnsafeMutablePointer<event> {
        let context = Unmanaged.passUnretained(self).toOpaque()
        guard let event = event_new(base, wakeup.number, Int16(EV_READ | EV_PERSIST), wakeupArrived, context)
        else { preconditionFailure("no memory for an event") }
        // The kernel may be short of memory or watches (ENOMEM, ENOSPC) for a moment; without this one nothing works.
        var tries = 20
        while event_add(event, nil) != 0 {
            tries -= 1
            precondition(tries > 0, "the event loop cannot watch its own wake-up")
            poll(nil, 0, 50)
        }
        return event
    }

    fileprivate func clearWakeup() { wakeup.clear() }
}

/// The loop lives as long as the process, so its context is not retained.
private func wakeupArrived(_: Int32, _: Int16, _ context: UnsafeMutableRawPointer?) {
    Unmanaged<Loop>.fromOpaque(context!).takeUnretainedValue().clearWakeup()
}

/// Starts a task on the control plane. Never a bare `Task { … }`: without the loop as its preferred executor,
/// the nonisolated parts of a task (a continuation's resumption is one) start Swift's global thread pool.
@discardableResult
package func start<Success: Sendable>(
    _ operation: @escaping @ControlPlane @Sendable () async -> Success
) -> Task<Success, Never> {
    Task(executorPreference: Loop.shared, operation: operation)
}

/// The same for an operation that can fail.
@discardableResult
package func startThrowing<Success: Sendable>(
    _ operation: @escaping @ControlPlane @Sendable () async throws -> Success
) -> Task<Success, any Error> {
    Task(executorPreference: Loop.shared, operation: operation)
}

/// What the main task returned, read by the thread that runs the loop.
private final class ExitStatus: Sendable {
    static let running = Int64.max
    let value = Atomic<Int64>(ExitStatus.running)
    var isRunning: Bool { value.load(ordering: .acquiring) == ExitStatus.running }
}
