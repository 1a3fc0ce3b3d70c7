// Where the numbers lie and how they are summed. Faults: two writers on one cache line, one thing's counter in
// another's place.
import TestSupport
import Testing

@testable import Statistics

struct LayoutTests {
    @Test func noTwoEntriesShareALineNorTwoAreasAPage() throws {
        let layout = SegmentLayout(workers: 3, slots: 5, listeners: 2, pools: 2, rows: 100)
        var lines: Set<Int> = []
        var pages: [Int: SegmentArea] = [:]
        for area in SegmentArea.allCases {
            for worker in 0..<layout.arrays(area) {
                for index in 0..<layout.count(area) {
                    let offset = layout.offset(area, index, worker: worker)
                    #expect(offset % 64 == 0 && offset >= SegmentLayout.pageBytes && offset + area.stride <= layout.bytes)
                    for line in offset / 64..<(offset + area.stride) / 64 {
                        if !lines.insert(line).inserted { Issue.record("\(area) \(worker) \(index) lies on somebody else's line") }
                        if pages.updateValue(area, forKey: line / 64).map({ $0 != area }) ?? false { Issue.record("\(area) shares a page") }
                    }
                }
            }
        }
        #expect(layout.rows == 128, "whole slabs")
        let segment = try Segment(layout: layout)
        // The mapping begins on a page, so lines are cache lines.
        #expect(Int(bitPattern: segment.view.start) % 64 == 0)
    }

    @Test func anEntryHoldsWhatIsInIt() {
        #expect(MemoryLayout<TicketLine>.size <= SegmentArea.slotTickets.stride)
        #expect(MemoryLayout<BackendLine>.size <= SegmentArea.slotLines.stride)
        #expect(MemoryLayout<ListenerLine>.size <= SegmentArea.listenerLines.stride)
        #expect(MemoryLayout<WorkerLine>.size <= SegmentLayout.lineBytes)
        for area in SegmentArea.allCases { #expect(area.stride % SegmentLayout.lineBytes == 0, "\(area)") }
    }

    /// What others rely on stays as it is; who changes it makes a new version.
    @Test func stridesAreAsDocumented() {
        let strides = SegmentArea.allCases.map(\.stride)
        #expect(strides == [512, 64, 1280, 64, 384, 64, 512, 128, 4736, 64, 128, 512, 64, 128, 64, 64])
    }
}

struct TotalsTests {
    @Test func countersAreSummedOverWorkersAndKeptApart() async throws {
        let segment = try Segment(layout: SegmentLayout(workers: 4, slots: 2, listeners: 2))
        segment.view.tickets(slot: 1).take()
        try await onThread {
            // Each worker writes its own lines only, all at once.
            try await onThreads(4) { worker in
                let backend = segment.view.backend(worker: worker, slot: 1)
                let listener = segment.view.listener(worker: worker, listener: 1)
                for _ in 0..<10_000 {
                    backend.countConnection()
                    backend.countBytesToBackend(3)
                    backend.countBytesToClient(5)
                    listener.countAccepted()
                }
                for _ in 0..<(worker + 1) {
                    backend.countConnectFailure()
                    backend.countBackendReset()
                    backend.countBackendReset()
                    backend.countClientReset()
                    listener.countClosed()
                    listener.countRefused()
                }
            }
        }
        #expect(segment.view.totals(slot: 1) == BackendTotals(
            connections: 40_000, connectFailures: 10, backendResets: 20, clientResets: 10, bytesToBackend: 120_000,
            bytesToClient: 200_000))
        #expect(segment.view.totals(slot: 0) == BackendTotals())
        let totals = segment.view.totals(listener: 1)
        #expect(totals == ListenerTotals(accepted: 40_000, closed: 10, refused: 10))
        #expect(totals.open == 39_990)
        #expect(segment.view.totals(listener: 0) == ListenerTotals())
    }
}
