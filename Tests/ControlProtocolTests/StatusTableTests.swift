// The table that people read. Faults: columns that shift, a note without its heading, a stopping lbd that looks well.
import ControlProtocol
import Model
import Testing

private func backend(_ name: String, connections: Int = 0, failure: String? = nil, drain: DrainReport? = nil, backup: Bool = false, most: Int? = nil) -> BackendReport {
    BackendReport(
        name: name, address: "127.0.0.1:9001", wish: drain == nil ? .ready : .drain, probe: failure == nil ? .up : .down,
        availability: drain == nil ? (failure == nil ? .available : .down) : .draining, connections: connections,
        connectionsMax: most, connectionsTotal: 1200, connectFailures: 7, resets: 3, bytesToBackend: 11, bytesToClient: 22, weight: 1,
        backup: backup, probeSequence: 9, probedAt: nil, probeFailure: failure, drain: drain)
}

private func report(_ backends: [BackendReport], stopping: Bool = false, eligible: Int = 1, connections: Int = 2, queueTimeouts: UInt64 = 0) -> StatusReport {
    StatusReport(
        version: "0.1", pid: 7, generation: 4, startedAt: "", stopping: stopping, workers: 2,
        connections: connections, connectionsMax: 900,
        listeners: [ListenerReport(name: "web", bind: "0.0.0.0:80", pool: "web", connections: 2, connectionsMax: connections == 2 ? 2 : 3, connectionsTotal: 3000, refused: 4)],
        pools: [PoolReport(name: "web", balance: "round-robin", drainDeadline: 60, restart: nil,
            refused: queueTimeouts, queueTimeouts: queueTimeouts, eligible: eligible, backends: backends)])
}

struct StatusTableTests {
    @Test func columnsLineUp() {
        let drain = DrainReport(DrainLease(owner: "ann", reason: "disk", since: Timestamp(milliseconds: 0), lease: .seconds(60)), leaseUntil: Timestamp(milliseconds: 60_000))
        let lines = StatusTable.lines(report([
            backend("a", connections: 12_345, drain: drain), backend("long-name", failure: "connect: refused", backup: true),
        ]))
        #expect(lines == [
            "lbd 0.1, pid 7, generation 4, 2 of 900 connections",
            "",
            "LISTENER  BIND        POOL  CONNECTIONS  TOTAL  REFUSED  NOTE",
            "web       0.0.0.0:80  web   2            3000   4        full: the backlog waits",
            "",
            "pool web (round-robin)",
            "BACKEND        ADDRESS         WISH   PROBE  AVAILABILITY  CONNECTIONS  TOTAL  WEIGHT  NOTE",
            "web/a          127.0.0.1:9001  drain  up     draining      12345        1200   1       by ann, leased: disk",
            "web/long-name  127.0.0.1:9001  ready  down   down          0            1200   1       connect: refused; backup",
        ])
    }

    @Test func wideAddsWhatWentWrong() {
        let lines = StatusTable.lines(report([backend("a")]), wide: true)
        #expect(lines[6].hasSuffix("MAX  CONNECT-FAILURES  RESETS  BYTES-IN  BYTES-OUT  NOTE"))
        #expect(lines[7].split(separator: " ").suffix(4) == ["7", "3", "11", "22"])
    }

    /// Faults: a pool that serves nobody looks like any other, and so does what is full.
    @Test func whatServesNobodySaysSo() {
        let full = StatusTable.lines(report([backend("a", connections: 5, most: 5), backend("b", connections: 4, most: 5)]))
        #expect(full[7].hasSuffix("1       full") && full[8].hasSuffix("1"))
        let process = StatusTable.lines(report([], connections: 900))
        #expect(process[3].hasSuffix("4        the process is full: the backlog waits"))
        #expect(StatusTable.lines(report([], connections: 899))[3].hasSuffix("4"))
        #expect(StatusTable.lines(report([], eligible: 0))[5] == "pool web (round-robin), no available backend: new connections are reset")
        #expect(StatusTable.lines(report([], queueTimeouts: 3))[5] == "pool web (round-robin), 0 queued, 3 refused when full (3 of them had waited in vain)")
    }

    /// Faults: what is on its way out looks like what stays, and nobody sees who still holds a former address.
    @Test func whatGoesSaysSo() {
        var going = report([backend("a", connections: 1)])
        going.pools[0].backends[0].removing = true
        going.pools[0].leaving = [LeavingReport(name: "b", address: "127.0.0.1:9", connections: 1)]
        going.listeners[0].closing = true
        let lines = StatusTable.lines(going)
        #expect(lines[3].hasSuffix("4        removed"))
        #expect(lines[7].hasSuffix("1       removed"))
        #expect(lines[8] == "  web/b leaves 127.0.0.1:9: 1 connection left")
        going.pools[0].removing = true
        #expect(StatusTable.lines(going)[5] == "pool web (round-robin), being removed")
    }

    /// Faults: whoever reads the table drains beside a rollout that it does not name, and one that lies dead is nobody's.
    @Test func aRolloutUnderWayIsNamed() throws {
        let node = RolloutNotice.Node(try BackendReference("web/a"), .draining, since: nil)
        let standing = { (state: RolloutState) in
            RolloutStanding(RolloutNotice(
                id: "web-7", owner: "ann", state: state, began: Timestamp(milliseconds: 0), nodes: [node], steps: 3, stepsDone: 1, end: nil,
                endAtMost: nil, lease: .seconds(30)), at: Timestamp(milliseconds: 52_000))
        }
        var one = report([backend("a")])
        for state in [RolloutState.running, .paused, .stopping] {
            one.pools[0].rollout = standing(state)
            #expect(StatusTable.lines(one)[6] == "rollout web-7 \(state.rawValue), 1 of 3 done")
        }
        one.pools[0].rollout = standing(.running).silent
        let lines = StatusTable.lines(one)
        #expect(lines[6] == "rollout web-7 abandoned, 1 of 3 done, last heard of at 1970-01-01T00:00:52.000Z: lbctl rollout resume web-7")
        #expect(lines[7].hasPrefix("BACKEND") && lines[8].hasPrefix("web/a"))
        for state in [RolloutState.done, .stopped] {
            one.pools[0].rollout = standing(state)
            #expect(StatusTable.lines(one)[6].hasPrefix("BACKEND"), "it is over")
        }
    }

    @Test func stoppingIsSaid() {
        #expect(StatusTable.lines(report([], stopping: true))[0].hasSuffix(", stopping"))
    }

    @Test func tableTakesShortRowsAndNone() {
        #expect(StatusTable.table([]) == [])
        #expect(StatusTable.table([["a", "b"], ["long"], ["x", "", "z"]]) == ["a     b", "long", "x        z"])
    }
}

