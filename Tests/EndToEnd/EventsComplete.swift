// The events are complete: whoever has read them all knows what a status would say. Fault: a state that changes without
// a word, and a monitor that shows yesterday's.
import ControlProtocol
import Foundation
import Model
import SystemCalls
import Testing

@Suite(.lab) struct EventsComplete {
    let lab = Lab.current
    private static let names = ["web-1", "web-2", "web-3"]
    private static let steps = Scale.of(40, full: 1000)

    @Test("wish, finding, availability, owner, reason and lease of each backend, and the open listeners, follow from the events alone")
    func rebuilt() throws {
        let backends = try EventsComplete.names.map { try MortalServer(lab, $0) }
        var configuration = ConfigurationText(
            backends: backends.map { ($0.name, "\"\($0.endpoint)\"") }, ["health: { check: connect, interval: 100ms, rise: 1, fall: 2 }"])
        configuration.listeners.append(.init(name: "second"))
        configuration.pools[0].backends[2].value = "{ address: \"\(backends[2].endpoint)\", wish: drain }"
        let balancer = try Balancer(lab, configuration)
        let follower = try EventFollower(balancer, lab)
        try expectSame(balancer, follower, "at the start")
        var random = SeededRandom(seed: SeededRandom.seedOfThisRun)
        for step in 0..<EventsComplete.steps {
            let act = try act(balancer, backends.randomElement(using: &random)!, &random)
            // A few in a row, and a look.
            if step.isMultiple(of: 3) { try expectSame(balancer, follower, "step \(step), after \(act), seed \(SeededRandom.seedOfThisRun)") }
        }
        for backend in backends { try backend.live() }
        // Whoever has it last.
        #expect(try balancer.command("ready web/web-1 owner=keeper force=yes").code == .done)
        #expect(try balancer.command("drain web/web-1 owner=keeper reason=\"over the restart\" lease=1h").code == .done)
        try expectSame(balancer, follower, "at the end")

        // What the next run of lbd begins with is told as well.
        try balancer.stop()
        let again = try Balancer(lab, file: lab.path("lbd.yaml"), name: "lbd")
        try expectSame(again, try EventFollower(again, lab), "after a restart")
        #expect(try again.backend("web-1").drain?.reason == "over the restart")
    }

    @Test("a backend that moves, is checked otherwise, or is taken back before it is gone: the events tell what the status does")
    func reconfigured() throws {
        let first = try TestServer.named("web-1", lab), second = try TestServer.named("web-2", lab)
        let balancer = try Balancer(
            lab, ConfigurationText([("web-1", first), ("web-2", second)], ["health: { check: connect, interval: 100ms, rise: 1, fall: 2 }"]))
        try balancer.becomesAvailable()
        let follower = try EventFollower(balancer, lab)
        let held = try balancer.connection(to: "web-1")
        // No probe of the new address ends meanwhile.
        for line in [
            "pool set web health.interval=1h health.fast-interval=1h health.timeout=1m",
            "backend set web/web-1 address=192.0.2.1:9", "backend set web/web-1 address=\(first.endpoint)",
            "pool set web health.check=none", "backend set web/web-2 address=192.0.2.1:9", "pool set web health.check=connect",
            "backend remove web/web-1", "backend add web/web-1 \(first.endpoint)",
        ] {
            #expect(try balancer.command(line).code == .done, "\(line)")
            try expectSame(balancer, follower, line)
        }
        held.close()
    }

    private func rollout(_ state: String, done: Int, lease: String = "1h") -> String {
        "rollout report web/web-1=draining id=r owner=ann state=\(state) began=2026-11-21T08:33:04.120Z steps=3 done=\(done) lease=\(lease)"
    }

