// What the control plane asks of all workers about their connections: done in bounded parts, one a round.
//
// Between two parts the worker does what it always does, so no traffic waits for an answer however long it is. A
// record never moves and is never freed: where a part has stopped, the next goes on. Whoever wants the answer hears
// `errandDone` when the last worker is done.
import Synchronization

/// Shared by all workers; what each adds to the answer it adds under the answer's own lock.
protocol Errand: AnyObject, Sendable {
    var progress: ErrandProgress { get }
    /// It has come to this worker, and may have to wait for its turn.
    func arrived(at worker: WorkerHandle)
    /// One part of this worker's share, from `position` on; where to go on, nil: it is done.
    func perform(from position: Int, on worker: WorkerHandle) -> Int?
}

extension Errand {
    func arrived(at worker: WorkerHandle) {}
}

/// How many workers are still at it.
final class ErrandProgress: Sendable {
    private let left: Atomic<Int>

    init(workers: Int) { left = Atomic(workers) }

    /// Acquiring: whoever sees the end sees what every worker has added.
    var isDone: Bool { left.load(ordering: .acquiring) == 0 }

    /// True for the last.
    func finish() -> Bool { left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 }
}

/// An errand as far as one worker has come with it.
struct RunningErrand {
    let errand: any Errand
    var position = 0

    init(_ errand: any Errand) { self.errand = errand }
}

extension WorkerHandle {
    /// One part of the errand that has waited longest.
    func continueErrand() {
        guard let running = state.errands.first else { return }
        if let next = running.errand.perform(from: running.position, on: self) {
            state.errands[0].position = next
            return
        }
        state.errands.removeFirst()
        if running.errand.progress.finish() { report(.errandDone) }
    }
}
