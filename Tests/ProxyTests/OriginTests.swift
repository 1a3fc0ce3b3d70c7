// PROXY headers and access lists with real sockets. Faults (class 18): a split header, payload that came with it, a
// client that is believed without right or waits for ever, a header that is lost when a connect is tried again.
import Decisions
import Foundation
import Glibc
import Model
import Statistics
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

private let lineHeader = Array("PROXY TCP4 192.0.2.1 198.51.100.2 56789 443\r\n".utf8)
private let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
private let binaryHeader = signature + [0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 2, 0xDD, 0xD5, 0x01, 0xBB]
private let localHeader = signature + [0x20, 0, 0, 0]
private let payload = Array("EHLO client.example\r\n".utf8)

private func rules(
    trusted: [String] = ["127.0.0.0/8"], timeout: Duration = .seconds(10), allow: [String] = ["0.0.0.0/0", "::/0"], deny: [String] = []
) throws -> ListenerRules {
    ListenerRules(
        acceptProxy: .required(trusted: try trusted.map { try Network($0) }, timeout: timeout),
        allow: try allow.map { try Network($0) }, deny: try deny.map { try Network($0) })
}

/// What an echoing backend got, and how it ended.
private func exchange(_ bytes: [UInt8], over client: BlockingSocket, cutAt cuts: [Int] = []) throws -> (bytes: [UInt8], end: PeerEnd) {
    try send(bytes, over: client, cutAt: cuts)
    client.finish()
    return client.receiveAll()
}

/// Runs `body` on a thread of its own with a plane before echoing backends, and ends all of them.
private func withPlane(
    _ workers: Int, rules: ListenerRules = ListenerRules(), sendProxy: SendProxy = .none, at bind: Endpoint = .ipv4(0x7F00_0001, port: 0),
    _ body: @escaping @Sendable (PlaneUnderTest) throws -> Void
) async throws {
    try await onThread {
        let backend = try TestBackend.echo()
        defer { backend.stop() }
        let plane = try PlaneUnderTest(workers: workers, backends: [backend.endpoint], at: bind, rules: rules, sendProxy: sendProxy)
        try body(plane)
    }
}

@Suite(.serialized) struct AcceptProxyTests {
    @Test("a header cut at any byte, payload at once behind it: the backend gets the payload alone", arguments: [1, 2])
    func splits(workers: Int) async throws {
        try await withPlane(workers, rules: try rules()) { plane in
            for header in [lineHeader, binaryHeader, localHeader, Array("PROXY UNKNOWN\r\n".utf8)] {
                for cut in 0...header.count {
                    let (bytes, end) = try exchange(header + payload, over: try plane.connect(), cutAt: [cut])
                    #expect(bytes == payload && end == .finished, "cut at \(cut) of \(header.count)")
                }
                let (bytes, end) = try exchange(header + payload, over: try plane.connect(), cutAt: Array(1...header.count))
                #expect(bytes == payload && end == .finished, "byte by byte")
            }
            try plane.plane.waitUntilEmpty()
            #expect(plane.listener.refused == 0)
            let all = plane.backend
            #expect(all.bytesToBackend == all.connections * UInt64(payload.count), "the header is not the client's")
        }
    }

    @Test("a header without payload lets a server speak first", arguments: [1, 2])
    func serverSpeaksFirst(workers: Int) async throws {
        let rules = try rules()
        try await onThread {
            let backend = try TestBackend { connection in
                try connection.send("220 ")
                try connection.send(connection.receive(exactly: payload.count))
            }
            defer { backend.stop() }
            let plane = try PlaneUnderTest(workers: workers, backends: [backend.endpoint], rules: rules)
                let client = try plane.connect()
            try client.send(binaryHeader)
            #expect(client.receive(exactly: 4) == Array("220 ".utf8))
            try client.send(payload)
            #expect(client.receiveAll().bytes == payload)
        }
    }

    @Test("payload of megabytes fused with the header arrives whole", arguments: [1, 2])
    func longPayload(workers: Int) async throws {
        try await withPlane(workers, rules: try rules(), sendProxy: .v1) { plane in
            let content = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
            let client = try plane.connect()
            let sender = try BlockingSocket(owning: dup(client.number))
            Thread {
                // What does not get through is missing below.
                do { try sender.send(localHeader + content) } catch { return sender.shutDown() }
                sender.finish()
            }.start()
            let received = client.receiveAll().bytes
            let expected = Array("PROXY UNKNOWN\r\n".utf8) + content
            #expect(received.count == expected.count && received == expected)
        }
    }

