// What happened: one value for the log, the `events` verb and whoever follows them.

package struct Event: Equatable, Sendable {
    /// Counts from 1 in each run of lbd, without gaps.
    package let sequence: UInt64
    package let time: Timestamp
    package let change: Change

    package init(sequence: UInt64, time: Timestamp, change: Change) {
        self.sequence = sequence
        self.time = time
        self.change = change
    }

    package enum Change: Equatable, Sendable {
        case started(version: String, process: Int32)
        case listenerOpened(ListenerName, Endpoint)
        case listenerClosed(ListenerName)
        case listenerMoved(ListenerName, from: Endpoint, to: Endpoint)
        /// Clients that come from now on go to this pool.
        case listenerRedirected(ListenerName, to: PoolName)
        /// The last connection of a closed listener has ended.
        case listenerRemoved(ListenerName)
        /// `atStart`: one of those that lbd was started with.
        case poolAdded(PoolName, atStart: Bool)
        case poolRemoving(PoolName)
        /// It was on its way out, and stays.
        case poolTakenBack(PoolName)
        case poolRemoved(PoolName)
        case backendAdded(BackendReference, Endpoint, Wish, ProbeFinding, Availability, atStart: Bool)
        /// No new connections; gone when the last one has ended.
        case backendRemoving(BackendReference)
        case backendTakenBack(BackendReference, Endpoint)
        /// `connections`: those that were reset, its end not having been waited for.
        case backendRemoved(BackendReference, connections: Int)
        /// New connections go to the new address; what is connected to the old one goes on.
        case backendMoved(BackendReference, from: Endpoint, to: Endpoint)
        /// Nobody is connected to the old address any more.
        case backendLeft(BackendReference, Endpoint)
        /// `by` is the drain's owner or the user behind the socket; `drain`: whose it is now.
        case wish(BackendReference, from: Wish, to: Wish, by: String, reason: String?, drain: DrainLease?)
        /// At the start: the wish was saved by an earlier run; `overrides`: the file's is another one.
        case wishKept(BackendReference, Wish, drain: DrainLease?, overrides: Bool)
        /// The lease of its drain runs from now on.
        case leased(BackendReference, DrainLease, until: Timestamp)
        /// Backends of the pool get only parts of their weights; `isRenewal`: the same ones for another lease.
        case shared(PoolName, PoolShares, isRenewal: Bool)
        /// They get all of them again.
        case unshared(PoolName, by: String, reason: String?)
        case probe(BackendReference, from: ProbeFinding, to: ProbeFinding, reason: String)
        case availability(BackendReference, from: Availability, to: Availability)
        /// No backend of the pool takes new connections: clients are reset.
        case poolRefuses(PoolName)
        /// The same, but so many of them are held for so long.
        case poolHolds(PoolName, lengthMax: Int, timeout: Duration)
        /// The same, but they go to another pool.
        case poolDiverts(PoolName, to: PoolName)
        case poolServes(PoolName)
        /// Clients of a pool that holds were reset since the last such event, `timedOut` of them after they had been
        /// held, the others because as many as may be held were held.
        case holdLost(PoolName, reset: Int, timedOut: Int)
        /// Every available backend is at its connections-max: so many clients were reset since the last such event,
        /// `timedOut` of them after they had waited in the queue.
        case poolFull(PoolName, refused: Int, timedOut: Int)
        /// So many connects have failed since the last such event, `retried` of them followed by another attempt;
        /// `isAlone`: new connections have no other backend to go to.
        case connectsFailing(BackendReference, count: Int, ConnectFailureReason, reason: String, retried: Int, isAlone: Bool)
        /// So many of its clients' connections have failed in a short time: it is probed at once, and quickly for a while.
        case suspected(BackendReference, failures: Int, within: Duration)
        /// The backend was found down, and its pool says `when-down: reset`.
        case connectionsReset(BackendReference, count: Int)
        /// Clients were reset, every attempt of theirs to connect a backend having failed; since the last such event.
        case poolUnreachable(PoolName, reset: Int)
        /// All connections that a listener may have are in use: the backlog waits.
        case listenerFull(ListenerName, connectionsMax: Int)
        case listenerHasRoom(ListenerName)
        /// All connections that the process may have are in use: the backlogs wait. `descriptorLimit`: what carries no
        /// more of them; nil: the file's connections-max.
        case processFull(connectionsMax: Int, descriptorLimit: Int?)
        case processHasRoom
        case acceptPaused(worker: Int, reason: String)
        case acceptResumed(worker: Int)
        /// `besides`: as many clients were cut off so since the last such event.
        case headerRefused(ListenerName, peer: IPEndpoint?, reason: String, besides: Int)
        /// A client was reset because its source had as much as the listener's limits give it; `besides` as above.
        case sourceRefused(ListenerName, source: IPAddress, reason: String, besides: Int)
        /// Told when it begins: a second was quiet before.
        case rateReached(ListenerName, perSecond: Int)
        /// The deadline of a drain has passed, and so many connections still hold it. `perSecond`: most that are closed.
        case drainDeadline(BackendReference, DrainEnd, holders: Int, perSecond: Int?)
        /// So many of them lbd has ended since the deadline, `reset` of those by a reset, and so many are left.
        case drainClosing(BackendReference, DrainEnd, closed: Int, reset: Int, left: Int)
        /// It began, a step of it is done, it stopped, it ended, or nothing is heard of it any more.
        case rollout(PoolName, RolloutTurn)
        /// By an operator's word. Each by its id and whom it served.
        case connectionsClosed([String], reset: Bool, by: String)
        /// Told for each change when all of them have been made. `by`: the user behind the socket, or `SIGHUP`.
        case configurationChanged(ConfigurationChange, by: String)
        case stopping(deadline: Duration)
        case stopped(connectionsClosed: Int)
    }
}

