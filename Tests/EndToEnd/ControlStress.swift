// The control socket under nonsense, silence and clients that vanish, while traffic runs. Faults: a crash, a descriptor
// or a task that leaks with each of them, and an operator who is kept out by those who only hold places.
import ControlProtocol
import Foundation
import Model
import Synchronization
import SystemCalls
import Testing

@Suite(.lab(.heavy)) struct ControlStress {
    let lab = Lab.current
    private static let seed = SeededRandom.seedOfThisRun
    private let balancer: Balancer

    init() throws {
        let lab = Lab.current
        let servers = try ["web-1", "web-2"].map { try Nginx(lab, $0) }
        var configuration = ConfigurationText(backends: servers.map { ($0.name, "\"\($0.endpoint)\"") })
        // What the lines may name: traffic does not go there.
        configuration.pools.append(.init(name: "spare", backends: [("a", "127.0.0.1:1"), ("b", "127.0.0.1:2")]))
        configuration.pools.append(.init(name: "many", backends: (0..<100).map { ("n\($0)", "127.0.0.1:\(100 + $0)") }))
        balancer = try Balancer(lab, configuration)
        _ = try balancer.command("events")
    }

    @Test("many clients send random and mutated lines: no crash, no leak, and an operator is answered in under 50 ms")
    func fuzzed() throws {
        let verbs = try balancer.command("help output=json").data.map { try JSONDecoder().decode(HelpRecord.self, from: Data($0.utf8)) }
        let baseline = try Baseline(balancer)
        let wrk = try Wrk(lab, balancer.endpoint(), connections: 8)
        let stop = StopFlag()
        let sent = Atomic(0)
        let path = balancer.control
        let fuzzers = (0..<Scale.of(20, full: 50)).map { number in
            Background {
                var fuzz = ControlFuzz(verbs: verbs, seed: ControlStress.seed &+ UInt64(number))
                while !stop.isRaised { sent.add(fuzz.converse(at: path), ordering: .relaxed) }
            }
        }
        let answers = try answerTimes(of: balancer, during: Scale.of(.seconds(3), full: .seconds(60)))
        stop.raise()
        for fuzzer in fuzzers { try fuzzer.result() }
        let report = try wrk.stop()
        #expect(report.requests > 0 && report.socketErrors == 0 && report.badStatuses == 0, "\(report.text)")
        #expect(sent.load(ordering: .relaxed) > 500, "only \(sent.load(ordering: .relaxed)) lines were sent")
        answers.expectQuick("seed \(ControlStress.seed)")
        try expectUnharmed(baseline)
    }

    @Test("clients that vanish in the middle of a line or of an answer leave nothing")
    func vanishing() throws {
        let baseline = try Baseline(balancer)
        let wrk = try Wrk(lab, balancer.endpoint(), connections: 8)
        let each = Scale.of(500, full: 10_000) / 5
        let path = balancer.control
        let vanishing = Background {
            _ = try concurrently(5, within: Scale.of(.seconds(60), full: .seconds(600))) { number in
                var random = SeededRandom(seed: ControlStress.seed &+ UInt64(number))
                let requests = ["status output=json\n", "events output=json\n", "events follow=yes\n", "help\nhelp\nhelp\n", "drain spare/a wait=yes owner=x\n", "stat"]
                for _ in 0..<each {
                    let peer = try Peer(connecting: .unix(path: path))
                    // lbd may have turned it away meanwhile.
                    do {
                        let request = Array(requests.randomElement(using: &random)!.utf8)
                        try peer.send(Array(request.prefix(Int.random(in: 0...request.count, using: &random))))
                        if Bool.random(using: &random) { _ = peer.isQuiet(for: .milliseconds(2)) }
                        if Bool.random(using: &random), !peer.isQuiet(for: .milliseconds(1)) { _ = try peer.receive(max: .random(in: 1...500, using: &random)) }
                    } catch is SystemError {}
                    if Bool.random(using: &random) { peer.halfClose() }
                    peer.close()
                }
            }
        }
        let answers = try answerTimes(of: balancer) { _ in vanishing.isFinished }
        try vanishing.result()
        #expect(try wrk.stop().socketErrors == 0)
        answers.expectQuick("seed \(ControlStress.seed)")
        try expectUnharmed(baseline)
    }

    @Test("those who only hold places give them up: silent ones, resting ones, and such as never read")
    func placeHolders() throws {
        let silent = try (0..<50).map { _ in try ControlConversation(balancer.control) }
        #expect(try balancer.status().pid == balancer.process)
        let resting = try (0..<50).map { _ in
            let conversation = try ControlConversation(balancer.control)
            try conversation.send("status\n")
            #expect(try conversation.reply().code == .done)
            return conversation
        }
        #expect(try balancer.status().pid == balancer.process)
        let deaf = try (0..<45).map { _ in
            let conversation = try ControlConversation(balancer.control)
            let asking = Background {
                do { while true { try conversation.send(String(repeating: "help\n", count: 200)) } } catch {}
            }
            return (conversation, asking)
        }
        // They count as deaf after a moment.
        try eventually(within: .seconds(10), "an answer although 45 peers never read theirs") { try balancer.command("status").code == .done }
        for (conversation, asking) in deaf {
            conversation.interrupt()
            try asking.result()
        }
        for conversation in silent + resting { conversation.close() }
    }

    @Test("followers and waiting drains are at most 24: the next is told so, and who asks and goes is answered")
    func followers() throws {
        let conversations = try (0..<24).map { _ in
            let conversation = try ControlConversation(balancer.control)
            try conversation.send("events follow=yes since=0\n")
            _ = try conversation.line()
            return conversation
        }
        let late = try balancer.command("events follow=yes")
        #expect(late.code == .noAnswer && late.message.hasPrefix("busy: 24"), "\(late)")
        for _ in 0..<20 { #expect(try balancer.status().pid == balancer.process) }
        for conversation in conversations { conversation.close() }
        // A peer that hung up is noticed within a second.
        try eventually(within: .seconds(5), "room for a follower again") {
            let conversation = try ControlConversation(balancer.control)
            try conversation.send("events follow=yes since=0\n")
            if case .data = try conversation.line() { return true }
            return false
        }
    }

    @Test("a follower that never reads costs no memory, and is told that it missed events")
    func slowFollower() throws {
        let slow = try ControlConversation(balancer.control)
        try slow.send("events follow=yes output=json\n")
        let asking = try ControlConversation(balancer.control)
        let names = (0..<100).map { "many/n\($0)" }.joined(separator: " ")
        func change(times: Int) throws {
            for _ in 0..<times {
                try asking.send("drain \(names) owner=x reason=\(String(repeating: "r", count: 190))\nundrain \(names) owner=x\n")
                #expect(try asking.reply().code == .done)
                #expect(try asking.reply().code == .done)
            }
        }
        // As many events as are kept; then the memory has its size.
        try change(times: 25)
        let memory = try ProcessTable.residentKiB(balancer.process)
        try change(times: Scale.of(25, full: 250))
        let grown = try ProcessTable.residentKiB(balancer.process) - memory
        #expect(grown < 8 * 1024 * Scale.patience, "lbd grew by \(grown) KiB while a follower did not read")
        let reply = try slow.reply()
        #expect(reply.code == .failed && reply.message.contains("are gone"), "\(reply.status)")
        let sequences = try reply.data.map { try JSONDecoder().decode(EventRecord.self, from: Data($0.utf8)).sequence }
        #expect(zip(sequences, sequences.dropFirst()).allSatisfy { $0 + 1 == $1 }, "a gap within what it was told")
    }

    private func expectUnharmed(_ baseline: Baseline) throws {
        for backend in ["spare/a", "spare/b"] { _ = try balancer.command("ready \(backend) force=yes") }
        try baseline.isBack(balancer, within: .seconds(20))
        #expect(try balancer.status().pid == balancer.process)
        let workers = try balancer.status().workers
        try ProcessTable.awaitThreads(workers + 1, of: balancer.process)
        let grown = try ProcessTable.residentKiB(balancer.process) - baseline.residentKiB
        #expect(grown < 24 * 1024 * Scale.patience, "resident memory grew by \(grown) KiB")
        try balancer.rests(max: 60)
    }
}

/// How long a well-behaved client waited for each answer, how long for the same bytes of somebody who does nothing else,
/// and how long this machine kept a sleeper waiting.
private struct AnswerTimes {
    var took: [Duration] = []
    /// Without what lbd's control plane itself waited for a processor meanwhile.
    var tookByLbd: [Duration] = []
    var echoTook: [Duration] = []
    var stutter: Duration = .zero

    /// 50 ms of lbd as it is shipped, and twice what the machine itself was late: it has two processors, and here many
    /// more who want them. So one in twenty may take longer, and as many as of the echo, but none of them much. In the short
    /// form, beside other tests, lbd answers for its own time; at full size, alone, for all that the asker waits.
    func expectQuick(_ note: String) {
        let bound = .milliseconds(50) * Scale.slowness + stutter * 2
        let slow = (Scale.isFull ? took : tookByLbd).filter { $0 > bound }
        let echoSlow = echoTook.count { $0 > bound }
        let figures = "\(AnswerTimes.figures(took)); by lbd: \(AnswerTimes.figures(tookByLbd)); of an echo: \(AnswerTimes.figures(echoTook)); "
            + "the machine was late by \(stutter.spoken); \(note)"
        Attachment.record(figures, named: "control-answers.txt")
        // What a sanitizer looks for is crashes and memory: its lbd promises no times.
        guard !Scale.isSanitized else { return }
        #expect(
            took.count > 5 && slow.count <= 1 + took.count / 20 + echoSlow && slow.allSatisfy { $0 < bound * 5 },
            "\(slow.count) of \(took.count) answers took more than \(bound.spoken), up to \((slow.max() ?? .zero).spoken): \(figures)")
    }

    private static func figures(_ took: [Duration]) -> String {
        let sorted = took.sorted()
        let share = { (percent: Int) in sorted[(sorted.count - 1) * percent / 100].spoken }
        return "\(took.count) answers: p50 \(share(50)), p95 \(share(95)), p99 \(share(99)), longest \(share(100))"
    }
}