    @Test("what is no header is cut off with its reason, and nothing reaches a backend", arguments: [1, 2], [
        (payload, .fault(.noHeader)), (Array("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n".utf8) + payload, .fault(.badLine)),
        (signature + [0x21, 0x11, 0xFF, 0xFF], .fault(.tooLong)), (signature + [0x21, 0x11, 0, 0] + payload, .fault(.addressesCut)),
        (Array(binaryHeader.dropLast()), .ended), (Array("PROXY TCP4 ".utf8), .ended),
    ] as [([UInt8], HeaderRefusal)])
    func invalid(workers: Int, refused: ([UInt8], HeaderRefusal)) async throws {
        try await withPlane(workers, rules: try rules()) { plane in
            let client = try plane.connect()
            try client.send(refused.0)
            if refused.1 == .ended { client.finish() }
            let (bytes, end) = client.receiveAll()
            #expect(bytes == [] && end == .reset)
            try plane.plane.waitUntilEmpty()
            let refusals = try plane.plane.takeRefusals()
            #expect(refusals == [refused.1])
            #expect(plane.listener.refused == 1 && plane.backend.connections == 0)
        }
    }

    @Test("a header that does not come in time, and one that drips in, end at the timeout", arguments: [1, 2], [false, true])
    func timeout(workers: Int, drips: Bool) async throws {
        try await withPlane(workers, rules: try rules(timeout: .seconds(1))) { plane in
            let started = Clocks.monotonic()
            let client = try plane.connect()
            if drips {
                // A byte every 80 ms would take seven seconds; each is well before an idle timeout.
                var watched = pollfd(fd: client.number, events: Int16(POLLIN), revents: 0)
                for byte in Array("PROXY UNKNOWN ".utf8) + [UInt8](repeating: 0x20, count: 80) {
                    guard poll(&watched, 1, 80) == 0 else { break }
                    // It may be gone by now: that is what is waited for.
                    do { try client.send([byte]) } catch { break }
                }
            }
            let (bytes, end) = client.receiveAll()
            let passed = (Clocks.monotonic().nanoseconds - started.nanoseconds) / 1_000_000
            #expect(bytes == [] && end == .reset)
            #expect((1000 - 10..<6000).contains(passed), "\(passed) ms")
            try plane.plane.waitUntilEmpty()
            let refusals = try plane.plane.takeRefusals()
            #expect(refusals == [.timedOut])
        }
    }

    @Test("whoever is not trusted is cut off, good header or not", arguments: [1, 2])
    func untrusted(workers: Int) async throws {
        try await withPlane(workers, rules: try rules(trusted: ["127.0.0.2"])) { plane in
            for _ in 0..<20 {
                let client = try plane.connect(from: .ipv4(0x7F00_0003, port: 0))
                #expect(client.receiveAll().end == .reset)
            }
            let (bytes, end) = try exchange(binaryHeader + payload, over: try plane.connect(from: .ipv4(0x7F00_0002, port: 0)))
            #expect(bytes == payload && end == .finished)
            try plane.plane.waitUntilEmpty()
            #expect(plane.listener.refused == 20 && plane.listener.accepted == 21)
            // One a second and worker: an attacker does not write our log.
            let refusals = try plane.plane.takeRefusals()
            #expect((1...2 * workers).contains(refusals.count) && refusals.allSatisfy { $0 == .untrusted })
        }
    }

    @Test("a proxy that connects and closes has only asked whether we are there", arguments: [1, 2])
    func connectProbe(workers: Int) async throws {
        try await withPlane(workers, rules: try rules()) { plane in
            let client = try plane.connect()
            client.finish()
            #expect(client.receiveAll().end == .finished)
            try plane.plane.waitUntilEmpty()
            let refusals = try plane.plane.takeRefusals()
            #expect(plane.listener.refused == 0 && refusals.isEmpty)
        }
    }

    @Test("the lists judge the client that the header names, and the proxy where it names none", arguments: [1, 2])
    func listsJudgeTheClient(workers: Int) async throws {
        try await withPlane(workers, rules: try rules(deny: ["192.0.2.0/24", "127.0.0.3"])) { plane in
            for header in [lineHeader, binaryHeader] {
                let (bytes, end) = try exchange(header + payload, over: try plane.connect())
                #expect(bytes == [] && end == .reset)
            }
            let other = Array("PROXY TCP4 203.0.113.9 198.51.100.2 1 2\r\n".utf8)
            let named = try exchange(other + payload, over: try plane.connect(from: .ipv4(0x7F00_0003, port: 0))).bytes
            #expect(named == payload)
            let own = try exchange(localHeader + payload, over: try plane.connect()).bytes
            #expect(own == payload)
            let denied = try exchange(localHeader + payload, over: try plane.connect(from: .ipv4(0x7F00_0003, port: 0))).end
            #expect(denied == .reset)
            try plane.plane.waitUntilEmpty()
            #expect(plane.listener.refused == 3)
        }
    }
}