struct ReportsTests {
    @Test func drainRecordsCountInWords() {
        let record = { DrainRecord(backend: "web/a", availability: $0, connections: $1, waited: 0).text }
        #expect(record(.draining, 1) == "web/a draining: 1 connection holds it")
        #expect(record(.draining, 2) == "web/a draining: 2 connections hold it")
        #expect(record(.drained, 0) == "web/a drained: no connection holds it")
        #expect(record(.available, 0) == "web/a available: the drain was ended")
    }

    @Test func eventRecordCarriesWhatChanged() throws {
        let record = EventRecord(Event(
            sequence: 5, time: Timestamp(milliseconds: 0),
            change: .wish(try BackendReference("web/a"), from: .ready, to: .drain, by: "ann", reason: "disk",
                drain: DrainLease(owner: "ann", reason: "disk", since: Timestamp(milliseconds: 0), lease: nil))), level: "info")
        #expect((record.drain?.owner, record.level) == ("ann", "info"))
        #expect((record.from, record.to, record.by, record.reason) == ("ready", "drain", "ann", "disk"))
        #expect(record.line == "1970-01-01T00:00:00.000Z web/a wish ready -> drain by ann: disk")
    }

    /// Faults: an undrain that ended nothing and one that brings no connections yet look like any other.
    @Test func aWishThatChangesLittleSaysSo() {
        let text = { (wish: Wish, before: Wish, availability: Availability) in
            WishRecord(backend: "web/a", wish: wish, wishBefore: before, availability: availability).text
        }
        #expect(text(.ready, .drain, .available) == "web/a wish ready, available")
        #expect(text(.ready, .ready, .available) == "web/a was not drained: wish ready, available")
        #expect(text(.ready, .drain, .down) == "web/a wish ready, down; it gets no connections until its probes pass")
        #expect(text(.maintenance, .ready, .maintenance) == "web/a wish maintenance, maintenance")
    }
}
