// Orders of clients that send and go, without waiting for an answer. Faults: an order that is carried out after one that came
// later, so that a drain outlives its undrain, and one that is lost without a word.
import ControlProtocol
import Foundation
import Model
import SystemCalls
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

    @Test("a drain of somebody who was there before, and is gone, comes before the undrain of one who came later and is gone too")
    func acceptedBefore() throws {
        for _ in 0..<10 {
            let first = try ControlConversation(balancer.control)
            try first.send("status web\n")
            #expect(try first.reply().code == .done)
            try balancer.program.signal(SIGSTOP)
            try first.send("drain web/web-1 owner=ann\n")
            first.close()
            try sendAndGo("undrain web/web-1 owner=ann\n")
            try balancer.program.signal(SIGCONT)
            // Carried out after both.
            #expect(try balancer.command("ready web/web-2").code == .done)
            #expect(try wishes()["web-1"] == .ready)
        }
    }

    @Test("of the orders of one who has gone each waits for the one before, though that takes its time")
    func oneAfterTheOther() throws {
        let slow = try TestServer(lab) { peer in
            _ = try peer.receive()
            observe(for: .milliseconds(500))
            try peer.send("HTTP/1.0 200 OK\r\n\r\n")
        }
        #expect(try balancer.command("pool add slow backends.a=\(slow.endpoint) health.check=none").code == .done)
        try sendAndGo("pool set slow health.check=http health.path=/ health.timeout=5s health.interval=10s\npool set slow health.check=none\npool add last\n")
        try eventually(within: .seconds(20), "the last of three orders") { try balancer.command("status last").code == .done }
        let shown = try balancer.command("config show").data
        #expect(!shown.contains { $0.contains("http") }, "the first order outlived the second: \(shown)")
    }

    @Test("empty lines without end keep nobody waiting")
    func emptyLines() throws {
        let stop = StopFlag()
        let pump = try Peer(connecting: .unix(path: balancer.control))
        let pumping = Background {
            let lines = [UInt8](repeating: 0x0A, count: 256 * 1024)
            // lbd may hang up on it.
            do { while !stop.isRaised { try pump.send(lines) } } catch is SystemError {}
        }
        for _ in 0..<5 { #expect(try balancer.status().pid == balancer.process) }
        #expect(!pumping.isFinished, "it was not there meanwhile")
        stop.raise()
        pump.interrupt()
        try pumping.result()
        pump.close()
    }

    @Test("what is not carried out is told, all of it, also where too much is sent at once")
    func told() throws {
        let lines = try Regex<(Substring, Substring?)>("was not carried out: .*?(?:; neither were ([0-9]+) before it)?$")
        func count() -> Int {
            balancer.program.errors.split(separator: "\n").reduce(0) { sum, line in
                guard line.contains("was not carried out: ") else { return sum }
                return sum + 1 + (line.firstMatch(of: lines).flatMap { $0.1 }.flatMap { Int($0) } ?? 0)
            }
        }
        // Gone before they are heard: else one of them may have had its answer.
        try balancer.program.signal(SIGSTOP)
        for number in 0..<3 { try sendAndGo("drain web/none-\(number)\n") }
        try balancer.program.signal(SIGCONT)
        try eventually(within: .seconds(20), "three refused orders in the log") { count() == 3 }
        // As much as a socket holds: more than a thousand lines of one who has gone are not looked at.
        let many = try Peer(connecting: .unix(path: balancer.control))
        try balancer.program.signal(SIGSTOP)
        try many.send(Array(String(repeating: "ready web/web-1\n", count: 5_000).utf8))
        many.close()
        try balancer.program.signal(SIGCONT)
        #expect(try balancer.command("ready web/web-2").code == .done)
        try eventually(within: .seconds(20), "that there was more") { balancer.program.errors.contains("more lines were left than are looked at") }
    }
}
