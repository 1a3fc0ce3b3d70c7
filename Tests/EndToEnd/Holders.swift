// Who holds a backend: listed, explained and closed one by one. Complaints: a drain that hangs without saying who
// blocks it (32), and an 'empty' that forgets connections that are still ending (20).
import ControlProtocol
import Foundation
import Glibc
import Model
import Testing

@Suite(.lab) struct Holders {
    let lab = Lab.current
    private let balancer: Balancer

    init() throws {
        let first = try TestServer.named("web-1", lab), second = try TestServer.named("web-2", lab)
        balancer = try Balancer(lab, ConfigurationText([("web-1", first), ("web-2", second)]))
    }

    /// Another lbd before a server of one's own.
    private func second(_ server: TestServer, workers: Int = 2) throws -> Balancer {
        var configuration = ConfigurationText([("a", server)], workers: workers)
        configuration.stateDirectory = "second"
        return try Balancer(lab, configuration, name: "second")
    }

    @Test("connections: each with its backend, peer, bytes and phase, and how many there are in all", arguments: Scale.workers)
    func listed(workers: Int) throws {
        let server = try TestServer.named("a", lab)
        let balancer = try second(server, workers: workers)
        let held = try (0..<5).map { _ in try balancer.connection(to: "a") }
        try held[0].send("0123456789")
        #expect(try held[0].receive(exactly: 10).count == 10)
        let all = try balancer.connections()
        #expect(all.total == 5 && Set(all.connections.map(\.id)).count == 5)
        let peers = try held.map { try $0.localEndpoint().description }
        #expect(Set(all.connections.compactMap(\.peer)) == Set(peers))
        let mine = try #require(all.connections.first { $0.peer == peers[0] })
        #expect(mine.backend == "a" && mine.pool == "web" && mine.listener == "web" && mine.phase == .relaying)
        #expect(mine.bytesToBackend == 10 && mine.bytesToClient == 12 && mine.bytesInLastMinute == 22)
        // Sorted by bytes it stands first, and the limit cuts the rest.
        let few = try balancer.connections("web/a sort=bytes limit=2")
        #expect(few.total == 5 && few.connections.count == 2 && few.connections[0].id == mine.id)
        let oldest = try balancer.connections("web sort=age limit=5").connections.map(\.age)
        #expect(oldest == oldest.sorted(by: >))
    }

    @Test("an id names one connection for ever: a later one in the same place has another")
    func ids() throws {
        var seen: Set<String> = []
        for _ in 0..<20 {
            let peer = try balancer.connection(to: "web-1")
            for connection in try balancer.connections("web/web-1").connections { seen.insert(connection.id) }
            peer.close()
            try balancer.backend("web-1") { $0.connections == 0 }
        }
        #expect(seen.count == 20)
    }

    @Test("close ends a connection with a FIN, reset=yes with a reset, and an ended id is told with exit 1")
    func closed() throws {
        let first = try balancer.connection(to: "web-1"), second = try balancer.connection(to: "web-1")
        let stays = try balancer.connection(to: "web-1")
        let ids = try [first, second].map { try balancer.id(of: $0) }
        let peers = try [first, second].map { try $0.localEndpoint().description }
        let end = try balancer.lbctl("close", ids[0])
        #expect(end.status == 0 && end.output.contains("\(ids[0]) closed"), "\(end)")
        #expect(try first.toEnd().ending == .end)
        #expect(try balancer.lbctl("close", ids[1], "--reset").status == 0)
        #expect(try second.toEnd().ending == .reset)
        // Which they were is seen afterwards too.
        for (id, peer) in zip(ids, peers) {
            #expect(balancer.program.errors.contains("by root: \(id) from \(peer) at web/web-1"), "\(balancer.program.errors)")
        }
        let again = try balancer.lbctl("close", ids[0], try balancer.id(of: stays))
        #expect(again.status == 1 && again.output.contains("\(ids[0]) is not open"), "\(again)")
        #expect(try stays.toEnd().ending == .end)
    }

    @Test("explain tells holders in every phase: half-closed, stalled and quiet ones, by age and peer")
    func phases() throws {
        let goOn = Outbox<Void>()
        let server = try TestServer(lab) { peer in
            _ = try peer.toEnd()
            _ = try goOn.take()
        }
        let other = try second(server)
        let quiet = try other.connect(), half = try other.connect(), stuck = try other.connect()
        half.halfClose()
        try quiet.send("x")
        let report = try eventually(within: .seconds(10), "three holders, one of them half-closed") {
            let report = try other.explain("web/a")
            return report.holders.connections == 3 && report.holders.halfClosed == 1 ? report : nil
        }
        #expect(report.holders.byPeer == [.init(name: "127.0.0.1", connections: 3)])
        #expect(report.holders.byAge.reduce(0) { $0 + $1.connections } == 3)
        #expect(report.holders.oldest.contains { $0.phase == .halfClosedByClient })
        // By none that has ended, nothing can be said.
        #expect(report.availability == .available && report.timeToEmpty.p90 == nil && !report.timeToEmpty.never)
        let text = try other.lbctl("explain", "web/a")
        #expect(text.status == 0 && text.output.contains("1 half-closed") && text.output.contains("not enough ended connections yet to say when (0)"), "\(text)")
        stuck.close()
        goOn.put(())
        goOn.put(())
        goOn.put(())
    }

