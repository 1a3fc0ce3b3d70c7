// Running out: of descriptors, and of patience with clients that do not read. lbd waits, bounded, and recovers.
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct Exhaustion {
    let lab = Lab.current

    /// Class 6: libevent's own listener wrote 2.57 million warnings in ten seconds at EMFILE, one core busy. Class 15: a
    /// listener that is paused does not wake.
    @Test("64 descriptors and 200 clients: lbd rests, answers its operator, and serves everybody in the end", arguments: Scale.workers)
    func descriptors(workers: Int) throws {
        let server = try TestServer.named("web-1", lab)
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)], workers: workers), prelude: "ulimit -n 64")
        let endpoint = try balancer.endpoint()
        let clients = try (0..<200).map { _ in try Peer(connecting: endpoint) }
        try eventually(within: .seconds(60), "as many connections as 64 descriptors carry") {
            try balancer.status().listeners[0].connections >= 4
        }
        let before = balancer.saidPaused
        let share = try balancer.processorShare(over: .seconds(2))
        #expect(share < 0.05 * Double(Scale.patience), "lbd spins: \(share) of a processor")
        #expect(balancer.saidPaused - before <= 2, "said more than once a second that accepting is paused")
        #expect(balancer.saidPaused >= 1)
        // A tick of the wheel each 67 ms, and libevent's coarse clock makes two wake-ups of one: 30, and a few for the
        // pause itself. A listener that spins wakes thousands of times.
        try balancer.rests(max: 60)
        #expect(try balancer.status().pid == balancer.process)

        // One after the other leaves and makes room for the next: each of the others is served, and none was cut. Who is
        // next is not who connected next: of two workers each has a backlog of its own, and the one may have accepted
        // as many as there is room for before the other had its first turn.
        var waiting = clients
        var served: [Peer] = []
        var waits: [Duration] = []
        while let client = try takeServedAlready(from: &waiting) { served.append(client) }
        try #require(served.count >= 4)
        while !waiting.isEmpty {
            let left = ContinuousClock.now
            served.removeFirst().close()
            served.append(try takeServed(from: &waiting))
            waits.append(.now - left)
        }
        let median = try #require(waits.sorted().dropFirst(waits.count / 2).first)
        #expect(median < .milliseconds(100) * Scale.patience, "half of those that waited were served later than \(median.spoken) after there was room")
        for client in served { client.close() }
        #expect(try balancer.census(10) == ["web-1": 10])
        try balancer.backend("web-1") { $0.connections == 0 }
        #expect(try ProcessTable.closeWaits(balancer.process) == 0)
    }

    /// Whoever of them is served first, or has been.
    private func takeServed(from waiting: inout [Peer]) throws -> Peer {
        let (numbers, count) = (waiting.map(\.number), waiting.count)
        let index = try eventually(within: .seconds(60), "one of \(count) clients to be served after another has left") {
            firstReadable(of: numbers, within: .seconds(1))
        }
        let client = waiting.remove(at: index)
        #expect(try client.line() == "web-1")
        return client
    }

    private func takeServedAlready(from waiting: inout [Peer]) throws -> Peer? {
        firstReadable(of: waiting.map(\.number), within: .zero) == nil ? nil : try takeServed(from: &waiting)
    }

    /// Class 12: a health flap. The backends are well, and lbd that took all of them out would cut every new client.
    @Test("no descriptor left for a probe: no backend is found down for it, and probing goes on when there is one again")
    func probes() throws {
        let health = "health: { check: connect, interval: 100ms, timeout: 1s, rise: 2, fall: 2 }"
        let balancer = try Balancer(
            lab, ConfigurationText([("web-1", try TestServer.named("web-1", lab))], [health]))
        try balancer.backend("web-1") { $0.probe == .up }
        let client = try balancer.connection(to: "web-1")
        for limit in [3, 64] {
            let set = try lab.run(["/usr/bin/prlimit", "--pid", "\(balancer.process)", "--nofile=\(limit):"])
            #expect(set.status == 0, "\(set)")
            #expect(client.isQuiet(for: .seconds(1)))
        }
        let seen = try balancer.backend("web-1").probeSequence
        try balancer.backend("web-1") { $0.probe == .up && $0.probeSequence > seen + 2 && $0.probeFailure == nil }
        #expect(!balancer.program.errors.contains("up -> down"), "\(balancer.program.errors)")
    }

    /// Class 24: what a backend sends for a client that does not read must not pile up in lbd.
    @Test("many clients that do not read a fast backend: each costs lbd two buffers at most", arguments: ["auto", "off"])
    func slowReaders(splice: String) throws {
        let readers = Scale.of(200, full: 1000)
        let goOn = StopFlag()
        let server = try TestServer(lab) { peer in
            try peer.sendUntilStuck()
            try eventually(within: .seconds(120), "the end of the test") { goOn.isRaised }
        }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)], ["splice: \(splice)"]))
        let before = try ProcessTable.residentKiB(balancer.process)
        let endpoint = try balancer.endpoint()
        let clients = try (0..<readers).map { _ in try Peer(connecting: endpoint, receiveBuffer: 64 * 1024) }
        try balancer.backend("web-1") { $0.connections == readers }
        try awaitStandstill(balancer)
        let grown = try ProcessTable.residentKiB(balancer.process) - before
        // 64 KiB a buffer; the base is what caches and the slab take.
        #expect(grown < (readers * 2 * 64 + 4 * 1024) * Scale.patience, "\(grown) KiB for \(readers) clients that do not read")
        goOn.raise()
        // Whoever reads on gets all that was sent.
        let (bytes, ending) = try clients[0].toEnd()
        #expect(bytes.count > 256 * 1024 && ending == .end, "\(bytes.count) bytes")
        for client in clients { client.reset() }
        try balancer.backend("web-1") { $0.connections == 0 }
    }

    /// Until the bytes that lbd has passed on no longer grow.
    private func awaitStandstill(_ balancer: Balancer) throws {
        var last: UInt64 = 0
        var same = 0
        try eventually(within: .seconds(20), "traffic to stand still") {
            let passed = try balancer.backend("web-1").bytesToClient
            same = passed == last ? same + 1 : 0
            last = passed
            return same >= 20
        }
    }
}

/// The place of the first on which there is something to read.
private func firstReadable(of numbers: [Int32], within limit: Duration) -> Int? {
    var watched = numbers.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    guard poll(&watched, nfds_t(watched.count), Int32(limit.wholeMilliseconds)) > 0 else { return nil }
    return watched.firstIndex { $0.revents != 0 }
}

extension Balancer {
    /// How often the log says that accepting is paused.
    fileprivate var saidPaused: Int { program.errors.split(separator: "\n").count { $0.contains("paused") } }
}
