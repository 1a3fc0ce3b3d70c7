// Work that may block in the kernel, such as an fsync, beside the loop: on a thread that lives as long as the work.
import Glibc
import SystemCalls
import Synchronization

/// Runs `work` on a thread of its own and returns when it is done; not to be cancelled.
@ControlPlane package func inBackground(_ work: @escaping @Sendable () -> Void) async throws(SystemError) {
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
    await job.ended()
}

private final class Job: Sendable {
    private enum State {
        case running
        case awaited(CheckedContinuation<Void, Never>)
        case ended
    }
    private let work: @Sendable () -> Void
    private let state = Mutex(State.running)

    init(_ work: @escaping @Sendable () -> Void) { self.work = work }

    func run() {
        work()
        let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
            defer { state = .ended }
            if case .awaited(let continuation) = state { return continuation }
            return nil
        }
        waiting?.resume()
    }

    @ControlPlane func ended() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state -> Bool in
                if case .ended = state { return true }
                state = .awaited(continuation)
                return false
            }
            if isOver { continuation.resume() }
        }
    }
}

/// A thread's entry is a nonisolated global function only.
private func backgroundMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    Unmanaged<Job>.fromOpaque(context!).takeRetainedValue().run()
    return nil
}
