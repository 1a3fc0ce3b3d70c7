// Reading and writing PROXY headers. Faults: a split that is taken for an end, payload that is read as header,
// a bound that a sender's length moves, a crash on what an attacker sends.
import Decisions
import Model
import TestSupport
import Testing

private func endpoint(_ text: String) throws -> IPEndpoint { try #require(IPEndpoint(try Endpoint(text))) }

private func known(_ source: String, _ destination: String) throws -> ProxyOrigin {
    .known(source: try endpoint(source), destination: try endpoint(destination))
}

private let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]

/// A version 2 header: its 13th and 14th byte, and what its length speaks of.
private func binary(_ command: UInt8, _ family: UInt8, _ rest: [UInt8] = [], length: Int? = nil) -> [UInt8] {
    let length = length ?? rest.count
    return signature + [command, family, UInt8(length >> 8), UInt8(length & 255)] + rest
}

private let ipv4Block: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 2, 0xDD, 0xD5, 0x01, 0xBB]
private let ipv6Block: [UInt8] = [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [1]
    + [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [2] + [0xDD, 0xD5, 0x01, 0xBB]

private func read(_ bytes: [UInt8]) -> ProxyReading { ProxyHeader.read(bytes.span) }
private func read(_ text: String) -> ProxyReading { read(Array(text.utf8)) }

struct ProxyHeaderTests {
    private func headers() throws -> [(bytes: [UInt8], origin: ProxyOrigin)] {
        let ipv4 = try known("192.0.2.1:56789", "198.51.100.2:443")
        let ipv6 = try known("[2001:db8::1]:56789", "[2001:db8::2]:443")
        return [
            (Array("PROXY TCP4 192.0.2.1 198.51.100.2 56789 443\r\n".utf8), ipv4),
            (Array("PROXY TCP6 2001:db8::1 2001:DB8:0:0:0:0:0:2 56789 443\r\n".utf8), ipv6),
            (Array("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n".utf8), try known("0.0.0.0:0", "255.255.255.255:65535")),
            (Array("PROXY UNKNOWN\r\n".utf8), .unknown),
            // The longest line there can be: 107 bytes.
            (Array("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535".utf8) + [UInt8](repeating: 0x66, count: 48) + [13, 10], .unknown),
            (binary(0x21, 0x11, ipv4Block), ipv4),
            (binary(0x21, 0x21, ipv6Block), ipv6),
            (binary(0x20, 0x00), .unknown),
            (binary(0x20, 0xFF, [1, 2, 3]), .unknown),
            (binary(0x20, 0x11, ipv4Block), .unknown),
            (binary(0x21, 0x00, [9, 9]), .unknown),
            (binary(0x21, 0x12, ipv4Block), .unknown),
            (binary(0x21, 0x31, [UInt8](repeating: 0x2F, count: 216)), .unknown),
            // Extensions: no bytes, three bytes that are no UTF-8 (CVE-2024-23324), one that fills the header.
            (binary(0x21, 0x11, ipv4Block + [0x04, 0, 0, 0x02, 0, 3, 0xFF, 0xC0, 0x80]), ipv4),
            (binary(0x21, 0x21, ipv6Block + [0xE0, 0x0F, 0xC9] + [UInt8](repeating: 0x0A, count: 4041)), ipv6),
        ]
    }

    @Test("whole, cut off at any byte, and with payload behind it")
    func splits() throws {
        for (bytes, origin) in try headers() {
            #expect(read(bytes) == .header(origin, length: bytes.count))
            for count in 0..<bytes.count {
                let reading = read(Array(bytes[..<count]))
                #expect(reading == .needsMore, "\(count) of \(bytes.count): \(bytes.prefix(60))")
            }
            for payload in [[0x50], [0x0D, 0x0A], signature, [UInt8](repeating: 0xFF, count: 70_000)] as [[UInt8]] {
                #expect(read(bytes + payload) == .header(origin, length: bytes.count))
            }
        }
    }

    @Test("what is no header is refused at its first wrong byte, not when more has come")
    func earlyRefusal() {
        #expect(read([]) == .needsMore)
        for text in ["G", "GET / HTTP/1.1\r\n", "P\r", "PRoxy", "PROXYT", "PROXY\r\n", " PROXY", "\u{16}\u{3}\u{1}"] {
            #expect(read(text) == .invalid(.noHeader), "\(text)")
        }
        for index in signature.indices {
            var damaged = Array(signature[...index])
            damaged[index] ^= 0x80
            #expect(read(damaged) == .invalid(.noHeader), "\(index)")
        }
    }

    @Test("bad lines", arguments: [
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", .badLine), ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", .badLine),
        ("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", .badLine), ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", .badLine),
        ("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", .badLine), ("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", .badLine),
        ("PROXY \r\n", .badLine), ("PROXY UNKNOWN\n", .badLine), ("PROXY UNKNOWN\r\r\n", .badLine),
        ("PROXY UNKNOWNS\r\n", .badLine), ("PROXY TCP4\t1.2.3.4 1.2.3.4 1 2\r\n", .badLine),
        ("PROXY TCP4 1.2.3.4.5 1.2.3.4 1 2\r\n", .badAddress), ("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", .badAddress),
        ("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", .badAddress), ("PROXY TCP4 ::1 ::1 1 2\r\n", .badAddress),
        ("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", .badAddress), ("PROXY TCP6 ::1 1.2.3.4 1 2\r\n", .badAddress),
        ("PROXY TCP6 ::1%lo ::1 1 2\r\n", .badAddress), ("PROXY TCP6 [::1] ::1 1 2\r\n", .badAddress),
        ("PROXY TCP4 1.2.3.4:5 1.2.3.4 1 2\r\n", .badAddress), ("PROXY TCP4 localhost 1.2.3.4 1 2\r\n", .badAddress),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", .badPort), ("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", .badPort),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", .badPort), ("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", .badPort),
    ] as [(String, ProxyFault)])
    func badLines(text: String, fault: ProxyFault) {
        #expect(read(text) == .invalid(fault))
    }

    @Test("a line ends within 107 bytes, or it is none")
    func longLine() {
        let line = Array("PROXY UNKNOWN ".utf8) + [UInt8](repeating: 0x20, count: 91)
        #expect(line.count == 105)
        #expect(read(line) == .needsMore)
        #expect(read(line + [13, 10]) == .header(.unknown, length: 107))
        #expect(read(line + [0x20]) == .invalid(.lineTooLong))
        #expect(read(line + [0x20, 13, 10]) == .invalid(.lineTooLong))
    }

    @Test("a line of bytes that are no text is no line")
    func noText() {
        #expect(read(Array("PROXY TCP4 ".utf8) + [0xFF, 0xC0, 0x20, 0x80, 0x20, 0x31, 0x20, 0x32, 13, 10]) == .invalid(.badAddress))
        #expect(read(Array("PROXY UNKNOWN ".utf8) + [0xFF, 0x00, 0x1B, 13, 10]) == .header(.unknown, length: 19))
    }

    @Test("bad binary headers", arguments: [
        (binary(0x11, 0x11, ipv4Block), .badVersion), (binary(0x31, 0x11, ipv4Block), .badVersion),
        (binary(0x22, 0x11, ipv4Block), .badCommand), (binary(0x2F, 0x11, ipv4Block), .badCommand),
        (binary(0x21, 0x41, ipv4Block), .badFamily), (binary(0x21, 0x13, ipv4Block), .badFamily),
        (binary(0x21, 0x03), .badFamily), (binary(0x21, 0xFF), .badFamily),
        (binary(0x21, 0x11), .addressesCut), (binary(0x21, 0x11, Array(ipv4Block.dropLast())), .addressesCut),
        (binary(0x21, 0x21, ipv4Block), .addressesCut), (binary(0x21, 0x31, ipv6Block), .addressesCut),
        (binary(0x21, 0x11, length: 65_535), .tooLong), (binary(0x20, 0x00, length: 65_535), .tooLong),
        (binary(0x20, 0x00, length: 4081), .tooLong),
        (binary(0x21, 0x11, ipv4Block + [1]), .extensionCut), (binary(0x21, 0x11, ipv4Block + [1, 0]), .extensionCut),
        (binary(0x21, 0x11, ipv4Block + [1, 0, 1]), .extensionCut), (binary(0x21, 0x11, ipv4Block + [1, 0xFF, 0xFF, 0]), .extensionCut),
        // The extension would end within the payload.
        (binary(0x21, 0x11, ipv4Block + [2, 0, 4]) + Array("GET /".utf8), .extensionCut),
    ] as [([UInt8], ProxyFault)])
    func badBinary(bytes: [UInt8], fault: ProxyFault) {
        #expect(read(bytes) == .invalid(fault))
    }

    @Test("the longest header that is taken, and that one more is refused before it has come")
    func lengths() {
        let rest = [UInt8](repeating: 7, count: 4080)
        #expect(read(binary(0x20, 0x00, rest)) == .header(.unknown, length: ProxyHeader.bytesMax))
        #expect(read(binary(0x21, 0x00)) == .header(.unknown, length: 16))
    }

    /// `SEED=…` replays a run.
    @Test("20,000 damaged headers: never a crash, never more than was there, and the same answer however it is cut")
    func mutations() throws {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        let good = try headers().map(\.bytes)
        var taken = 0
        for round in 0..<20_000 {
            var bytes = good[round % good.count] + (0..<Int.random(in: 0...20, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
                case 1: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
                default: if bytes.count > 1 { bytes.remove(at: index) }
                }
            }
            let whole = read(bytes)
            if case .header(_, let length) = whole {
                taken += 1
                #expect((15...bytes.count).contains(length), "seed \(SeededGenerator.seed), round \(round)")
            }
            // A verdict on less is the verdict on all of it, and needsMore promises that there is none yet.
            let part = read(Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))))
            #expect(part == .needsMore || part == whole, "seed \(SeededGenerator.seed), round \(round)")
        }
        #expect(taken > 1000, "the damage leaves some headers whole")
    }
}

