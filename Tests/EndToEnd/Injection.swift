// System calls that fail, one after the other: the N-th of each kind in every thread, injected by strace.
import ControlProtocol
import Glibc
import Model
import SystemCalls
import Testing

/// SQLite's way of testing for what never happens: fail the N-th call, N = 1, 2, … until a run has no N-th any more.
@Suite(.lab) struct Injection {
    let lab = Lab.current

    struct Fault: Sendable, CustomTestStringConvertible {
        let call: String
        let error: String
        /// It hits one connection, which is cut with a reset; others go round the failure.
        let mayCut: Bool
        var testDescription: String { "\(call) fails with \(error)" }
    }

    static let faults = [
        Fault(call: "accept4", error: "EMFILE", mayCut: false), Fault(call: "accept4", error: "ECONNABORTED", mayCut: false),
        Fault(call: "connect", error: "ECONNREFUSED", mayCut: false), Fault(call: "connect", error: "EADDRNOTAVAIL", mayCut: false),
        Fault(call: "splice", error: "ENOMEM", mayCut: false), Fault(call: "splice", error: "ECONNRESET", mayCut: true),
        Fault(call: "pipe2", error: "EMFILE", mayCut: false),
        Fault(call: "sendto", error: "ENOBUFS", mayCut: false), Fault(call: "sendto", error: "EPIPE", mayCut: true),
        Fault(call: "recvfrom", error: "ENOMEM", mayCut: false), Fault(call: "recvfrom", error: "ECONNRESET", mayCut: true),
        Fault(call: "epoll_ctl", error: "ENOMEM", mayCut: true),
    ]

    @Test("no crash, no leak, no spin, nobody cut who need not be, and what comes later is served", arguments: Scale.workers, Injection.faults)
    func injected(workers: Int, fault: Fault) throws {
        let content = try Content.random(512 << 10)
        let servers = try ["web-1", "web-2"].map { ($0, try TestServer(lab) { try Injection.serve($0, content) }) }
        // The short form takes others for one worker than for two.
        let numbers = Scale.isFull ? Array(1...5000) : workers == 1 ? [1, 5] : [2, 11]
        for number in numbers {
            let trace = lab.path("trace-\(number)")
            let configuration = ConfigurationText(servers, workers: workers)
            guard let balancer = try start(configuration, name: "lbd-\(number)", Injection.strace(fault, number, trace), trace)
            else { continue }
            try look(at: balancer, fault, number, content, workers, trace)
            let injected = try Injection.injections(trace)
            #expect(number > 2 || !injected.isEmpty, "\(fault) was never injected: does strace work here?")
            // Main thread apart: its calls go on as long as it is asked.
            if Scale.isFull, !injected.contains(where: { !$0.hasPrefix("\(balancer.process) ") }) { return }
        }
        #expect(!Scale.isFull, "5000 calls, and no end")
    }

    private func look(at balancer: Balancer, _ fault: Fault, _ number: Int, _ content: [UInt8], _ workers: Int, _ trace: String) throws {
        let note = "\(fault.call) number \(number): \(fault.error)"
        let baseline = try patiently { try Baseline(balancer) }
        let endpoint = try patiently { try balancer.endpoint() }
        let outcomes = try concurrently(8) { try Injection.client($0, endpoint, content) }
            + concurrently(4) { _ in try Injection.client(2, endpoint, content) }
        let cut = outcomes.count(where: \.isCut)
        let injected = try Injection.injections(trace)
        #expect(cut <= (fault.mayCut ? workers : 0), "\(note): \(cut) of \(outcomes.count) connections were cut: \(injected)")
        try patiently { try baseline.isBack(balancer, within: .milliseconds(500), note) }
        // A worker that has paused for the failure looks about for a second more. The beat of each second wakes the main thread
        // five times within a few milliseconds; a spin does so thousands of times.
        try balancer.rests(max: 40, settling: .milliseconds(100), for: .milliseconds(200))
        let end = try balancer.stop()
        #expect(end.status == 0, "\(note): \(end)")
    }

