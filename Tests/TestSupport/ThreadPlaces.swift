// How many tests work on threads of their own at once. All unit tests begin together, and hundreds of planes, clients and
// backends on two processors would take so long for a round trip that every timeout of the product is over.
import Synchronization

/// A semaphore, first come first served.
final class ThreadPlaces: Sendable {
    static let shared = ThreadPlaces(8)
    /// What a test does inside of its place has no need of another, and must not wait for one.
    @TaskLocal private static var isInside = false

    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state: Mutex<State>

    private init(_ count: Int) { state = Mutex(State(free: count)) }

    func with<Success: Sendable>(_ body: @Sendable @concurrent () async throws -> Success) async throws -> Success {
        if ThreadPlaces.isInside { return try await body() }
        await take()
        defer { give() }
        return try await ThreadPlaces.$isInside.withValue(true) { try await body() }
    }

    private func take() async {
        await withCheckedContinuation { go in
            let isFree = state.withLock { state in
                guard state.free == 0 else {
                    state.free -= 1
                    return true
                }
                state.waiting.append(go)
                return false
            }
            if isFree { go.resume() }
        }
    }

    /// To who is next, else it is free.
    private func give() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.free += 1
            return nil
        }
        next?.resume()
    }
}
