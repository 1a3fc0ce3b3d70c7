// Who has room, by a bit for each backend that all workers share. Faults: one ticket too many, a bit that is cleared
// while a ticket returns and hides a backend for good, a search that misses the last word or does not go round.
import Model
import Statistics
import TestSupport
import Testing

@testable import Proxy

private func route(_ count: Int, most: Int?) -> Route {
    let targets = (0..<count).map {
        PoolRouting.Target(slot: $0, address: .ipv4(0x7F00_0001, port: UInt16(1000 + $0)), weight: 1, connectionsMax: most)
    }
    return Route(
        PoolRouting(
            balance: .random, timeouts: PoolTimeouts(connect: .zero, idle: .zero, halfClosed: .zero), connectRetries: 0, targets: targets),
        generation: 1)
}

struct RoomTests {
    @Test(arguments: [1, 63, 64, 65, 200])
    func theOneWithRoomIsFoundFromAnywhere(_ count: Int) throws {
        let segment = try Segment(layout: SegmentLayout(workers: 1, slots: count, listeners: 1))
        let route = route(count, most: 1)
        defer { route.free() }
        #expect((0..<count).allSatisfy { route.withRoom(from: $0) == $0 })
        for index in 0..<count { #expect(route.takeTicket(index, segment.view) && !route.hasRoom(index)) }
        #expect((0..<count).allSatisfy { route.withRoom(from: $0) == nil && !route.takeTicket($0, segment.view) })
        for index in [0, count / 2, count - 1] {
            route.noteReturned(index, before: segment.view.tickets(slot: index).giveCounted().before)
            #expect((0..<count).allSatisfy { route.withRoom(from: $0) == index })
            #expect(route.takeTicket(index, segment.view))
        }
    }

    @Test func withoutLimitsAllHaveRoom() throws {
        let segment = try Segment(layout: SegmentLayout(workers: 1, slots: 3, listeners: 1))
        let route = route(3, most: nil)
        defer { route.free() }
        for _ in 0..<100 { #expect(route.takeTicket(1, segment.view) && route.withRoom(from: 1) == 1) }
    }

    /// Threads take and give back as fast as they can: never one too many, and in the end all have room and are seen.
    @Test func holdsAndLosesNothingUnderContention() async throws {
        // One backend, so that they meet at it.
        let segment = try Segment(layout: SegmentLayout(workers: 1, slots: 1, listeners: 1))
        let route = route(1, most: 2)
        defer { route.free() }
        let most = Counter()
        try await onThread {
            try await onThreads(4) { _ in
                for _ in 0..<300_000 {
                    guard let index = route.withRoom(from: 0), route.takeTicket(index, segment.view) else { continue }
                    let tickets = segment.view.tickets(slot: index)
                    if tickets.held > 2 { most.add(1) }
                    route.noteReturned(index, before: tickets.giveCounted().before)
                }
            }
        }
        #expect(most.value == 0, "held more than the limit \(most.value) times")
        #expect(segment.view.tickets(slot: 0).held == 0 && route.hasRoom(0))
    }
}
