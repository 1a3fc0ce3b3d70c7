// What operators and scripts read of an event. Fault: a kind renamed by accident breaks whoever follows the events.
import Model
import Testing

private func web1() throws -> BackendReference { try BackendReference("web/web-1") }

struct EventTests {
    @Test("a rollout's turns in words: what to type next where it has stopped or is not heard of", arguments: [
        (nil, .running, 0, " begins, by ann: 3 steps"), (.running, .running, 1, ": 1 of 3 done"), (.paused, .running, 1, " goes on, by ann: 1 of 3 done"),
        (.running, .stopped, 1, " has stopped: 1 of 3 done; why: lbctl rollout show web-1"),
        (.running, .abandoned, 1, " is not heard of any more: 1 of 3 done; if no lbctl carries it out: lbctl rollout resume web-1"),
    ] as [(RolloutState?, RolloutState, Int, String)])
    func rollouts(from: RolloutState?, to: RolloutState, done: Int, words: String) throws {
        let change = Event.Change.rollout(
            try PoolName("web"), RolloutTurn(id: "web-1", owner: "ann", from: from, to: to, stepsDone: done, steps: 3))
        #expect(change.subject == "pool web" && change.kind == "rollout")
        #expect(change.text == "rollout web-1\(words)")
    }

    @Test func texts() throws {
        let backend = try web1()
        let endpoint = try Endpoint("127.0.0.1:80")
        let lease = DrainLease(owner: "ann", reason: nil, since: Timestamp(milliseconds: 0), lease: .seconds(90))
        let expected: [(Event.Change, String, String, String)] = [
            (.started(version: "0.1", process: 7), "lbd", "started", "started, version 0.1, pid 7"),
            (.listenerOpened(try ListenerName("l"), endpoint), "listener l", "listenerOpened", "listens on 127.0.0.1:80"),
            (.listenerClosed(try ListenerName("l")), "listener l", "listenerClosed", "closed: no more connections are accepted"),
            (.wish(backend, from: .ready, to: .drain, by: "ann", reason: "disk", drain: nil), "web/web-1", "wish",
                "wish ready -> drain by ann: disk"),
            (.wish(backend, from: .drain, to: .ready, by: "ann", reason: nil, drain: nil), "web/web-1", "wish", "wish drain -> ready by ann"),
            (.probe(backend, from: .up, to: .down, reason: "refused"), "web/web-1", "probe", "probe up -> down: refused"),
            (.availability(backend, from: .draining, to: .drained), "web/web-1", "availability",
                "availability draining -> drained"),
            (.processFull(connectionsMax: 4, descriptorLimit: nil), "lbd", "processFull",
                "accepting paused: all 4 connections in use, the connections-max of the process; goes on when one of them ends"),
            (.processFull(connectionsMax: 29, descriptorLimit: 128), "lbd", "processFull",
                "accepting paused: all 29 connections in use, which is what the descriptor limit of 128 carries; goes on when one of them ends"),
            (.processHasRoom, "lbd", "processHasRoom", "accepting again: has had room for a second"),
            (.wishKept(backend, .drain, drain: lease, overrides: true), "web/web-1", "wishKept",
                "starts in drain: saved wish of ann since 1970-01-01T00:00:00.000Z, overrides the file"),
            (.wishKept(backend, .drain, drain: nil, overrides: false), "web/web-1", "wishKept", "starts in drain: saved wish"),
            (.leased(backend, lease, until: Timestamp(milliseconds: 90_000)), "web/web-1", "leased",
                "lease of ann for 1 m 30 s, until 1970-01-01T00:01:30.000Z"),
            (.backendAdded(backend, endpoint, .ready, .unknown, .available, atStart: true),
                "web/web-1", "backendAdded", "added at 127.0.0.1:80: wish ready, probe unknown, availability available"),
            (.stopped(connectionsClosed: 1), "lbd", "stopped", "stopped; 1 connection was closed at the end"),
            (.acceptPaused(worker: 1, reason: "EMFILE"), "worker 1", "acceptPaused",
                "accepting paused: EMFILE; goes on when descriptors are free"),
            (.headerRefused(try ListenerName("web"), peer: IPEndpoint(try Endpoint("10.0.0.1:9")), reason: "no header", besides: 7), "listener web",
             "headerRefused", "10.0.0.1:9 cut off (bad-header): no header; and 7 more of late"),
            (.sourceRefused(try ListenerName("web"), source: IPAddress(ipv4: 0x0A00_0001), reason: "too many", besides: 2), "listener web",
             "sourceRefused", "10.0.0.1 turned away (source-limit): too many; and 2 more of late"),
            (.rateReached(try ListenerName("web"), perSecond: 50), "listener web", "rateReached",
             "more than 50 new connections a second: the rest waits in the backlog"),
            (.poolFull(try PoolName("web"), refused: 1, timedOut: 0), "pool web", "poolFull",
                "full: every available backend is at its connections-max; reset: 1 client (pool-full)"),
            (.poolFull(try PoolName("web"), refused: 7, timedOut: 2), "pool web", "poolFull",
                "full: every available backend is at its connections-max; reset: 7 clients (pool-full), 2 of them after waiting in the queue (queue-timeout)"),
            (.poolHolds(try PoolName("web"), lengthMax: 1024, timeout: .seconds(30)), "pool web", "poolHolds",
                "has no available backend: up to 1024 new connections wait for one, 30 s at most"),
            (.poolDiverts(try PoolName("web"), to: try PoolName("spare")), "pool web", "poolDiverts",
                "has no available backend: new connections go to pool spare until one is back"),
            (.holdLost(try PoolName("web"), reset: 7, timedOut: 2), "pool web", "holdLost",
                "no backend came back in time: 7 waiting clients reset (hold-timeout), 5 of them because hold's length-max was reached (hold-full)"),
            (.connectsFailing(backend, count: 412, .refused, reason: "Connection refused", retried: 412, isAlone: false), "web/web-1", "connectsFailing",
                "412 connects failed in the last second (refused): Connection refused; tried on other backends"),
            (.connectsFailing(backend, count: 3, .refused, reason: "Connection refused", retried: 2, isAlone: true), "web/web-1", "connectsFailing",
                "3 connects failed in the last second (refused): Connection refused; 2 of them tried again, no other backend being available"),
            (.connectsFailing(backend, count: 1, .refused, reason: "Connection refused", retried: 0, isAlone: false), "web/web-1", "connectsFailing",
                "1 connect failed (refused): Connection refused; not tried again: connect-retries is used up"),
            (.suspected(backend, failures: 3, within: .seconds(5)), "web/web-1", "suspected",
                "3 connections failed within 5s, by connects or by resets before an answer: probed at once"),
            (.connectionsReset(backend, count: 1), "web/web-1", "connectionsReset", "found down: 1 connection reset, as when-down says"),
            (.poolUnreachable(try PoolName("web"), reset: 3), "pool web", "poolUnreachable", "3 clients reset (connect-failed): no backend could be connected"),
            (.listenerFull(try ListenerName("l"), connectionsMax: 9), "listener l", "listenerFull",
                "full: all 9 connections in use; the backlog waits until one of them ends"),
            (.listenerHasRoom(try ListenerName("l")), "listener l", "listenerHasRoom", "accepting again: has had room for a second"),
            (.acceptResumed(worker: 1), "worker 1", "acceptResumed", "accepting again"),
            (.stopping(deadline: .seconds(30)), "lbd", "stopping",
                "stopping: listeners closed, open connections may finish within 30 s"),
            (.stopped(connectionsClosed: 3), "lbd", "stopped", "stopped; 3 connections were closed at the end"),
        ]
        for (change, subject, kind, text) in expected {
            #expect(change.subject == subject)
            #expect(change.kind == kind)
            #expect(change.text == text)
        }
    }