    /// Does something to a backend; in words.
    private func act(_ balancer: Balancer, _ backend: MortalServer, _ random: inout SeededRandom) throws -> String {
        let name = "web/\(backend.name)"
        let lines = [
            "drain \(name) owner=ann reason=\"disk \(Int.random(in: 0..<10, using: &random))\"", "drain \(name) owner=ann lease=1h",
            "drain \(name) owner=ann lease=100ms", "drain \(name) owner=ann lease=2h renew=yes", "drain \(name) owner=bob force=yes",
            "undrain \(name) owner=ann", "ready \(name) owner=bob force=yes", "maintain \(name) owner=ann reason=move", "maintain \(name) owner=ann",
            "probe \(name) timeout=1ms", "share \(name)=0 lease=100ms owner=ann", "share \(name)=40 lease=1h owner=ann reason=new", "unshare web owner=ann",
            rollout("running", done: 0), rollout("running", done: 1), rollout("paused", done: 1), rollout("stopped", done: 2), rollout("running", done: 1, lease: "50ms"),
        ]
        let index = Int.random(in: 0..<lines.count + 3, using: &random)
        if index == lines.count {
            backend.die()
            return "the death of \(name)"
        } else if index > lines.count {
            try backend.live()
            return "the life of \(name)"
        } else {
            // Refused where it belongs to somebody else: then nothing has changed.
            let reply = try balancer.command(lines[index])
            return "\(lines[index]): \(reply.status.text)"
        }
    }

    private func expectSame(_ balancer: Balancer, _ follower: EventFollower, _ moment: String, at location: SourceLocation = #_sourceLocation) throws {
        var last = ""
        try eventually(within: .seconds(5), "events to tell what the status does, \(moment); they differ: \(last)", at: location) {
            let status = try balancer.status()
            let events = follower.events.filter { $0.sequence <= status.eventSequence }
            guard events.count == Int(status.eventSequence) else { return false }
            let (told, real) = (RebuiltState(events), RebuiltState(status))
            last = "\nevents \(told)\nstatus \(real)"
            return told == real
        }
    }

    @Test("events since=N go on after that number; one that is not there yet is refused, and a status says where to begin")
    func since() throws {
        let balancer = try Balancer(lab, ConfigurationText([("web-1", try TestServer.named("web-1", lab))]))
        let sequence = try balancer.status().eventSequence
        #expect(sequence > 0)
        #expect(try balancer.command("events since=\(sequence)").data == [])
        #expect(try balancer.command("drain web/web-1 owner=ann").code == .done)
        let later = try records(balancer.command("events since=\(sequence) output=json"))
        #expect(later.first?.sequence == sequence + 1)
        #expect(later.first?.event == "wish" && later.first?.level == "info" && later.first?.drain?.owner == "ann")
        #expect(try records(balancer.command("events since=0 output=json")).map(\.sequence) == Array(1...later.last!.sequence))
        let early = try balancer.command("events since=\(later.last!.sequence + 1)")
        #expect(early.code == .failed && early.message.contains("there is no event"), "\(early)")
        let end = try balancer.lbctl("events", "--since", "\(sequence)")
        #expect(end.status == 0 && end.output.split(separator: "\n").count == later.count, "\(end)")
    }

    private func records(_ reply: ControlConversation.Reply) throws -> [EventRecord] {
        try reply.data.map { try JSONDecoder().decode(EventRecord.self, from: Data($0.utf8)) }
    }
}

/// A backend that dies and comes back at the same address.
private final class MortalServer {
    let name: String
    let endpoint: Endpoint
    private let lab: Lab
    private var server: TestServer?

    init(_ lab: Lab, _ name: String) throws {
        (self.lab, self.name) = (lab, name)
        let server = try TestServer.named(name, lab)
        (self.server, endpoint) = (server, server.endpoint)
    }

    func die() {
        server?.stop()
        server = nil
    }

    func live() throws {
        guard server == nil else { return }
        // The old socket may lie with the kernel for a moment.
        server = try eventually(within: .seconds(5), "the port of \(name) to be free") {
            do { return try TestServer.named(name, lab, at: endpoint) } catch is SystemError { return nil }
        }
    }
}
