// `top --once` as JSON and as a table. Faults: a key that is not what status calls it; sums that are not those of the segment.
import ControlProtocol
import Model
import Statistics
import Testing

@testable import lbctl

@Suite struct TopReportTests {
    private func json(_ observation: Observation, pool: String? = nil, sort: TopSort? = nil, limit: Int? = nil) -> String {
        JSONText.line(TopReport(observation, pool: pool, sort: sort, limit: limit, calendar: MadeUp.calendar))
    }

    private let drained = MadeUp.backend(
        2, connections: 12, max: 50, total: 4000, failures: 3, resets: 4, bytes: 7, availability: .draining, drain: MadeUp.drain(reason: "a \"b\"", lease: .seconds(30)),
        rate: 1.5, byteRate: 1024)

    @Test func aBackendHasTheKeysOfStatus() {
        let text = json(MadeUp.observation([drained]))
        #expect(text.contains("""
            {"name":"web-2","address":"127.0.0.1:9002","wish":"drain","probe":"up","availability":"draining","connections":12,\
            "connectionsMax":50,"connectionsTotal":4000,"connectFailures":3,"resets":4,"resetsByClients":0,"bytesToBackend":0,\
            "bytesToClient":7,"weight":1,"rate":1.5,"byteRate":1024,"drain":{"owner":"alice","reason":"a \\"b\\"",\
            "since":"2026-11-21T07:56:40.000Z","leaseUntil":"2026-11-21T08:00:30.000Z"}}
            """), "\(text)")
    }

    @Test(arguments: [
        (Liveness.running, "\"liveness\":\"running\",\"stopping\""),
        (.stopped(silent: .milliseconds(1500)), "\"liveness\":\"stopped\",\"silentSeconds\":1.5,\"silentSince\":\"2026-11-21T07:59:58.500Z\""),
        (.hung(silent: .seconds(2)), "\"liveness\":\"hung\",\"silentSeconds\":2,"), (.dead(silent: .seconds(90)), "\"liveness\":\"crashed\",\"silentSeconds\":90,"),
    ])
    func livenessHasAWord(liveness: Liveness, text: String) {
        let report = json(MadeUp.observation([], liveness: liveness))
        #expect(report.contains(text) && report.contains("\"startedAt\":\"2026-11-21T04:58:00.000Z\""), "\(report)")
    }

    @Test func connectionsAreNamedAndLimited() {
        var unix = MadeUp.connection(3, slot: nil, age: 3)
        unix.client = nil
        unix.phase = .queued
        let observation = MadeUp.observation([MadeUp.backend(1)], [MadeUp.connection(1, age: 4, idle: 2, bytes: 8), unix, MadeUp.connection(2, slot: 77, age: 9)])
        let all = json(observation)
        #expect(all.contains("""
            {"id":"1-1","client":"10.0.0.1:4001","listener":"web","pool":"web","backend":"web-1","phase":"relaying","bytesToBackend":8,\
            "bytesToClient":0,"age":4,"idle":2}
            """), "\(all)")
        #expect(all.contains("{\"id\":\"1-3\",\"listener\":\"web\",\"pool\":\"web\",\"phase\":\"queued\""))
        #expect(all.contains("\"connectionsListed\":3,\"unlisted\":0,\"unread\":0}"))
        let one = json(observation, limit: 1)
        #expect(one.contains("\"connections\":[{\"id\":\"1-2\"") && !one.contains("\"1-1\"") && one.contains("\"connectionsListed\":3"), "the oldest: \(one)")
        #expect(json(observation, limit: 0).contains("\"connections\":[],\"connectionsListed\":3"))
    }

    @Test func onlyThePoolThatWasAskedFor() {
        var observation = MadeUp.observation([MadeUp.backend(1)], [MadeUp.connection(1), MadeUp.connection(2, slot: 9, pool: 1)])
        observation.pools.append(ObservedPool(index: 1, name: "api", balance: "random", backends: [MadeUp.backend(9, "api-1")]))
        let text = json(observation, pool: "api")
        #expect(text.contains("\"api-1\"") && !text.contains("\"web-1\"") && text.contains("\"listeners\":[]") && text.contains("\"1-2\"") && !text.contains("\"1-1\""))
    }

    @Test func quantilesAreInSeconds() {
        var observation = MadeUp.observation([])
        for _ in 0..<99 { observation.pools[0].connectTimes.counts[TimeBuckets.index(of: 1_000_000)] += 1 }
        observation.pools[0].connectTimes.counts[TimeBuckets.index(of: 1_000_000_000)] += 1
        let median = observation.pools[0].connectTimes.quantile(0.5)!.inSeconds
        let text = json(observation)
        #expect((0.001...0.00126).contains(median))
        #expect(text.contains("\"connectTime\":{\"count\":100,\"p50\":\(median),\"p99\":\(median)},\"firstByte\":{\"count\":0}"), "\(text)")
    }

    @Test func theTableSaysTheSame() {
        let observation = MadeUp.observation([MadeUp.backend(1, connections: 3, total: 9), drained], [MadeUp.connection(1), MadeUp.connection(2, slot: 2, age: 60)])
        let lines = TopTable.lines(observation, TopTable.Choice(connections: 1), at: MadeUp.calendar)
        #expect(lines[0] == "lbd 1.0, pid 4711, up 3 h 2 m; 12 of 9000 connections, 40 of 20000 descriptors, loop lag 340us")
        let row = lines.first { $0.hasPrefix("web/web-2") } ?? ""
        #expect(row.split(separator: " ").prefix(9).map(String.init) == ["web/web-2", "draining", "12", "1.5", "1.0Ki", "-", "3", "4", "4000"], "\(lines)")
        #expect(row.hasSuffix("drained by alice for 3 m 20 s; lease ends in 30 s; a \"b\""))
        #expect(lines.contains("1 of 2 connections") && lines.last?.hasPrefix("1-2  ") == true)
        let sorted = TopTable.lines(observation, TopTable.Choice(sort: .connections), at: MadeUp.calendar).filter { $0.hasPrefix("web/") }
        #expect(sorted.map { $0.prefix(9) } == ["web/web-2", "web/web-1"])
        let wide = TopTable.lines(observation, TopTable.Choice(isWide: true), at: MadeUp.calendar)
        #expect(wide.contains { $0.contains("ADDRESS") } && wide.contains { $0.contains("127.0.0.1:9001") })
    }

    @Test func theTableGivesNoOrdersToATerminal() {
        var observation = MadeUp.observation([MadeUp.backend(1, "a\u{1B}[2J", drain: MadeUp.drain("e\u{9B}", reason: "\u{1B}c"))], [MadeUp.connection(1)], pool: "p\u{7}")
        observation.listeners[0].bind = "unix:\u{1B}"
        let lines = TopTable.lines(observation, TopTable.Choice(connections: 9, isWide: true), at: MadeUp.calendar)
        #expect(lines.allSatisfy { $0.utf8.allSatisfy { (0x20...0x7E).contains($0) } }, "\(lines)")
    }

    @Test func numbersInFewCharacters() {
        #expect([0, 0.01, 0.44, 5, 9.94, 12.4, 99_999, 123_456, 5e6, 1e30, .nan, -1].map(TopText.rate) == ["0", "<0.1", "0.4", "5", "9.9", "12", "99999", "123k", "5.0M", "1.0E", "0", "0"])
        #expect([UInt64(0), 1023, 1024, 1_048_575, 1_048_576, 50 << 30, .max].map { TopText.bytes($0) } == ["0", "1023", "1.0Ki", "1.0Mi", "1.0Mi", "50Gi", "16Ei"])
        let times: [Duration?] = [.microseconds(340), .microseconds(1250), .milliseconds(24), .milliseconds(1500), .seconds(12), .seconds(130), nil]
        #expect(times.map(TopText.time) == ["340us", "1.2ms", "24ms", "1.5s", "12s", "2m 10s", "-"])
        #expect([(0, 0), (0, 9), (1, 900), (9, 9), (12, 9)].map { TopText.bar($0.0, of: $0.1, width: 4) } == ["----", "----", "#---", "####", "####"])
    }
}
