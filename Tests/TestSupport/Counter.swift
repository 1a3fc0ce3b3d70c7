// A number that several threads count up.
import Synchronization

package final class Counter: Sendable {
    private let count = Atomic(0)

    package init() {}
    package var value: Int { count.load(ordering: .sequentiallyConsistent) }

    /// The new value.
    @discardableResult package func add(_ number: Int) -> Int {
        count.add(number, ordering: .sequentiallyConsistent).newValue
    }
}