@Suite(.serialized) struct SourceHashBehindProxyTests {
    @Test("source-hash goes by the client that the header names, not by the proxy that all come from", arguments: [1, 2])
    func goesByTheClient(workers: Int) async throws {
        let rules = try rules()
        try await onThread {
            let backends = [try speaker("a"), try speaker("b"), try speaker("c")]
            defer { for backend in backends { backend.stop() } }
            let plane = try PlaneUnderTest(workers: workers, backends: backends.map(\.endpoint), rules: rules)
            try plane.plane.route(backends.map(\.endpoint), balance: .sourceHash)
            var chosen: Set<[UInt8]> = []
            for host in 0..<30 {
                let plain = try choice("PROXY TCP4 192.0.2.\(host) 192.0.2.255 1 2\r\n", plane)
                let again = try choice("PROXY TCP4 192.0.2.\(host) 192.0.2.255 77 2\r\n", plane)
                let mapped = try choice("PROXY TCP6 ::ffff:192.0.2.\(host) ::ffff:192.0.2.255 1 2\r\n", plane)
                #expect(plain == again && plain == mapped, "192.0.2.\(host)")
                chosen.insert(plain)
            }
            #expect(chosen.count == 3, "\(chosen)")
        }
    }

    private func speaker(_ word: String) throws -> TestBackend {
        try TestBackend { connection in
            try connection.send(word)
            connection.finish()
        }
    }

    private func choice(_ header: String, _ plane: PlaneUnderTest) throws -> [UInt8] {
        try exchange(Array(header.utf8), over: try plane.connect()).bytes
    }
}

@Suite(.serialized) struct SendProxyTests {
    private static func announced(_ source: IPEndpoint?, _ destination: IPEndpoint?, _ version: SendProxy) -> [UInt8] {
        let origin: ProxyOrigin = if let source, let destination { .known(source: source, destination: destination) } else { .unknown }
        let header = ProxyAnnouncement(origin, as: version)
        return (0..<header.count).map { header[$0] }
    }

