// Pools in a journal: written is what changed since the last look, read is the whole again.
import Model

/// One for all lines of a journal, from the first; each in its turn.
package struct JournalPools: Equatable, Sendable {
    private var last: JournalPool?
    /// Of the journal: one that began with whole pools goes on with them.
    private var format = JournalRecord.format

    /// The first format that knows changes.
    private static let formatOfChanges = 2

    package init() {}

    /// As it is written.
    package mutating func shortened(_ record: JournalRecord) -> JournalRecord {
        note(record)
        guard case .input(var event) = record.content, let pool = event.pool else { return record }
        let before = last
        last = pool
        guard format >= JournalPools.formatOfChanges, let changes = before.flatMap(pool.changes(since:)) else { return record }
        event.pool = changes
        return record.with(.input(event))
    }

    /// As it was.
    package mutating func whole(_ record: JournalRecord) throws(JournalError) -> JournalRecord {
        note(record)
        guard case .input(var event) = record.content, let pool = event.pool else { return record }
        let whole = try pool.whole(after: last)
        last = whole
        event.pool = whole
        return record.with(.input(event))
    }

    private mutating func note(_ record: JournalRecord) {
        if case .begun(let begin) = record.content { format = begin.format }
    }
}

extension JournalPool {
    /// Nil where the pool has other backends than before.
    fileprivate func changes(since before: JournalPool) -> JournalPool? {
        guard name == before.name, backends.map(\.name) == before.backends.map(\.name) else { return nil }
        return JournalPool(name: name, backends: zip(backends, before.backends).filter { $0 != $1 }.map(\.0), changes: true)
    }

    fileprivate func whole(after before: JournalPool?) throws(JournalError) -> JournalPool {
        guard changes == true else { return self }
        guard let before, before.name == name else { throw JournalError("it says what changed in pool \(name), and no line before says how that was") }
        var whole = before.backends
        for changed in backends {
            guard let index = whole.firstIndex(where: { $0.name == changed.name }) else {
                throw JournalError("it says what changed of \(name)/\(changed.name), which was not there before")
            }
            whole[index] = changed
        }
        return JournalPool(name: name, backends: whole, changes: nil)
    }
}

extension JournalRecord {
    fileprivate func with(_ content: Content) -> JournalRecord {
        JournalRecord(sequence: sequence, at: at, elapsed: elapsed, chain: chain, content: content)
    }
}
