// Where the numbers lie and how they are summed. Faults: two writers on one cache line, one thing's counter in
// another's place.
import TestSupport
import Testing

@testable import Statistics

private struct Place: Hashable {
    let what: String
    let offset: Int
}

struct LayoutTests {
    @Test func noTwoLinesShareACacheLine() throws {
        let layout = SegmentLayout(workers: 3, slots: 5, listeners: 2, pools: 2)
        var places = [Place(what: "process", offset: 0)]
        for slot in 0..<5 { places.append(Place(what: "ticket \(slot)", offset: layout.ticketOffset(slot: slot))) }
        for listener in 0..<2 { places.append(Place(what: "ticket of listener \(listener)", offset: layout.ticketOffset(listener: listener))) }
        for worker in 0..<3 {
            for slot in 0..<5 { places.append(Place(what: "backend \(worker) \(slot)", offset: layout.backendOffset(worker: worker, slot: slot))) }
            for listener in 0..<2 {
                places.append(Place(what: "listener \(worker) \(listener)", offset: layout.listenerOffset(worker: worker, listener: listener)))
            }
            for slot in 0..<5 {
                for line in 0..<2 {
                    places.append(Place(what: "outcomes \(worker) \(slot) \(line)", offset: layout.outcomesOffset(worker: worker, slot: slot) + line * 64))
                }
            }
            for pool in 0..<2 {
                for line in 0..<17 {
                    places.append(Place(what: "lifetimes \(worker) \(pool) \(line)", offset: layout.lifetimesOffset(worker: worker, pool: pool) + line * 64))
                }
            }
        }
        #expect(Set(places.map { $0.offset / 64 }).count == places.count)
        #expect(places.allSatisfy { $0.offset % 64 == 0 && $0.offset + 64 <= layout.bytes })
        #expect(layout.bytes == places.count * 64)
        let segment = try Segment(layout: layout)
        // The mapping begins on a page, so lines are cache lines.
        #expect(Int(bitPattern: segment.view.start) % 64 == 0)
    }

    @Test func aLineHoldsItsCounters() {
        #expect(MemoryLayout<TicketLine>.size <= 64)
        #expect(MemoryLayout<BackendLine>.size <= 64)
        #expect(MemoryLayout<ListenerLine>.size <= 64)
    }
}

struct TotalsTests {
    @Test func countersAreSummedOverWorkersAndKeptApart() async throws {
        let segment = try Segment(layout: SegmentLayout(workers: 4, slots: 2, listeners: 2))
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
