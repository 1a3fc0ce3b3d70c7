// The statistics segment: one mapping that all workers write, the control plane reads, and others may look into.
import Glibc
import Synchronization
import SystemCalls

/// Owns the mapping. Invariant: views and handles made from it are used only while the segment lives; the data
/// plane keeps it until every worker has ended.
package final class Segment: Sendable {
    package let view: SegmentView
    /// Nil: nobody else can look into it.
    private let file: MemoryFile?
    private let pages: Mutex<Pages>

    /// Anonymous memory, zero at first, which is the initial value of every atomic in it.
    package convenience init(layout: SegmentLayout) throws(SystemError) { try self.init(layout: layout, file: nil) }

    /// A file in one of these folders; none of them is in memory, or has some left: an error.
    package convenience init(layout: SegmentLayout, in folders: [String]) throws(SystemError) {
        let file = try SegmentFile.make(bytes: layout.bytes, in: folders, first: layout.firstBytes)
        do throws(SystemError) { try self.init(layout: layout, file: file) } catch {
            try Files.remove(file.path)
            throw error
        }
        let header = SegmentHeader.bytes(of: layout)
        header.bytes.withUnsafeBytes { view.start.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    }

    private init(layout: SegmentLayout, file: MemoryFile?) throws(SystemError) {
        let kind = file == nil ? MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED
        let memory = mmap(nil, layout.bytes, PROT_READ | PROT_WRITE, kind, file?.number ?? -1, 0)
        guard let memory, memory != MAP_FAILED else { throw SystemError("mmap", errno, on: "statistics segment") }
        var pages = Pages(bytes: layout.bytes)
        pages.insert(0..<layout.firstBytes)
        self.file = file
        self.pages = Mutex(pages)
        view = SegmentView(start: memory, descriptor: file?.number ?? -1, layout: layout)
    }

    deinit { munmap(view.start, view.layout.bytes) }

    /// Nil: it has none.
    package var path: String? { file?.path }

    // MARK: Memory

    /// Takes the memory for numbers before they are given out: ENOSPC where there is none.
    /// `withDetails`: of the slots too, which else come with the first detail.
    package func reserve(slots: [Int] = [], pools: [Int] = [], listeners: [Int] = [], withDetails: Bool = false) throws(SystemError) {
        guard file != nil else { return }
        for slot in slots { for area in [SegmentArea.slotTickets, .backends, .slotLines, .outcomes, .connectFailures] { try reserve(area, slot) } }
        if withDetails { for slot in slots { try reserve(.details, slot) } }
        for pool in pools { for area in [SegmentArea.pools, .poolTimes] { try reserve(area, pool) } }
        for listener in listeners {
            for area in [SegmentArea.listenerTickets, .listeners, .listenerLines, .endings] { try reserve(area, listener) }
        }
    }

    package func reserveDetails(slot: Int) throws(SystemError) { try reserve(.details, slot) }

    private func reserve(_ area: SegmentArea, _ index: Int) throws(SystemError) {
        guard let file else { return }
        for worker in 0..<view.layout.arrays(area) {
            let offset = view.layout.offset(area, index, worker: worker)
            while let missing = pages.withLock({ $0.missing(in: offset..<offset + area.stride) }) {
                try file.reserve(missing)
                pages.withLock { $0.insert(missing) }
            }
        }
    }
}

extension SegmentLayout {
    /// The header, and what there is from the start on.
    var firstBytes: Int { offset(.listenerTickets, 0) }
}

/// The segment without its ownership: what workers carry, free of reference counting.
@frozen package struct SegmentView: @unchecked Sendable {
    // Valid as long as the segment lives (see Segment). Only atomics are read and written through it.
    @usableFromInline let start: UnsafeMutableRawPointer
    /// Of the file behind it; -1: there is none.
    let descriptor: Int32
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
