// Orders of clients that send and go, without waiting for an answer. Faults: an order that is carried out after one that came
// later, so that a drain outlives its undrain, and one that is lost without a word.
import ControlProtocol
import Foundation
import Model
import Testing

@Suite(.lab) struct DepartedPeers {
    let lab = Lab.current
    private let balancer: Balancer

    init() throws {
        let lab = Lab.current
        let servers = try ["web-1", "web-2"].map { ($0, try TestServer.named($0, lab)) }
        balancer = try Balancer(lab, ConfigurationText(servers))
    }

    private func sendAndGo(_ text: String) throws {
        let conversation = try ControlConversation(balancer.control)
        try conversation.send(text)
        conversation.close()
    }

    private func wishes() throws -> [String: Wish] {
        Dictionary(uniqueKeysWithValues: try balancer.status().pools[0].backends.map { ($0.name, $0.wish) })
    }

    @Test("an undrain that comes after the drain of somebody who has gone ends it, each of fifty times")
    func inOrder() throws {
        var outlived = 0
        for _ in 0..<50 {
            try sendAndGo("drain web/web-1 owner=ann\n")
            #expect(try balancer.command("undrain web/web-1 owner=ann").code == .done)
            // What might still be on its way has come by the third question.
            for _ in 0..<3 { _ = try balancer.command("status web") }
            if try wishes()["web-1"] != .ready {
                outlived += 1
                #expect(try balancer.command("undrain web/web-1 owner=ann").code == .done)
            }
        }
        #expect(outlived == 0, "the drain outlived the undrain")
    }

    @Test("a hundred who each add a backend and go: all of them are there, also where they come faster than they are heard", arguments: [false, true])
    func noneIsLost(all stopped: Bool) throws {
        // As many as the backlog of one that is stopped holds.
        let names = (0..<(stopped ? 60 : 100)).map { "ff-\($0)" }
        if stopped { try balancer.program.signal(SIGSTOP) }
        for (number, name) in names.enumerated() {
            try sendAndGo("backend add web/\(name) address=127.0.0.1:\(20_000 + number) wish=maintenance\n")
        }
        if stopped { try balancer.program.signal(SIGCONT) }
        var missing = names
        try eventually(within: .seconds(20), "all of them; missing: \(missing)") {
            let there = try wishes()
            missing = names.filter { there[$0] == nil }
            return missing.isEmpty
        }
    }

    @Test("of who sends two orders and goes both are carried out, whatever stands before and between them", arguments: [
        "drain web/web-1 owner=ann\ndrain web/web-2 owner=ann\n",
        "drain web/web-1 owner=ann wait=yes\ndrain web/web-2 owner=ann\n",
        "nonsense\nstatus\ndrain web/web-1 owner=ann\n\nhelp\n\u{1}\n\"drain\" web/web-2 owner=ann\n",
    ])
    func both(text: String) throws {
        let held = try (0..<2).map { _ in try balancer.connect() }
        try sendAndGo(text)
        try eventually(within: .seconds(20), "both of two orders") { try wishes() == ["web-1": .drain, "web-2": .drain] }
        for client in held { client.close() }
    }

    @Test("orders of one who first waits for an answer, then sends more and goes, are carried out")
    func afterAnAnswer() throws {
        for round in 0..<20 {
            let conversation = try ControlConversation(balancer.control)
            try conversation.send("status web\n")
            #expect(try conversation.reply().code == .done)
            let (verb, wish) = round.isMultiple(of: 2) ? ("drain", Wish.drain) : ("undrain", .ready)
            try conversation.send("help\n\(verb) web/web-1 owner=ann\nhelp\n\(verb) web/web-2 owner=ann\n")
            conversation.close()
            try eventually(within: .seconds(20), "\(verb) of both") { try wishes() == ["web-1": wish, "web-2": wish] }
        }
    }
}