/// Answers each connection with the same bytes, and does nothing else: how soon anybody gets his turn on a processor.
private final class Echo: Sendable {
    let path: String
    private let listener: Descriptor
    private let stop = StopFlag()

    init(_ lab: Lab, answer: String) throws {
        path = lab.path("echo-\(UUID().uuidString.prefix(8)).sock")
        listener = try Sockets.bindUnix(path, mode: 0o600)
        try Sockets.listen(listener.number, backlog: 16)
        _ = Background { try self.serve(Array(answer.utf8)) }
        lab.atEnd { self.stop.raise() }
    }

    private func serve(_ answer: [UInt8]) throws {
        Limits.takeShortTurns()
        while !stop.isRaised {
            var watched = pollfd(fd: listener.number, events: Int16(POLLIN), revents: 0)
            guard poll(&watched, 1, 100) == 1 else { continue }
            let (number, failure) = Sockets.accept(on: listener.number)
            guard failure == 0 else { continue }
            let peer = Peer(owning: Descriptor(owning: number))
            _ = try peer.receive()
            try peer.send(answer)
            peer.close()
        }
    }
}

/// At least so long, and until there are answers enough for a share of them to mean something.
private func answerTimes(of balancer: Balancer, during time: Duration) throws -> AnswerTimes {
    let (end, latest) = (ContinuousClock.now + time, ContinuousClock.now + time * 20)
    return try answerTimes(of: balancer) { count in
        let now = ContinuousClock.now
        return now >= latest || now >= end && count >= 20
    }
}

