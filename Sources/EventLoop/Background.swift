// Work that may block in the kernel, such as an fsync, beside the loop: on threads that wait a moment for more of it
// before they end, as one change is often followed by another.
import Glibc
import Model
import SystemCalls
import Synchronization

/// Runs `work` on another thread and returns when it is done, or throws what it threw; not to be cancelled.
@ControlPlane package func inBackground(_ work: @escaping @Sendable () throws(SystemError) -> Void) async throws(SystemError) {
    let job = Job(work)
    try BackgroundThreads.shared.carryOut(job)
    if let failure = await job.ended() { throw failure }
}

private final class Job: Sendable {
    private enum State {
        case running
        case awaited(CheckedContinuation<SystemError?, Never>)
        case ended(SystemError?)
    }
    let work: @Sendable () throws(SystemError) -> Void
    private let state = Mutex(State.running)

    init(_ work: @escaping @Sendable () throws(SystemError) -> Void) { self.work = work }

    func end(_ failure: SystemError?) {
        let waiting = state.withLock { state -> CheckedContinuation<SystemError?, Never>? in
            defer { state = .ended(failure) }
            if case .awaited(let continuation) = state { return continuation }
            return nil
        }
        waiting?.resume(returning: failure)
    }

    @ControlPlane func ended() async -> SystemError? {
        await withCheckedContinuation { continuation in
            let over = state.withLock { state -> SystemError?? in
                if case .ended(let failure) = state { return .some(failure) }
                state = .awaited(continuation)
                return nil
            }
            if let over { continuation.resume(returning: over) }
        }
    }
}

/// As many as there are jobs at once: one that hangs in the kernel keeps none of the others waiting.
private final class BackgroundThreads: Sendable {
    static let shared = BackgroundThreads()
    private let idle = Mutex<[BackgroundThread]>([])

    func carryOut(_ job: Job) throws(SystemError) {
        if let thread = idle.withLock({ $0.popLast() }) { return thread.take(job) }
        try BackgroundThread(job).start()
    }

    func join(_ thread: BackgroundThread) { idle.withLock { $0.append(thread) } }

    /// False: it is just being given work.
    func leave(_ thread: BackgroundThread) -> Bool {
        idle.withLock { idle in
            guard let index = idle.firstIndex(where: { $0 === thread }) else { return false }
            idle.remove(at: index)
            return true
        }
    }
}

private final class BackgroundThread: Sendable {
    /// So long it waits for more.
    private static let patienceSeconds = 1

    /// Owned by the thread, which alone waits for it; no descriptor, as those may have run out.
    nonisolated(unsafe) private let news = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private let given: Mutex<Job?>

    init(_ job: Job) {
        given = Mutex(job)
        let failure = sem_init(news, 0, 0)
        precondition(failure == 0, "a semaphore that begins at 0 is a valid one")
    }

    deinit {
        sem_destroy(news)
        news.deallocate()
    }

    func start() throws(SystemError) {
        // Owned by the thread from here on; where there is none, by us again.
        let context = Unmanaged.passRetained(self).toOpaque()
        var thread = pthread_t()
        let failure = pthread_create(&thread, nil, backgroundMain, context)
        guard failure == 0 else {
            Unmanaged<BackgroundThread>.fromOpaque(context).release()
            throw SystemError("pthread_create", failure)
        }
        pthread_detach(thread)
    }

    func take(_ job: Job) {
        given.withLock { $0 = job }
        sem_post(news)
    }

    func run() {
        while let job = next() {
            var failure: SystemError?
            do throws(SystemError) { try job.work() } catch { failure = error }
            // Before it is told: whoever has heard it finds this thread for what comes next.
            BackgroundThreads.shared.join(self)
            job.end(failure)
        }
    }

    /// Nil: it is not needed any more.
    private func next() -> Job? {
        while true {
            if let job = given.withLock({ $0.take() }) { return job }
            if !waitForNews(), BackgroundThreads.shared.leave(self) { return nil }
        }
    }

    /// False: there was none in time.
    private func waitForNews() -> Bool {
        var end = timespec()
        clock_gettime(CLOCK_REALTIME, &end)
        end.tv_sec += BackgroundThread.patienceSeconds
        return sem_timedwait(news, &end) == 0
    }
}

/// A thread's entry is a nonisolated global function only.
private func backgroundMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    Unmanaged<BackgroundThread>.fromOpaque(context!).takeRetainedValue().run()
    return nil
}