    @Test func textsOfShares() throws {
        let shares = PoolShares(
            owner: "ann", reason: "rollout", since: Timestamp(milliseconds: 0), lease: .seconds(90), until: Timestamp(milliseconds: 90_000),
            percents: [BackendName(unchecked: "web-1"): 0, BackendName(unchecked: "web-2"): 100])
        let set = Event.Change.shared(try PoolName("web"), shares, isRenewal: false), ended = Event.Change.unshared(try PoolName("web"), by: "ann", reason: nil)
        #expect(set.subject == "pool web" && set.kind == "shared" && ended.subject == "pool web" && ended.kind == "unshared")
        #expect(set.text == "of new connections the backends get web-1 0 %, by ann for 1 m 30 s, until 1970-01-01T00:01:30.000Z: rollout")
        #expect(ended.text == "the backends get all of their weights of new connections again, by ann")
    }

    @Test func textsOfChanges() throws {
        let backend = try web1()
        let endpoint = try Endpoint("127.0.0.1:80")
        let expected: [(Event.Change, String, String, String)] = [
            (.configurationChanged(ConfigurationChange(.backend(backend), .changed(key: "weight", old: "1", new: "2", .atOnce)), by: "ann"), "web/web-1",
             "configurationChanged", "configuration changed by ann: weight 1 -> 2"),
            (.configurationChanged(ConfigurationChange(.lbd, .changed(key: "workers", old: "auto", new: nil, .atNextStart)), by: "SIGHUP"), "lbd",
             "configurationChanged", "configuration changed by SIGHUP: workers auto -> none, at the next start"),
            (.configurationChanged(ConfigurationChange(.pool(try PoolName("web")), .removed("{}")), by: "ann"), "pool web",
             "configurationChanged", "configuration changed by ann: removed; it was {}"),
            (.listenerMoved(try ListenerName("l"), from: endpoint, to: try Endpoint("127.0.0.1:81")), "listener l", "listenerMoved",
                "listens on 127.0.0.1:81 now; 127.0.0.1:80 is closed, its connections go on"),
            (.listenerRedirected(try ListenerName("l"), to: try PoolName("api")), "listener l", "listenerRedirected",
                "new connections go to pool api now; others stay where they are"),
            (.listenerRemoved(try ListenerName("l")), "listener l", "listenerRemoved", "removed: its last connection has ended"),
            (.poolAdded(try PoolName("api"), atStart: false), "pool api", "poolAdded", "added"),
            (.poolRemoving(try PoolName("api")), "pool api", "poolRemoving",
                "being removed: takes no new connections, gone when its last one has ended"),
            (.poolTakenBack(try PoolName("api")), "pool api", "poolTakenBack", "taken back before it was removed"),
            (.poolRemoved(try PoolName("api")), "pool api", "poolRemoved", "removed: its last connection has ended"),
            (.backendAdded(backend, endpoint, .ready, .unknown, .unknown, atStart: true), "web/web-1", "backendAdded",
                "added at 127.0.0.1:80: wish ready, probe unknown, availability unknown"),
            (.backendRemoving(backend), "web/web-1", "backendRemoving",
                "being removed: takes no new connections, gone when its last one has ended"),
            (.backendTakenBack(backend, endpoint), "web/web-1", "backendTakenBack", "taken back at 127.0.0.1:80 before it was removed"),
            (.backendRemoved(backend, connections: 0), "web/web-1", "backendRemoved", "removed: no connection holds it"),
            (.backendRemoved(backend, connections: 2), "web/web-1", "backendRemoved", "removed: 2 connections reset"),
            (.backendMoved(backend, from: endpoint, to: try Endpoint("127.0.0.1:81")), "web/web-1", "backendMoved",
                "new connections go to 127.0.0.1:81 now; those to 127.0.0.1:80 go on"),
            (.backendLeft(backend, endpoint), "web/web-1", "backendLeft", "no connection to its former address 127.0.0.1:80 is left"),
        ]
        for (change, subject, kind, text) in expected {
            #expect(change.subject == subject)
            #expect(change.kind == kind)
            #expect(change.text == text)
        }
    }

    /// The words of the states are the protocol's: JSON, tables and the saved wishes hold them.
    @Test func statesKeepTheirWords() {
        #expect(Wish.allCases.map(\.rawValue) == ["ready", "drain", "maintenance"])
        #expect(ProbeFinding.allCases.map(\.rawValue) == ["unknown", "up", "down"])
        #expect(Availability.allCases.map(\.rawValue)
            == ["available", "warming", "unknown", "draining", "drained", "down", "maintenance"])
    }
}
