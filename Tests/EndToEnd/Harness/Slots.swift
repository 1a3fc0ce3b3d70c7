// How many tests run at once: the machine has two processors, and a test that measures wants them for itself.
import Synchronization

/// What a test takes of the machine.
enum Weight: Int, Sendable {
    /// Waits more than it works.
    case light = 1
    /// Loads both processors: runs alone.
    case heavy = 3
}

/// A semaphore with weights, first come first served, so that a heavy one is not starved by light ones.
final class Slots: Sendable {
    static let shared = Slots(Weight.heavy.rawValue)

    private struct State {
        var free: Int
        var waiting: [(need: Int, go: CheckedContinuation<Void, Never>)] = []
    }
    private let state: Mutex<State>

    init(_ count: Int) { state = Mutex(State(free: count)) }

    func take(_ weight: Weight) async {
        await withCheckedContinuation { go in
            state.withLock { $0.waiting.append((weight.rawValue, go)) }
            admit()
        }
    }

    func give(_ weight: Weight) {
        state.withLock { $0.free += weight.rawValue }
        admit()
    }

    private func admit() {
        let admitted = state.withLock { state in
            var admitted: [CheckedContinuation<Void, Never>] = []
            while let first = state.waiting.first, first.need <= state.free {
                state.free -= first.need
                admitted.append(state.waiting.removeFirst().go)
            }
            return admitted
        }
        for go in admitted { go.resume() }
    }
}