extension Event.Change {
    /// What it happened to: `lbd`, `listener NAME`, `worker N` or `POOL/BACKEND`.
    package var subject: String {
        switch self {
        case .started, .stopping, .stopped, .processFull, .processHasRoom, .connectionsClosed: "lbd"
        case .poolAdded(let pool, _), .poolRemoving(let pool), .poolTakenBack(let pool), .poolRemoved(let pool): "pool \(pool)"
        case .backendAdded(let backend, _, _, _, _, _), .backendRemoving(let backend), .backendTakenBack(let backend, _),
            .backendRemoved(let backend, _), .backendMoved(let backend, _, _), .backendLeft(let backend, _):
            backend.description
        case .listenerMoved(let name, _, _), .listenerRedirected(let name, _), .listenerRemoved(let name), .listenerOpened(let name, _),
            .listenerClosed(let name), .headerRefused(let name, _, _, _), .sourceRefused(let name, _, _, _),
            .rateReached(let name, _), .listenerFull(let name, _), .listenerHasRoom(let name):
            "listener \(name)"
        case .wish(let backend, _, _, _, _, _), .probe(let backend, _, _, _), .availability(let backend, _, _), .wishKept(let backend, _, _, _),
            .leased(let backend, _, _), .connectsFailing(let backend, _, _, _, _, _), .suspected(let backend, _, _), .connectionsReset(let backend, _),
            .drainDeadline(let backend, _, _, _), .drainClosing(let backend, _, _, _, _):
            backend.description
        case .poolRefuses(let pool), .poolServes(let pool), .poolFull(let pool, _, _), .poolUnreachable(let pool, _), .poolHolds(let pool, _, _),
            .poolDiverts(let pool, _), .holdLost(let pool, _, _), .shared(let pool, _, _), .unshared(let pool, _, _), .rollout(let pool, _):
            "pool \(pool)"
        case .acceptPaused(let worker, _), .acceptResumed(let worker): "worker \(worker)"
        case .configurationChanged(let change, _):
            switch change.subject {
            // As in all events of a backend.
            case .backend(let reference): reference.description
            case .lbd, .listener, .pool: change.subject.description
            }
        }
    }

