// The statistics segment: one mapping that all workers write, the control plane reads, and others may look into.
import Glibc
import SystemCalls

/// Owns the mapping. Invariant: views and handles made from it are used only while the segment lives; the data
/// plane keeps it until every worker has ended.
package final class Segment: Sendable {
    package let view: SegmentView

    /// Anonymous memory, zero at first, which is the initial value of every atomic in it. Nobody else can look into it.
    package init(layout: SegmentLayout) throws(SystemError) {
        let memory = mmap(nil, layout.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let memory, memory != MAP_FAILED else { throw SystemError("mmap", errno, on: "statistics segment") }
        view = SegmentView(start: memory, layout: layout)
    }

    deinit { munmap(view.start, view.layout.bytes) }
}

/// The segment without its ownership: what workers carry, free of reference counting.
@frozen package struct SegmentView: @unchecked Sendable {
    // Valid as long as the segment lives (see Segment). Only atomics are read and written through it.
    @usableFromInline let start: UnsafeMutableRawPointer
    package let layout: SegmentLayout

    /// Tickets of the process's connections.
    @inlinable package var process: Tickets { Tickets(line: memory(.processTickets, 0)) }

    @inlinable package func tickets(slot: Int) -> Tickets { Tickets(line: memory(.slotTickets, slot)) }

    /// Tickets of a listener's connections.
    @inlinable package func tickets(listener: Int) -> Tickets { Tickets(line: memory(.listenerTickets, listener)) }

    @inlinable package func backend(worker: Int, slot: Int) -> BackendCounters {
        BackendCounters(line: memory(.slotLines, slot, worker: worker))
    }

    @inlinable package func listener(worker: Int, listener: Int) -> ListenerCounters {
        ListenerCounters(line: memory(.listenerLines, listener, worker: worker))
    }

    /// `at`: bytes into the entry.
    @inlinable func memory<Line: ~Copyable>(_ area: SegmentArea, _ index: Int, worker: Int = 0, at: Int = 0) -> UnsafeMutablePointer<Line> {
        assert(at + MemoryLayout<Line>.size <= area.stride, "an entry holds what is in it")
        return (start + layout.offset(area, index, worker: worker) + at).assumingMemoryBound(to: Line.self)
    }
}