/// `isOver`: after so many answers.
private func answerTimes(of balancer: Balancer, until isOver: (Int) -> Bool) throws -> AnswerTimes {
    var times = AnswerTimes()
    let stop = StopFlag()
    let late = Background {
        var late = Duration.zero
        while !stop.isRaised {
            let before = ContinuousClock.now
            observe(for: .milliseconds(1))
            late = max(late, ContinuousClock.now - before - .milliseconds(1))
        }
        return late
    }
    defer { stop.raise() }
    let echo = try Echo(Lab.current, answer: try balancer.command("status web").description + "\n")
    func time(_ path: String) throws -> Duration {
        let before = ContinuousClock.now
        let conversation = try ControlConversation(path)
        try conversation.send("status web\n")
        let reply = try conversation.reply()
        let took = ContinuousClock.now - before
        #expect(reply.code == .done, "\(reply)")
        return took
    }
    repeat {
        let before = try ProcessTable.waitedForProcessor(balancer.process)
        let took = try time(balancer.control)
        times.took.append(took)
        times.tookByLbd.append(max(.zero, took - (try ProcessTable.waitedForProcessor(balancer.process) - before)))
        times.echoTook.append(try time(echo.path))
        observe(for: .milliseconds(10))
    } while !isOver(times.took.count)
    stop.raise()
    times.stutter = try late.result()
    return times
}
