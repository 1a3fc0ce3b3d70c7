// Deadlines of connections. Faults: a timeout that comes early, one that is forgotten or comes much too late, a long
// stop of the process after which the wheel spins.
import Model
import Statistics
import TestSupport
import Testing

@testable import Proxy

/// A worker whose thread was never started: the owner of some connections.
final class IdleWorker {
    let handle: WorkerHandle
    private let segment: Segment

    init() throws {
        segment = try Segment(layout: SegmentLayout(workers: 1, slots: 1, listeners: 1))
        let mailbox = try Mailbox()
        handle = try WorkerHandle(
            index: 0, segment: segment.view, budget: ConnectionBudget(limit: 1024, open: 0, backends: 0), mailbox: mailbox,
            peers: [mailbox], acceptQueue: AcceptQueue(segment: segment.view, mailboxes: [mailbox]), connectFailures: ConnectFailures(),
            reports: try ReportQueue(), access: AccessQueue(try AccessNews()))
    }

    func connections(_ count: Int) -> [ConnectionHandle] {
        let slab = ConnectionHandle.allocate(count, for: handle)
        return (0..<count).map { index in
            slab[index].record.slot = index
            return slab[index]
        }
    }

    /// A client of listener 0 and pool 0, without sockets.
    func client() -> ConnectionHandle {
        for tickets in [segment.view.process, segment.view.tickets(listener: 0)] { tickets.take() }
        if handle.state.poolConnections.isEmpty { handle.state.poolConnections.append(0) }
        handle.state.poolConnections[0] += 1
        let connection = handle.newConnection()
        connection.beginRow(nil)
        connection.record.phase = .connecting
        return connection
    }

    deinit { handle.free() }
}

private let tick = Int64(1) << TimerWheel.tickShift
private let horizon = tick * TimerWheel.bucketCount

struct TimerWheelTests {
    /// As lookAtClock does: what comes too early is filed anew. `steps`: how far the clock goes each round.
    private func check(deadlines: ClosedRange<Int64>, step: ClosedRange<Int64>, lateMax: Int64) throws {
        let worker = try IdleWorker()
        var random = SeededGenerator(seed: SeededGenerator.seed)
        var now: Int64 = 1_000_000_000_000
        var wheel = TimerWheel(now: now)
        var deadlineOf = [Int64](repeating: 0, count: 500)
        for connection in worker.connections(500) {
            let deadline = now + Int64.random(in: deadlines, using: &random)
            deadlineOf[connection.record.slot] = deadline
            wheel.file(connection, deadline: deadline)
        }
        var ended = 0
        let end = now + deadlines.upperBound + lateMax + step.upperBound
        while now < end {
            now += Int64.random(in: step, using: &random)
            while let connection = wheel.nextDue(now: now) {
                let deadline = deadlineOf[connection.record.slot]
                guard now >= deadline else {
                    // Only what lies beyond the horizon is looked at before its time.
                    #expect(deadline - now > 0 && deadlines.upperBound > horizon - 2 * tick)
                    wheel.file(connection, deadline: deadline)
                    continue
                }
                #expect(now - deadline <= lateMax, "SEED=\(SeededGenerator.seed): \((now - deadline) / 1_000_000) ms late")
                ended += 1
            }
        }
        #expect(ended == 500 && wheel.isEmpty && wheel.first == nil && wheel.nextTick() == nil)
    }

    @Test func neverEarlyAndAtMostTwoTicksLate() throws {
        try check(deadlines: 0...(10 * tick), step: 1...(tick / 4), lateMax: 2 * tick)
    }

    @Test func beyondTheHorizon() throws {
        try check(deadlines: 0...(3 * horizon), step: 1...(tick / 2), lateMax: 2 * tick)
    }

    /// The process was stopped (SIGSTOP, a suspended machine) for many turns of the wheel.
    @Test func aLongStop() throws {
        try check(deadlines: 0...(2 * horizon), step: (5 * horizon)...(9 * horizon), lateMax: 10 * horizon)
    }

