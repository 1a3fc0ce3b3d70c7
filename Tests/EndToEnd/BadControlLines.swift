// Nonsense on the control socket: answered with -64 and a reason, and lbd lives on.
import ControlProtocol
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct BadControlLines {
    let lab = Lab.current
    private let balancer: Balancer

    init() throws {
        let lab = Lab.current
        balancer = try Balancer(lab, ConfigurationText([("web-1", try TestServer.named("web-1", lab))]))
    }

    @Test("a line of 1 MiB is refused, also when it is never read to its end")
    func endlessLine() throws {
        let conversation = try ControlConversation(balancer.control)
        let sending = Background {
            // lbd may hang up before it has everything: that is its right.
            do { try conversation.send([UInt8](repeating: 0x61, count: 1 << 20) + [0x0A]) } catch {}
        }
        let reply = try conversation.reply()
        #expect(reply.code == .badUsage, "\(reply)")
        #expect(reply.message.contains("65536") || reply.message.contains("64 KiB"), "\(reply)")
        conversation.interrupt()
        try sending.result()
        try expectUnharmed()
    }

    @Test("lines that cannot be understood are refused with a reason", arguments: [
        ("\0\0\0\0\0\0\0\0", "control character"),
        ("drain web/web-1\0", "control character"),
        ("status \u{1B}[2J", "control character"),
        ("drain \"web/web-1", "quote"),
        ("drain 'web/web-1", "quote"),
        ("drain web/web-1 reason=\"half", "quote"),
        ("status \\", "backslash"),
        ("dran web/web-1", "'drain'"),
        ("drain", "POOL/BACKEND"),
        ("drain web", "web/NAME"),
        ("drain web/web-1 dedline=3s wait=yes", "deadline"),
        ("drain web/web-1 wait=yes deadline=-3s", "negative"),
        ("drain web/web-1 wait=maybe", "yes or no"),
        ("drain web/web-1 owner=a owner=b", "twice"),
        ("events now", "too much"),
        ("status output=xml", "json"),
    ])
    func nonsense(line: String, reason: String) throws {
        let reply = try balancer.command(line)
        #expect(reply.code == .badUsage, "\(reply)")
        #expect(reply.message.contains(reason), "\(reply)")
        #expect(!reply.message.contains("\u{1B}") && !reply.message.contains("\0"), "what was sent is echoed raw")
        try expectUnharmed()
    }

    @Test("bytes that are not UTF-8 are refused")
    func notUTF8() throws {
        let conversation = try ControlConversation(balancer.control)
        try conversation.send(Array("status ".utf8) + [0xFF, 0xFE, 0x0A])
        let reply = try conversation.reply()
        #expect(reply.code == .badUsage, "\(reply)")
        #expect(reply.message.contains("UTF-8"), "\(reply)")
        try expectUnharmed()
    }

    @Test("a conversation goes on after a refused line, and empty ones are passed over")
    func goesOn() throws {
        let conversation = try ControlConversation(balancer.control)
        try conversation.send("nonsense\n\n\nstatus\n")
        #expect(try conversation.reply().code == .badUsage)
        let status = try conversation.reply()
        #expect(status.status == .ok)
        #expect(status.data.contains { $0.contains("web/web-1") })
    }

    @Test("a line that arrives byte by byte, and one without its newline at the end")
    func slowly() throws {
        let conversation = try ControlConversation(balancer.control)
        for byte in "help\n".utf8 { try conversation.send([byte]) }
        let help = try conversation.reply()
        #expect(help.status == .ok)
        for verb in Verb.all { #expect(help.data.contains { $0.contains(verb.name) }, "help lacks \(verb.name)") }
    }

    /// Class 20: a slot, a descriptor or a waiter leaks with each client that goes away early.
    @Test("a thousand clients that hang up in the middle leave nothing")
    func aborted() throws {
        let held = try balancer.connection(to: "web-1")
        _ = try balancer.status()
        let before = try ProcessTable.descriptors(balancer.process)
        let lines = ["", "sta", "status\n", "events follow=yes\n", "drain web/web-1 wait=yes owner=x\n", "\0"]
        for index in 0..<1000 {
            let conversation = try ControlConversation(balancer.control)
            // lbd turns clients away while it has many: that is no leak either.
            do { try conversation.send(lines[index % lines.count]) } catch is SystemError {}
            conversation.close()
        }
        // Again and again, because a drain may still lie in the accept queue.
        try eventually(within: .seconds(10), "the descriptors of clients that left to be closed") {
            _ = try balancer.command("undrain web/web-1 owner=x")
            return try ProcessTable.descriptors(balancer.process) <= before && balancer.backend("web-1").wish == .ready
        }
        held.close()
        try expectUnharmed()
    }

    @Test("a client that asks and never reads does not hold up the others, nor traffic")
    func neverReads() throws {
        let deaf = try ControlConversation(balancer.control)
        let asking = Background {
            do { while true { try deaf.send(String(repeating: "help\n", count: 1000)) } } catch {}
        }
        for _ in 0..<20 { try expectUnharmed() }
        let memory = try ProcessTable.residentKiB(balancer.process)
        #expect(memory < 100 * 1024, "lbd keeps \(memory) KiB: answers pile up for a client that does not read them")
        deaf.interrupt()
        try asking.result()
    }

    private func expectUnharmed(at location: SourceLocation = #_sourceLocation) throws {
        let status = try balancer.status()
        #expect(status.pid == balancer.process, sourceLocation: location)
        #expect(status.pools[0].backends[0].wish == .ready, sourceLocation: location)
        #expect(try balancer.census(2) == ["web-1": 2], sourceLocation: location)
    }
}