    /// The kind, as JSON carries it.
    package var kind: String {
        switch self {
        case .started: "started"
        case .listenerOpened: "listenerOpened"
        case .listenerClosed: "listenerClosed"
        case .listenerMoved: "listenerMoved"
        case .listenerRedirected: "listenerRedirected"
        case .listenerRemoved: "listenerRemoved"
        case .configurationChanged: "configurationChanged"
        case .poolAdded: "poolAdded"
        case .poolRemoving: "poolRemoving"
        case .poolTakenBack: "poolTakenBack"
        case .poolRemoved: "poolRemoved"
        case .backendAdded: "backendAdded"
        case .backendRemoving: "backendRemoving"
        case .backendTakenBack: "backendTakenBack"
        case .backendRemoved: "backendRemoved"
        case .backendMoved: "backendMoved"
        case .backendLeft: "backendLeft"
        case .wish: "wish"
        case .wishKept: "wishKept"
        case .leased: "leased"
        case .shared: "shared"
        case .unshared: "unshared"
        case .probe: "probe"
        case .availability: "availability"
        case .poolRefuses: "poolRefuses"
        case .poolHolds: "poolHolds"
        case .poolDiverts: "poolDiverts"
        case .poolServes: "poolServes"
        case .holdLost: "holdLost"
        case .poolFull: "poolFull"
        case .connectsFailing: "connectsFailing"
        case .suspected: "suspected"
        case .connectionsReset: "connectionsReset"
        case .poolUnreachable: "poolUnreachable"
        case .listenerFull: "listenerFull"
        case .listenerHasRoom: "listenerHasRoom"
        case .processFull: "processFull"
        case .processHasRoom: "processHasRoom"
        case .acceptPaused: "acceptPaused"
        case .acceptResumed: "acceptResumed"
        case .headerRefused: "headerRefused"
        case .sourceRefused: "sourceRefused"
        case .rateReached: "rateReached"
        case .drainDeadline: "drainDeadline"
        case .drainClosing: "drainClosing"
        case .rollout: "rollout"
        case .connectionsClosed: "connectionsClosed"
        case .stopping: "stopping"
        case .stopped: "stopped"
        }
    }

