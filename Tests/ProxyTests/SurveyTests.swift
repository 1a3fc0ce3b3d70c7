// What workers tell of their connections, and end on request. Faults: a connection shown twice or not at all, one that
// is closed under another's id, bytes counted the wrong way, a close that loses bytes and calls it a clean end.
import Glibc
import Model
import Statistics
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

extension TestPlane {
    func answer<Found>(_ asked: () -> Found?) throws -> Found {
        while true {
            if let found = asked() { return found }
            try hear()
        }
    }

    func connections(pool: Int? = nil, slot: Int? = nil, ids: Set<ConnectionID>? = nil) throws -> [ConnectionSnapshot] {
        let survey = plane.survey(pool: pool, slot: slot, ids: ids)
        return try answer { survey.connections }
    }

    func close(_ connections: [ConnectionSnapshot], _ manner: ClosingManner) throws -> Set<ConnectionID> {
        let order = plane.close(connections, manner)
        return try answer { order.closed }
    }
}

struct SurveyTests {
    @Test("every connection once, over all workers and more than one slab", arguments: [1, 2])
    func all(workers: Int) throws {
        let backend = try TestBackend.echo()
        defer { backend.stop() }
        let under = try PlaneUnderTest(workers: workers, backends: [backend.endpoint])
        let clients = try (0..<150).map { _ in try under.connect() }
        for client in clients { try greet(client) }
        let found = try under.plane.connections()
        #expect(found.count == 150)
        #expect(Set(found.map(\.id)).count == 150)
        for connection in found {
            #expect(connection.phase == .relaying && connection.slot == 0)
            #expect(connection.bytesToBackend == 1 && connection.bytesToClient == 1)
        }
        #expect(try under.plane.connections(pool: 1).isEmpty && under.plane.connections(slot: 3).isEmpty)
        let inquiry = under.plane.plane.askPeers(of: found)
        let peers = try under.plane.answer { inquiry.peers }
        #expect(Set(peers.values).count == 150)
        withExtendedLifetime(clients) {}
    }

    @Test("closed by its id: that one and no other; the place's next connection does not answer to the old id")
    func closed() throws {
        let backend = try TestBackend.echo()
        defer { backend.stop() }
        let under = try PlaneUnderTest(workers: 1, backends: [backend.endpoint])
        let first = try under.connect()
        try greet(first)
        let old = try under.plane.connections()
        #expect(try under.plane.close(old, .end).count == 1)
        try under.plane.waitUntilEmpty()
        let second = try under.connect()
        try greet(second)
        #expect(try under.plane.close(old, .reset).isEmpty, "a stranger was closed")
        #expect(try under.plane.connections(ids: Set(old.map(\.id))).isEmpty)
        try greet(second)
    }

    @Test("a connection that has just moved is left alone by an order for quiet ones")
    func quiet() throws {
        let backend = try TestBackend.echo()
        defer { backend.stop() }
        let under = try PlaneUnderTest(workers: 1, backends: [backend.endpoint])
        let client = try under.connect()
        try greet(client)
        let found = try under.plane.connections()
        #expect(try under.plane.close(found, .endWhenQuiet(for: .seconds(60))).isEmpty)
        #expect(try under.plane.close(found, .endWhenQuiet(for: .zero)).count == 1)
    }

    @Test("nobody is idle for less than nothing")
    func idle() throws {
        let under = try PlaneUnderTest(workers: 1, backends: [])
        try under.plane.route([], whenNone: .hold(lengthMax: 10, timeout: Patience.limit))
        for _ in 0..<10 {
            let client = try under.connect()
            while under.plane.plane.queueReport(pool: 0).held == 0 { poll(nil, 0, 1) }
            let found = try under.plane.connections()
            #expect(found.count == 1 && found.allSatisfy { $0.idle >= .zero && $0.age >= .zero }, "\(found.map(\.idle))")
            client.close()
            try under.plane.waitUntilEmpty()
        }
    }

    @Test("lifetimes are counted for those that end by themselves, and not for those that an operator ends")
    func lifetimes() throws {
        let backend = try TestBackend.echo()
        defer { backend.stop() }
        let under = try PlaneUnderTest(workers: 2, backends: [backend.endpoint])
        for _ in 0..<5 {
            let client = try under.connect()
            try greet(client)
        }
        try under.plane.waitUntilEmpty()
        #expect(under.plane.plane.statistics.lifetimes(pool: 0).total == 5)
        let client = try under.connect()
        try greet(client)
        #expect(try under.plane.close(under.plane.connections(), .reset).count == 1)
        try under.plane.waitUntilEmpty()
        #expect(under.plane.plane.statistics.lifetimes(pool: 0).total == 5)
        withExtendedLifetime(client) {}
    }
}

struct TrafficTests {
    private static let second: Int64 = 1_000_000_000

    @Test func theLastMinute() {
        var traffic = Traffic()
        let start = 1000 * TrafficTests.second
        traffic.turn(now: start, total: 0)
        traffic.turn(now: start + TrafficTests.second, total: 100)
        #expect(traffic.inLastMinute(now: start + 2 * TrafficTests.second, total: 111) == 111)
    }

    @Test("a steady stream shows about a minute's worth, one that has stopped nothing after two windows")
    func windows() {
        var traffic = Traffic()
        var now = 1000 * TrafficTests.second
        for second in 0..<600 {
            traffic.turn(now: now, total: UInt64(second) * 1000)
            now += TrafficTests.second
        }
        let lately = traffic.inLastMinute(now: now, total: 600_000)
        #expect(lately >= 55_000 && lately <= 70_000, "\(lately)")
        #expect(traffic.inLastMinute(now: now + 140 * TrafficTests.second, total: 600_000) == 0)
    }
}
