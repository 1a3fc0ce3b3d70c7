// Which of a pool's backends a rollout restarts: all, or those that are left after one that was stopped.
import Model

package struct Selection: Equatable, Sendable {
    /// Nil: all.
    package var only: [BackendName]?
    /// It and those after it, as the pool has them.
    package var from: BackendName?
    package var skip: [BackendName] = []

    package init() {}

    /// Whatever is named must be there: a word that was mistyped would leave out the wrong ones. Nil: all are.
    package func stranger(in pool: PoolSnapshot) -> BackendName? {
        let known = Set(pool.backends.map(\.name))
        return ((only ?? []) + (from.map { [$0] } ?? []) + skip).first { !known.contains($0) }
    }

    /// Of these, in their order.
    func chosen(of backends: [BackendSnapshot]) -> [BackendSnapshot] {
        let start = from.flatMap { from in backends.firstIndex { $0.name == from } } ?? backends.startIndex
        return backends[start...].filter { (only?.contains($0.name) ?? true) && !skip.contains($0.name) }
    }
}