    @Test("the backend is told who the client is, before its first byte", arguments: [1, 2], [SendProxy.v1, .v2])
    func told(workers: Int, version: SendProxy) async throws {
        for bind in [Endpoint.ipv4(0x7F00_0001, port: 0), .ipv4(0, port: 0), try Endpoint("[::1]:0"), try Endpoint("[::]:0")] {
            try await withPlane(workers, sendProxy: version, at: bind) { plane in
                let port = try #require(plane.endpoint.port)
                let target: Endpoint = switch bind {
                case .ipv4: .ipv4(0x7F00_0001, port: port)
                case .ipv6, .unix: try Endpoint("[::1]:\(port)")
                }
                for speaksLate in [false, true] {
                    let client = try BlockingSocket.connect(to: target)
                    let header = SendProxyTests.announced(
                        IPEndpoint(try Sockets.localEndpoint(of: client.number)), IPEndpoint(target), version)
                    // Without a word of the client the header goes out all the same.
                    if speaksLate { #expect(client.receive(exactly: header.count) == header) }
                    let (bytes, end) = try exchange(payload, over: client)
                    #expect(bytes == (speaksLate ? [] : header) + payload && end == .finished, "\(bind)")
                }
                try plane.plane.waitUntilEmpty()
                #expect(plane.backend.bytesToBackend == UInt64(2 * payload.count))
            }
        }
    }

    @Test("a Unix socket's client has no address: LOCAL and UNKNOWN", arguments: [1, 2], [SendProxy.v1, .v2])
    func unixClient(workers: Int, version: SendProxy) async throws {
        let folder = try TemporaryFolder()
        try await withPlane(workers, sendProxy: version, at: .unix(path: folder.path + "/s")) { plane in
            for _ in 0..<4 {
                let (bytes, end) = try exchange(payload, over: try plane.connect())
                #expect(bytes == SendProxyTests.announced(nil, nil, version) + payload && end == .finished)
            }
        }
    }

    @Test("what the header in front said is passed on, in the other version too", arguments: [1, 2], [SendProxy.v1, .v2])
    func passedOn(workers: Int, version: SendProxy) async throws {
        let source = IPEndpoint(try #require(IPAddress("192.0.2.1")), port: 56789)
        let destination = IPEndpoint(try #require(IPAddress("198.51.100.2")), port: 443)
        try await withPlane(workers, rules: try rules(), sendProxy: version) { plane in
            for (header, told) in [
                (lineHeader, SendProxyTests.announced(source, destination, version)),
                (binaryHeader, SendProxyTests.announced(source, destination, version)),
                (localHeader, SendProxyTests.announced(nil, nil, version)),
            ] {
                for cut in 0...header.count {
                    let (bytes, end) = try exchange(header + payload, over: try plane.connect(), cutAt: [cut])
                    #expect(bytes == told + payload && end == .finished, "cut at \(cut)")
                }
            }
        }
    }

    @Test("a connect that fails is tried again with the header", arguments: [1, 2], [SendProxy.none, .v1, .v2])
    func retries(workers: Int, version: SendProxy) async throws {
        let rules = try rules()
        try await onThread {
            let backend = try TestBackend.echo()
            defer { backend.stop() }
            // Bound and not listening: every connect is refused, and nobody else gets the port.
            let closed = try (0..<2).map { _ in try BlockingSocket(owning: Sockets.bind(.ipv4(0x7F00_0001, port: 0)).release()) }
            let backends = try closed.map { try Sockets.localEndpoint(of: $0.number) } + [backend.endpoint]
            let plane = try PlaneUnderTest(workers: workers, backends: backends, rules: rules, sendProxy: version)
                let told = SendProxyTests.announced(nil, nil, version)
            for _ in 0..<12 {
                let (bytes, end) = try exchange(localHeader + payload, over: try plane.connect())
                #expect(bytes == told + payload && end == .finished, "\(bytes) \(end)")
            }
        }
    }
}

@Suite(.serialized) struct AccessTests {
    @Test("deny wins over allow, and whoever is in neither list is cut off", arguments: [1, 2])
    func lists(workers: Int) async throws {
        let rules = ListenerRules(acceptProxy: .no, allow: [try Network("127.0.0.0/29")], deny: [try Network("127.0.0.3")])
        try await withPlane(workers, rules: rules) { plane in
            for host in UInt32(1)...9 {
                let client = try plane.connect(from: .ipv4(0x7F00_0000 + host, port: 0))
                if host <= 7, host != 3 {
                    let bytes = try exchange(payload, over: client).bytes
                    #expect(bytes == payload, "127.0.0.\(host)")
                } else {
                    #expect(client.receiveAll().end == .reset, "127.0.0.\(host)")
                }
            }
            try plane.plane.waitUntilEmpty()
            #expect(plane.listener.refused == 3 && plane.listener.accepted == 9)
        }
    }

    @Test("many that are denied neither leak nor keep the others waiting", arguments: [1, 2])
    func flood(workers: Int) async throws {
        let rules = ListenerRules(acceptProxy: .no, allow: [.everyIPv4], deny: [try Network("127.0.0.2")])
        try await withPlane(workers, rules: rules) { plane in
            for _ in 0..<500 {
                let end = try plane.connect(from: .ipv4(0x7F00_0002, port: 0)).receiveAll().end
                #expect(end == .reset)
            }
            let bytes = try exchange(payload, over: try plane.connect()).bytes
            #expect(bytes == payload)
            try plane.plane.waitUntilEmpty()
            #expect(plane.listener.refused == 500)
        }
    }
}

struct GateTests {
    @Test("lists keep apart in the block")
    func block() throws {
        let rules = try rules(trusted: ["10.0.0.1", "10.0.0.2"], allow: ["10.0.1.0/24"], deny: ["10.0.1.7", "10.0.1.8", "::/0"])
        let gate = Gate(rules, bound: .ipv4(0, port: 80), arrivals: nil)
        defer { gate.free() }
        #expect(gate.judges && !gate.isOpen && gate.local == nil && gate.headerTimeout == 10_000_000_000)
        for (text, trusted, admitted) in [("10.0.0.2", true, false), ("10.0.1.6", false, true), ("10.0.1.8", false, false), ("::1", false, false)] {
            let address = try #require(IPAddress(text))
            #expect(gate.trusts(address) == trusted && gate.admits(address) == admitted, "\(text)")
        }
    }

    /// Class 23: memory per connection does not grow unseen.
    @Test func recordSize() { #expect(MemoryLayout<ConnectionRecord>.size <= 608) }
}