    @Test("complaint 32: an immortal connection among short ones is named as the one that blocks")
    func immortal() throws {
        let immortal = try balancer.connection(to: "web-1")
        for _ in 0..<40 { try balancer.connection(to: "web-1").close() }
        let id = try balancer.id(of: immortal)
        try balancer.backend("web-1") { $0.connections == 1 }
        // It has to be older than the others were: by then it is.
        let report = try eventually(within: .seconds(10), "the one that blocks") {
            let report = try balancer.explain("web/web-1")
            return report.timeToEmpty.never ? report : nil
        }
        #expect(report.timeToEmpty.toBlame.map(\.id) == [id])
        #expect(report.timeToEmpty.ended >= 40)
        let drain = try balancer.lbctl("drain", "web/web-1", "--wait", "--deadline", "1500ms")
        #expect(drain.status == 3 && drain.output.contains("never at this rate: \(id) from"), "\(drain)")
        #expect(try balancer.lbctl("explain", "web/web-1").output.contains(id))
    }

    @Test("complaint 20: a connection whose last bytes are still on their way holds its backend, and is shown as such")
    func flushing() throws {
        let server = try TestServer(lab) { peer in
            // More than the buffers on the way hold; then a reset.
            try peer.sendUntilStuck()
            peer.reset()
        }
        let other = try second(server)
        let client = try other.connect()
        let report = try eventually(within: .seconds(10), "a holder that ends") {
            let report = try other.explain("web/a")
            return report.holders.connections == 1 && (report.holders.oldest[0].unwritten > 0 || report.holders.ending == 1) ? report : nil
        }
        #expect(report.holders.byPeer.first?.connections == 1)
        let drain = try other.startLbctl(["drain", "web/a", "--wait"])
        try other.backend("a") { $0.availability == .draining }
        _ = try client.toEnd()
        #expect(try drain.end().status == 0)
    }

    @Test("explain says who drained it, why, and how it comes back")
    func reasons() throws {
        #expect(try balancer.lbctl("drain", "web/web-1", "--owner", "ann", "--reason", "new disk").status == 0)
        let report = try balancer.explain("web/web-1")
        let text = report.reasons.joined(separator: "\n")
        #expect(text.contains("drain by ann") && text.contains("new disk") && text.contains("lbctl undrain web/web-1 --owner ann"), "\(text)")
        #expect(report.availability == .drained && report.timeToEmpty.p90 == 0)
        #expect(report.drain?.atDeadline == .keep && report.drain?.deadline != nil)
    }

    @Test("explain of a backend that is removed and still held says so, and how to end it")
    func removed() throws {
        let held = try balancer.connection(to: "web-1")
        #expect(try balancer.command("backend remove web/web-1").code == .done)
        let report = try balancer.explain("web/web-1")
        #expect(report.reasons.first?.hasPrefix("removed from the configuration: no new connections") == true, "\(report.reasons)")
        #expect(!report.reasons.contains { $0.contains("back in rotation") } && report.holders.connections == 1)
        held.close()
    }

    @Test("maintain says how many connections it leaves behind")
    func maintained() throws {
        let held = try balancer.connection(to: "web-1")
        let end = try balancer.lbctl("maintain", "web/web-1")
        #expect(end.status == 0 && end.output.contains("web/web-1 wish maintenance, maintenance; 1 connection still holds it"), "\(end)")
        held.close()
        try balancer.backend("web-1") { $0.connections == 0 }
        #expect(try balancer.lbctl("maintain", "web/web-1").output.contains("; no connection holds it"))
    }

    @Test("a drain that ends a maintenance says so")
    func maintenanceEnded() throws {
        #expect(try balancer.command("maintain web/web-1 owner=ann").code == .done)
        let drained = try balancer.command("drain web/web-1 owner=ann")
        #expect(drained.code == .done && drained.description.contains("its maintenance is ended by this drain"), "\(drained)")
        let again = try balancer.command("drain web/web-1 owner=ann")
        #expect(again.code == .done && !again.description.contains("maintenance"), "\(again)")
        #expect(try balancer.command("undrain web/web-1 owner=ann").code == .done)
    }

    @Test("thousands of connections are listed while bytes flow")
    func many() throws {
        let count = 1500
        let held = try (0..<count).map { _ in try balancer.connect() }
        for peer in held { _ = try peer.line() }
        let echo = try balancer.connection(to: "web-1")
        for _ in 0..<10 {
            let report = try balancer.connections("limit=3")
            #expect(report.total == count + 1 && report.connections.count == 3)
            try echo.send("ping\n")
            #expect(try echo.line() == "ping")
        }
        #expect(try balancer.connections("limit=100000").connections.count == count + 1)
    }
}

extension Balancer {
    func connections(_ words: String = "") throws -> ConnectionsReport {
        try answer("connections \(words) output=json", as: ConnectionsReport.self)
    }

    func explain(_ backend: String) throws -> ExplainReport { try answer("explain \(backend) output=json", as: ExplainReport.self) }

    private func answer<Report: Decodable>(_ line: String, as type: Report.Type) throws -> Report {
        let reply = try command(line)
        guard reply.status == .ok else { throw HarnessError("\(line) answered \(reply)") }
        return try JSONDecoder().decode(type, from: Data(reply.data.joined(separator: "\n").utf8))
    }

    /// Of the connection whose client this is.
    func id(of peer: Peer) throws -> String {
        let own = try peer.localEndpoint().description
        guard let id = try connections("limit=100000").connections.first(where: { $0.peer == own })?.id else {
            throw HarnessError("no connection of \(own)")
        }
        return id
    }
}