struct ProxyAnnouncementTests {
    private func bytes(_ announcement: ProxyAnnouncement) -> [UInt8] { (0..<announcement.count).map { announcement[$0] } }

    @Test("as the specification spells them")
    func spelling() throws {
        let origin = try known("192.0.2.1:56789", "198.51.100.2:443")
        #expect(bytes(ProxyAnnouncement(origin, as: .v1)) == Array("PROXY TCP4 192.0.2.1 198.51.100.2 56789 443\r\n".utf8))
        #expect(bytes(ProxyAnnouncement(origin, as: .v2)) == binary(0x21, 0x11, ipv4Block))
        #expect(bytes(ProxyAnnouncement(try known("[2001:db8::1]:56789", "[2001:db8::2]:443"), as: .v2)) == binary(0x21, 0x21, ipv6Block))
        #expect(bytes(ProxyAnnouncement(.unknown, as: .v1)) == Array("PROXY UNKNOWN\r\n".utf8))
        #expect(bytes(ProxyAnnouncement(.unknown, as: .v2)) == binary(0x20, 0x00))
        #expect(ProxyAnnouncement(origin, as: .none).count == 0)
    }

    @Test("what is written is read back as the same, the longest there is included")
    func roundTrip() throws {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
        var origins: [ProxyOrigin] = [.unknown, try known(longest, longest)]
        for _ in 0..<500 {
            let port = { (random: inout SeededGenerator) in UInt16.random(in: 0...65_535, using: &random) }
            let ipv4 = { (random: inout SeededGenerator) in IPEndpoint(IPAddress(ipv4: UInt32.random(in: 0 ... .max, using: &random)), port: port(&random)) }
            let ipv6 = { (random: inout SeededGenerator) in
                // Zeroes in groups, so that the text has its short forms.
                let mask: UInt64 = [0xFFFF_FFFF, 0xFFFF_0000_0000_FFFF, .max].randomElement(using: &random) ?? 0
                return IPEndpoint(IPAddress(ipv6High: .random(in: 0 ... .max, using: &random) & mask, low: .random(in: 0 ... .max, using: &random) & mask), port: port(&random))
            }
            origins.append(.known(source: ipv4(&random), destination: ipv4(&random)))
            origins.append(.known(source: ipv6(&random), destination: ipv6(&random)))
        }
        for origin in origins {
            for version in [SendProxy.v1, .v2] {
                let header = bytes(ProxyAnnouncement(origin, as: version))
                #expect(read(header) == .header(origin, length: header.count), "seed \(SeededGenerator.seed), \(version): \(origin)")
            }
        }
    }
}
