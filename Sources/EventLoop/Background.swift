// Work that may block in the kernel, such as an fsync, beside the loop: on a thread that lives as long as the work.
import Glibc
import SystemCalls
import Synchronization

/// Runs `work` on a thread of its own and returns when it is done, or throws what it threw; not to be cancelled.
@ControlPlane package func inBackground(_ work: @escaping @Sendable () throws(SystemError) -> Void) async throws(SystemError) {
    let job = Job(work)
    // Owned by the thread from here on; where there is none, by us again.
    let context = Unmanaged.passRetained(job).toOpaque()
    var thread = pthread_t()
    let failure = pthread_create(&thread, nil, backgroundMain, context)
    guard failure == 0 else {
        Unmanaged<Job>.fromOpaque(context).release()
        throw SystemError("pthread_create", failure)
    }
    pthread_detach(thread)
    if let failure = await job.ended() { throw failure }
}

private final class Job: Sendable {
    private enum State {
        case running
        case awaited(CheckedContinuation<SystemError?, Never>)
        case ended(SystemError?)
    }
    private let work: @Sendable () throws(SystemError) -> Void
    private let state = Mutex(State.running)

    init(_ work: @escaping @Sendable () throws(SystemError) -> Void) { self.work = work }

    func run() {
        var failure: SystemError?
        do throws(SystemError) { try work() } catch { failure = error }
        let outcome = failure
        let waiting = state.withLock { state -> CheckedContinuation<SystemError?, Never>? in
            defer { state = .ended(outcome) }
            if case .awaited(let continuation) = state { return continuation }
            return nil
        }
        waiting?.resume(returning: outcome)
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

/// A thread's entry is a nonisolated global function only.
private func backgroundMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    Unmanaged<Job>.fromOpaque(context!).takeRetainedValue().run()
    return nil
}
