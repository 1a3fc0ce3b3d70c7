// How workers write: tickets with atomic arithmetic, counters with a relaxed load and store by their one writer.
import Synchronization

/// Counts holders exactly, over all workers.
@frozen package struct Tickets: @unchecked Sendable {
    // Invariant: points into the segment, which outlives every user (see Segment).
    @usableFromInline let line: UnsafeMutablePointer<TicketLine>
    @inlinable init(line: UnsafeMutablePointer<TicketLine>) { self.line = line }

    @inlinable package var held: Int { line.pointee.held.load(ordering: .sequentiallyConsistent) }

    @inlinable package func take() {
        line.pointee.held.add(1, ordering: .relaxed)
        noteUse()
    }

    /// In the line that is written anyway, and once.
    @inlinable func noteUse() {
        if !line.pointee.used.load(ordering: .relaxed) { line.pointee.used.store(true, ordering: .relaxed) }
    }

    /// Whether any was ever taken.
    @inlinable package var isUsed: Bool { line.pointee.used.load(ordering: .relaxed) }

    /// Takes one only while fewer than `limit` are out. Never more than that, not even for a moment: a `give`
    /// at that moment would not know that it was the last, and the news would be lost.
    @inlinable package func take(below limit: Int) -> Bool {
        var before = line.pointee.held.load(ordering: .sequentiallyConsistent)
        while before < limit {
            let (taken, found) = line.pointee.held.weakCompareExchange(
                expected: before, desired: before + 1, ordering: .sequentiallyConsistent)
            if taken {
                noteUse()
                return true
            }
            before = found
        }
        return false
    }

    /// Whether somebody waits in line.
    ///
    /// Who comes to wait sets it, then looks for a ticket once more; who gives one back does so, then looks here.
    /// With all of it sequentially consistent, at least one side sees the other: nobody waits beside a free ticket.
    @inlinable package var isAwaited: Bool { line.pointee.awaited.load(ordering: .sequentiallyConsistent) }

    /// Set and cleared under the lock of the line.
    package func setAwaited(_ isAwaited: Bool) { line.pointee.awaited.store(isAwaited, ordering: .sequentiallyConsistent) }

    /// Gives one back; true when it was the last and somebody waits for that.
    ///
    /// `held` then `watched` here, `watched` then `held` in `watch`: with both sequentially consistent, at least
    /// one side sees the other, so the news that a backend is empty cannot be lost.
    @inlinable package func give() -> Bool { giveCounted().isLastNews }

    /// The same, and how many were out before.
    @inlinable package func giveCounted() -> (before: Int, isLastNews: Bool) {
        let before = line.pointee.held.subtract(1, ordering: .sequentiallyConsistent).oldValue
        precondition(before > 0, "a ticket was given back twice")
        return (before, before == 1 && line.pointee.watched.load(ordering: .sequentiallyConsistent))
    }

    /// Asks for (or no longer for) the news of the last ticket; how many are out now.
    @discardableResult package func watch(_ wanted: Bool) -> Int {
        line.pointee.watched.store(wanted, ordering: .sequentiallyConsistent)
        return held
    }
}

@frozen package struct BackendCounters: @unchecked Sendable {
    // Points into the segment; written by one worker.
    @usableFromInline let line: UnsafeMutablePointer<BackendLine>
    @inlinable init(line: UnsafeMutablePointer<BackendLine>) { self.line = line }

    @inlinable package func countConnection() { add(1, to: line.pointee.connections) }
    @inlinable package func countConnectFailure() { add(1, to: line.pointee.connectFailures) }
    @inlinable package func countBackendReset() { add(1, to: line.pointee.backendResets) }
    @inlinable package func countClientReset() { add(1, to: line.pointee.clientResets) }
    @inlinable package func countConnect(microseconds: UInt32) {
        let word = line.pointee.connectTimes.load(ordering: .relaxed)
        line.pointee.connectTimes.store(ConnectTimes(word: word).adding(microseconds).word, ordering: .relaxed)
    }
    @inlinable package func countBytesToBackend(_ bytes: Int) { add(UInt64(bytes), to: line.pointee.bytesToBackend) }
    @inlinable package func countBytesToClient(_ bytes: Int) { add(UInt64(bytes), to: line.pointee.bytesToClient) }
}

@frozen package struct ListenerCounters: @unchecked Sendable {
    // Points into the segment; written by one worker.
    @usableFromInline let line: UnsafeMutablePointer<ListenerLine>
    @inlinable init(line: UnsafeMutablePointer<ListenerLine>) { self.line = line }

    @inlinable package func countAccepted() { add(1, to: line.pointee.accepted) }
    /// Releasing: who reads that it was closed also reads that it was accepted.
    @inlinable package func countClosed() {
        line.pointee.closed.store(line.pointee.closed.load(ordering: .relaxed) &+ 1, ordering: .releasing)
    }
    @inlinable package func countRefused() { add(1, to: line.pointee.refused) }
}

/// There is one writer, so a load and a store lose nothing and cost no locked instruction.
@inlinable func add(_ count: UInt64, to counter: borrowing Atomic<UInt64>) {
    counter.store(counter.load(ordering: .relaxed) &+ count, ordering: .relaxed)
}