    /// Four bytes of a moment: at most a tick late, never early.
    @Test func aMomentAsATick() {
        for nanoseconds in [0, 1, tick - 1, tick, 77 * tick + 5, Int64(3_000_000_000) * tick / 2] {
            let end = TimerWheel.end(ofTick: TimerWheel.tick(at: nanoseconds))
            #expect(end > nanoseconds && end <= max(nanoseconds, tick) + tick)
            #expect(TimerWheel.tick(at: nanoseconds) != 0)
        }
    }

    @Test func aLongStopVisitsEachOnce() throws {
        let worker = try IdleWorker()
        let start: Int64 = 77 * tick
        var wheel = TimerWheel(now: start)
        let connections = worker.connections(300)
        for (index, connection) in connections.enumerated() { wheel.file(connection, deadline: start + Int64(index) * 3 * tick) }
        var visited: [Int: Int] = [:]
        let now = start + 1000 * horizon
        while let connection = wheel.nextDue(now: now) { visited[connection.record.slot, default: 0] += 1 }
        #expect(visited.count == 300 && visited.values.allSatisfy { $0 == 1 })
        #expect(wheel.swept == now >> TimerWheel.tickShift)
    }

    /// A look that files its connection anew for the next tick must not be visited again in the same turn.
    @Test func whatIsFiledWhileSweepingComesLater() throws {
        let worker = try IdleWorker()
        var wheel = TimerWheel(now: 0)
        let connection = worker.connections(1)[0]
        wheel.file(connection, deadline: 0)
        let now = 5 * tick
        #expect(wheel.nextDue(now: now) == connection)
        wheel.fileForNextTick(connection, now: now)
        #expect(wheel.nextDue(now: now) == nil)
        #expect(wheel.nextDue(now: now + tick) == connection)
    }

    @Test func removedIsNeverVisited() throws {
        let worker = try IdleWorker()
        var random = SeededGenerator(seed: SeededGenerator.seed)
        var wheel = TimerWheel(now: 0)
        let connections = worker.connections(200)
        for connection in connections { wheel.file(connection, deadline: Int64.random(in: 0...(4 * tick), using: &random)) }
        var kept = Set(0..<200)
        for connection in connections.shuffled(using: &random).prefix(120) {
            wheel.remove(connection)
            wheel.remove(connection)
            kept.remove(connection.record.slot)
        }
        var visited = Set<Int>()
        while let connection = wheel.nextDue(now: 10 * tick) { visited.insert(connection.record.slot) }
        #expect(visited == kept)
    }

    /// The timer is set for `nextTick`: later than the first deadline's tick, and a worker would oversleep.
    @Test func nextTickIsTheFirstWithSomethingInIt() throws {
        let worker = try IdleWorker()
        var wheel = TimerWheel(now: 10 * tick)
        let connections = worker.connections(3)
        #expect(wheel.nextTick() == nil)
        wheel.file(connections[0], deadline: 30 * tick + 5)
        #expect(wheel.nextTick() == 31 * tick)
        wheel.file(connections[1], deadline: 20 * tick + 5)
        #expect(wheel.nextTick() == 21 * tick)
        wheel.file(connections[2], deadline: 10 * tick + horizon * 4)
        #expect(wheel.nextTick() == 21 * tick)
        wheel.remove(connections[1])
        wheel.remove(connections[0])
        #expect(wheel.nextTick() == 10 * tick + horizon - tick)
    }

    @Test func refilingMovesInsteadOfDoubling() throws {
        let worker = try IdleWorker()
        var wheel = TimerWheel(now: 0)
        let connection = worker.connections(1)[0]
        for round in 0..<50 { wheel.file(connection, deadline: Int64(round) * tick) }
        #expect(wheel.nextDue(now: 49 * tick) == nil)
        #expect(wheel.nextDue(now: 50 * tick) == connection)
        #expect(wheel.isEmpty)
    }
}