    /// What happened and why, in words for the operator at 3 a.m.
    package var text: String {
        switch self {
        case .started(let version, let process): "started, version \(version), pid \(process)"
        case .listenerOpened(_, let endpoint): "listens on \(endpoint)"
        case .listenerClosed: "closed: no more connections are accepted"
        case .listenerMoved(_, let from, let to): "listens on \(to) now; \(from) is closed, its connections go on"
        case .listenerRedirected(_, let pool): "new connections go to pool \(pool) now; others stay where they are"
        case .listenerRemoved: "removed: its last connection has ended"
        case .poolAdded: "added"
        case .poolRemoving: "being removed: takes no new connections, gone when its last one has ended"
        case .poolTakenBack: "taken back before it was removed"
        case .poolRemoved: "removed: its last connection has ended"
        case .backendAdded(_, let address, let wish, let probe, let availability, _):
            "added at \(address): wish \(wish.rawValue), probe \(probe.rawValue), availability \(availability.rawValue)"
        case .backendRemoving: "being removed: takes no new connections, gone when its last one has ended"
        case .backendTakenBack(_, let address): "taken back at \(address) before it was removed"
        case .backendRemoved(_, let connections):
            connections == 0 ? "removed: no connection holds it" : "removed: \(counted(connections, "connection")) reset"
        case .backendMoved(_, let from, let to): "new connections go to \(to) now; those to \(from) go on"
        case .backendLeft(_, let address): "no connection to its former address \(address) is left"
        case .wish(_, let from, let to, let by, let reason, _):
            "wish \(from.rawValue) -> \(to.rawValue) by \(by)" + (reason.map { ": \($0)" } ?? "")
        case .leased(_, let drain, let until):
            "lease of \(drain.owner)" + (drain.lease.map { " for \($0.spoken)" } ?? "") + ", until \(until.rfc3339)"
        case .shared(_, let shares, _):
            "of new connections the backends get \(shares.text), by \(shares.owner) for \(shares.lease.spoken), until \(shares.until.rfc3339)"
                + (shares.reason.map { ": \($0)" } ?? "")
        case .unshared(_, let by, let reason):
            "the backends get all of their weights of new connections again, by \(by)" + (reason.map { ": \($0)" } ?? "")
        case .wishKept(_, let wish, let drain, let overrides):
            "starts in \(wish.rawValue): saved wish" + (drain.map { " of \($0.owner) since \($0.since.rfc3339)" } ?? "")
                + (overrides ? ", overrides the file" : "")
        case .probe(_, let from, let to, let reason): "probe \(from.rawValue) -> \(to.rawValue): \(reason)"
        case .availability(_, let from, let to): "availability \(from.rawValue) -> \(to.rawValue)"
        case .poolRefuses: "has no available backend: new connections are reset (no-backend) until one is back"
        case .poolHolds(_, let most, let timeout):
            "has no available backend: up to \(counted(most, "new connection")) wait for one, \(timeout.spoken) at most"
        case .poolDiverts(_, let other): "has no available backend: new connections go to pool \(other) until one is back"
        case .poolServes: "serves: a backend is available"
        case .holdLost(_, let reset, let timedOut):
            "no backend came back in time: \(counted(reset, "waiting client")) reset (hold-timeout)"
                + (timedOut < reset ? ", \(reset - timedOut) of them because hold's length-max was reached (hold-full)" : "")
        case .poolFull(_, let refused, let timedOut):
            "full: every available backend is at its connections-max; reset: \(counted(refused, "client")) (pool-full)"
                + (timedOut > 0 ? ", \(timedOut) of them after waiting in the queue (queue-timeout)" : "")
        case .connectsFailing(_, let count, let failure, let reason, let retried, let isAlone):
            counted(count, "connect") + " failed" + (count > 1 ? " in the last second" : "") + " (\(failure.rawValue)): \(reason)"
                + sequel(failed: count, retried: retried, isAlone: isAlone)
        case .suspected(_, let failures, let within):
            "\(counted(failures, "connection")) failed within \(within.written), by connects or by resets before an answer: probed at once"
        case .connectionsReset(_, let count): "found down: \(counted(count, "connection")) reset, as when-down says"
        case .poolUnreachable(_, let reset): counted(reset, "client") + " reset (connect-failed): no backend could be connected"
        case .listenerFull(_, let most): "full: all \(counted(most, "connection")) in use; the backlog waits until one of them ends"
        case .listenerHasRoom: "accepting again: has had room for a second"
        case .processFull(let most, let limit):
            "accepting paused: all \(counted(most, "connection")) in use, "
                + (limit.map { "which is what the descriptor limit of \($0) carries" } ?? "the connections-max of the process")
                + "; goes on when one of them ends"
        case .processHasRoom: "accepting again: has had room for a second"
        case .acceptPaused(_, let reason): "accepting paused: \(reason); goes on when descriptors are free"
        case .acceptResumed: "accepting again"
        case .headerRefused(_, let peer, let reason, let besides):
            (peer.map { "\($0) " } ?? "a client ") + "cut off (bad-header): \(reason)" + (besides > 0 ? "; and \(besides) more of late" : "")
        case .sourceRefused(_, let source, let reason, let besides):
            "\(source) turned away (source-limit): \(reason)" + (besides > 0 ? "; and \(besides) more of late" : "")
        case .rateReached(_, let perSecond): "more than \(counted(perSecond, "new connection")) a second: the rest waits in the backlog"
        case .drainDeadline(_, let end, let holders, let perSecond):
            "the drain's deadline has passed and \(counted(holders, "connection")) \(holders == 1 ? "holds" : "hold") it: "
                + drainSequel(end, perSecond)
        case .drainClosing(_, let end, let closed, let reset, let left):
            (end == .reset ? "reset" : "closed") + " \(counted(closed, "connection")) since the drain's deadline"
                + (end == .close && reset > 0 ? ", \(reset) of them by a reset, no quiet moment having come" : "") + "; "
                + (left == 0 ? "none is left" : "\(left) left")
        case .connectionsClosed(let names, let reset, let by):
            "\(counted(names.count, "connection")) \(reset ? "reset" : "closed") by \(by): " + names.prefix(10).joined(separator: ", ")
                + (names.count > 10 ? ", and \(names.count - 10) more" : "")
        case .rollout(_, let turn): turn.text
        case .configurationChanged(let change, let by): "configuration changed by \(by): \(change.text)"
        case .stopping(let deadline): "stopping: listeners closed, open connections may finish within \(deadline.spoken)"
        case .stopped(let closed): "stopped; \(counted(closed, "connection")) \(closed == 1 ? "was" : "were") closed at the end"
        }
    }

    private func drainSequel(_ end: DrainEnd, _ perSecond: Int?) -> String {
        switch end {
        case .keep: "they are kept, it goes on draining"
        case .close: "they are closed, idle ones first" + (perSecond.map { ", at most \($0) a second" } ?? "")
        case .reset: "they are reset"
        }
    }

    private func sequel(failed: Int, retried: Int, isAlone: Bool) -> String {
        let others = isAlone ? "tried again, no other backend being available" : "tried on other backends"
        return switch retried {
        case 0: "; not tried again: connect-retries is used up"
        case failed: "; \(others)"
        default: "; \(retried) of them \(others)"
        }
    }
}
