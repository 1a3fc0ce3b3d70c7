// What a server's handler hands to the test: put on one thread, waited for on another.
import Synchronization
import Testing

final class Outbox<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])

    func put(_ value: Value) { values.withLock { $0.append(value) } }

    var count: Int { values.withLock { $0.count } }

    /// The oldest that was put, waited for and taken out.
    func take(within limit: Duration = .seconds(60), at location: SourceLocation = #_sourceLocation) throws -> Value {
        try eventually(within: limit, "a word from the other thread", at: location) {
            values.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        }
    }
}
