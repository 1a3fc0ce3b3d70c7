// Tickets: exact over all threads. Faults: a count that drifts and is patched (relayd), and the news that the last
// holder is gone, lost or told twice.
import Statistics
import Synchronization
import TestSupport
import Testing

private func segment(workers: Int = 2, slots: Int = 3, listeners: Int = 2) throws -> Segment {
    try Segment(layout: SegmentLayout(workers: workers, slots: slots, listeners: listeners))
}

struct TicketsTests {
    @Test func countsExactlyFromManyThreads() async throws {
        let segment = try segment()
        try await onThread {
            try await onThreads(4) { _ in
                let tickets = segment.view.tickets(slot: 1)
                for round in 0..<50_000 {
                    tickets.take()
                    if round % 5 != 0 { _ = tickets.give() }
                }
            }
        }
        #expect(segment.view.tickets(slot: 1).held == 40_000)
        #expect(segment.view.tickets(slot: 0).held == 0 && segment.view.tickets(slot: 2).held == 0)
        #expect(segment.view.process.held == 0)
    }

    @Test func theLastIsNewsOnlyWhereWatched() throws {
        let segment = try segment()
        let tickets = segment.view.tickets(slot: 0)
        tickets.take()
        #expect(!tickets.give())
        #expect(tickets.watch(true) == 0)
        tickets.take()
        tickets.take()
        #expect(!tickets.give())
        #expect(tickets.give())
        tickets.take()
        #expect(tickets.watch(false) == 1)
        #expect(!tickets.give())
    }

    /// Holders give back while somebody begins to watch: either the watcher sees zero, or exactly one giver is told.
    @Test func theLastIsNeverMissed() async throws {
        let segment = try segment()
        try await onThread {
            let tickets = segment.view.tickets(slot: 0)
            for round in 0..<300 {
                let told = Atomic(0), seen = Atomic(0)
                for _ in 0..<4 { tickets.take() }
                try await onThreads(3) { index in
                    if index == 2 {
                        if tickets.watch(true) == 0 { seen.add(1, ordering: .relaxed) }
                    } else {
                        for _ in 0..<2 where tickets.give() { told.add(1, ordering: .relaxed) }
                    }
                }
                let news = told.load(ordering: .relaxed) + seen.load(ordering: .relaxed)
                #expect(news >= 1 && told.load(ordering: .relaxed) <= 1, "round \(round)")
                #expect(tickets.watch(false) == 0)
            }
        }
    }

    /// Never beyond the limit, not even for a moment: while one thread tries in vain, the last give must still know
    /// that it was the last.
    @Test func aRefusedTakeHidesNoLastGive() async throws {
        let segment = try segment()
        try await onThread {
            let tickets = segment.view.process
            tickets.watch(true)
            let isOver = Atomic(false), told = Atomic(0)
            try await onThreads(2) { index in
                if index == 0 {
                    for _ in 0..<200_000 {
                        tickets.take()
                        if tickets.give() { told.add(1, ordering: .relaxed) }
                    }
                    isOver.store(true, ordering: .releasing)
                } else {
                    while !isOver.load(ordering: .acquiring) { if tickets.take(below: 0) { Issue.record("below 0") } }
                }
            }
            #expect(told.load(ordering: .relaxed) == 200_000)
        }
    }

    @Test func limitHoldsUnderContention() async throws {
        let segment = try segment()
        try await onThread {
            let tickets = segment.view.tickets(slot: 2)
            let taken = Atomic(0)
            try await onThreads(4) { _ in
                for _ in 0..<1000 where tickets.take(below: 2500) { taken.add(1, ordering: .relaxed) }
            }
            #expect(taken.load(ordering: .relaxed) == 2500)
            #expect(tickets.held == 2500)
        }
    }
}