    /// The control plane's calls fail too: whoever asks asks again.
    private func patiently<Value>(_ work: () throws -> Value) throws -> Value {
        var last = ""
        return try eventually(within: .seconds(10), "an answer of lbd: \(last)") {
            do { return try work() } catch {
                last = "\(error)"
                return nil
            }
        }
    }

    // MARK: strace

    /// `-D`: lbd stays our child. The count of calls is each thread's own.
    private static func strace(_ fault: Fault, _ number: Int, _ trace: String) -> [String] {
        ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-e", "trace=\(fault.call)", "-e", "signal=none",
         "-e", "inject=\(fault.call):error=\(fault.error):when=\(number)", "-o", trace]
    }

    /// Each as `THREAD call(…) = -1 EMFILE (Too many open files) (INJECTED)`.
    private static func injections(_ trace: String) throws -> [Substring] {
        guard access(trace, R_OK) == 0 else { return [] }
        return String(decoding: try Files.read(trace, bytesMax: 1 << 30), as: UTF8.self).split(separator: "\n").filter { $0.contains("(INJECTED)") }
    }

    /// nil: the start met the failure, and lbd ended with a word and no crash.
    private func start(_ configuration: ConfigurationText, name: String, _ strace: [String], _ trace: String) throws -> Balancer? {
        do { return try Balancer(lab, configuration, name: name, under: strace) } catch let error as HarnessError {
            guard error.description.contains(": exit status 1\n"), try !Injection.injections(trace).isEmpty else { throw error }
            return nil
        }
    }

    // MARK: Traffic

    private enum Outcome: Equatable, Sendable {
        case whole
        /// With a reset, which nobody takes for an end.
        case cut
        var isCut: Bool { self == .cut }
    }

    private static func serve(_ peer: Peer, _ content: [UInt8]) throws {
        switch try peer.line() {
        case "echo": try peer.echoToEnd()
        case "down": try peer.send(content)
        default:
            let (bytes, ending) = try peer.toEnd()
            try peer.send(bytes == content ? "\(ending)" : "wrong: \(bytes.count) bytes")
        }
    }

    /// Four short conversations, and bulk both ways; throws at what must never be: wrong bytes, an end that is none.
    private static func client(_ number: Int, _ endpoint: Endpoint, _ content: [UInt8]) throws -> Outcome {
        do {
            let peer = try Peer(connecting: endpoint)
            switch number % 4 {
            case 0: return try down(peer, content)
            case 1: return try up(peer, content)
            default: return try echo(peer)
            }
        } catch let error as SystemError where error.errorNumber == ECONNRESET || error.errorNumber == EPIPE { return .cut }
    }

    private static func down(_ peer: Peer, _ content: [UInt8]) throws -> Outcome {
        try peer.send("down\n")
        let (bytes, ending) = try peer.toEnd()
        guard Content.isPrefix(bytes, of: content) else { throw HarnessError("wrong bytes") }
        guard ending == .end else { return .cut }
        guard bytes.count == content.count else { throw HarnessError("\(bytes.count) of \(content.count) bytes, and a clean end") }
        return .whole
    }

    private static func up(_ peer: Peer, _ content: [UInt8]) throws -> Outcome {
        try peer.send("up\n")
        try peer.send(content)
        peer.halfClose()
        let (bytes, ending) = try peer.toEnd()
        guard ending == .end else { return .cut }
        guard String(decoding: bytes, as: UTF8.self) == "\(Ending.end)" else { throw HarnessError("answered \(String(decoding: bytes, as: UTF8.self))") }
        return .whole
    }

    private static func echo(_ peer: Peer) throws -> Outcome {
        try peer.send("echo\n")
        for round in 0..<5 {
            try peer.send("round \(round)\n")
            switch try peer.receive() {
            case .bytes(let bytes): guard bytes == Array("round \(round)\n".utf8) else { throw HarnessError("another echo: \(bytes)") }
            case .ended(.reset): return .cut
            case .ended(.end): throw HarnessError("an end in the midst of a conversation")
            }
        }
        peer.halfClose()
        return try peer.toEnd().ending == .end ? .whole : .cut
    }
}
