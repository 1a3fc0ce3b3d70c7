// Work on threads of its own: blocking clients and servers beside the test.
import Foundation
import Synchronization
import Testing

/// A piece of work on its own thread, whose result is asked for later.
final class Background<Value: Sendable>: Sendable {
    private let outcome = Mutex<Result<Value, any Error>?>(nil)

    init(_ work: @escaping @Sendable () throws -> Value) {
        Thread.detachNewThread {
            let result = Result { try work() }
            self.outcome.withLock { $0 = result }
        }
    }

    var isFinished: Bool { outcome.withLock { $0 != nil } }

    /// Waits for the end of the work; rethrows what it threw.
    func result(within limit: Duration = .seconds(60)) throws -> Value {
        try eventually(within: limit, "the end of a background thread") { outcome.withLock { $0 } }.get()
    }
}

/// Runs `work` on `count` threads at once; their results in order.
func concurrently<Value: Sendable>(
    _ count: Int, within limit: Duration = .seconds(60), _ work: @escaping @Sendable (Int) throws -> Value
) throws -> [Value] {
    let running = (0..<count).map { index in Background { try work(index) } }
    return try running.map { try $0.result(within: limit) }
}
