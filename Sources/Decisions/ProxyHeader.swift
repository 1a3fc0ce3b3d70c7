// Reading the PROXY protocol's header, versions 1 and 2, after HAProxy's doc/proxy-protocol.txt. Pure: the bytes
// that have come so far in, what they mean out. Nothing is remembered between two calls: a header is short.
import Model

/// Whom a connection comes from, as a header tells.
@frozen package enum ProxyOrigin: Equatable, Sendable {
    /// A LOCAL connection (the proxy's own, such as a probe), UNKNOWN, or addresses that are no IP's (UNIX, UDP): the
    /// socket's own ends count.
    case unknown
    /// Both of one family.
    case known(source: IPEndpoint, destination: IPEndpoint)
}

/// Why bytes are no header.
package enum ProxyFault: Error, Equatable, Sendable, CaseIterable, CustomStringConvertible {
    case noHeader
    case lineTooLong, badLine, badAddress, badPort
    case badVersion, badCommand, badFamily, tooLong, addressesCut, extensionCut

    package var description: String {
        switch self {
        case .noHeader: "the first bytes are no PROXY header"
        case .lineTooLong: "a version 1 line has at most \(ProxyHeader.lineBytesMax) bytes, this one has more"
        case .badLine: "the version 1 line is not 'PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT' or 'PROXY UNKNOWN'"
        case .badAddress: "the version 1 line holds an address that is none of its family"
        case .badPort: "the version 1 line holds a port that is none"
        case .badVersion: "the binary header's version is not 2"
        case .badCommand: "the version 2 header's command is neither LOCAL nor PROXY"
        case .badFamily: "the version 2 header's address family or transport is none that the protocol knows"
        case .tooLong: "the version 2 header is longer than \(ProxyHeader.bytesMax) bytes"
        case .addressesCut: "the version 2 header is too short for its addresses"
        case .extensionCut: "the version 2 header ends within an extension (TLV)"
        }
    }
}

/// What the bytes so far come to.
package enum ProxyReading: Equatable, Sendable {
    case needsMore
    /// The first `length` bytes are the header; what follows is payload.
    case header(ProxyOrigin, length: Int)
    case invalid(ProxyFault)
}

package enum ProxyHeader {
    /// Section 2.1: the longest line, its CRLF included.
    package static let lineBytesMax = 107
    /// The length field could say 65,535. Addresses take 216 bytes at most, known extensions some hundred (a
    /// certificate's name, a host's); a proxy that says more is broken or means harm, and what it says would have
    /// to be kept for each connection that waits.
    package static let bytesMax = 4096

    /// Section 2.2.
    static let signature: InlineArray<12, UInt8> = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]
    static let fixedBytes = 16

    /// The first byte that cannot begin a header ends the wait for more.
    package static func read(_ bytes: Span<UInt8>) -> ProxyReading {
        guard !bytes.isEmpty else { return .needsMore }
        do throws(ProxyFault) {
            return bytes[0] == signature[0] ? try readBinary(bytes) : try readLine(bytes)
        } catch {
            return .invalid(error)
        }
    }
}

// Version 1: a line of text.
extension ProxyHeader {
    private static func readLine(_ bytes: Span<UInt8>) throws(ProxyFault) -> ProxyReading {
        let start: StaticString = "PROXY "
        for index in 0..<min(bytes.count, start.utf8CodeUnitCount) where bytes[index] != byte(start, index) {
            throw .noHeader
        }
        var end = 0
        while end < bytes.count, bytes[end] != carriageReturn, bytes[end] != lineFeed, end < lineBytesMax { end += 1 }
        guard end + 2 <= lineBytesMax else { throw .lineTooLong }
        guard end < bytes.count else { return .needsMore }
        guard bytes[end] == carriageReturn else { throw .badLine }
        guard end + 1 < bytes.count else { return .needsMore }
        guard bytes[end + 1] == lineFeed else { throw .badLine }
        let words = ProxyLine(bytes.extracting(0..<end))
        return .header(try origin(words), length: end + 2)
    }

    private static func origin(_ line: ProxyLine) throws(ProxyFault) -> ProxyOrigin {
        // "The receiver must ignore anything presented before the CRLF" behind UNKNOWN.
        if line.words.first == "UNKNOWN" { return .unknown }
        guard line.words.count == 5 else { throw .badLine }
        let family: IPAddress.Family
        switch line.words[0] {
        case "TCP4": family = .ipv4
        case "TCP6": family = .ipv6
        default: throw .badLine
        }
        guard let source = IPAddress(line.words[1]), let destination = IPAddress(line.words[2]),
            source.family == family, destination.family == family
        else { throw .badAddress }
        guard let from = port(line.words[3]), let to = port(line.words[4]) else { throw .badPort }
        return .known(source: IPEndpoint(source, port: from), destination: IPEndpoint(destination, port: to))
    }

    /// Digits only, and none of the heading zeroes that the specification forbids.
    private static func port(_ text: String) -> UInt16? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), text.utf8.count == 1 || text.utf8.first != 0x30
        else { return nil }
        return UInt16(text)
    }

    private static func byte(_ text: StaticString, _ index: Int) -> UInt8 {
        text.withUTF8Buffer { $0[index] }
    }

    static let carriageReturn: UInt8 = 0x0D
    static let lineFeed: UInt8 = 0x0A
}

/// The words behind "PROXY ", separated by exactly one space each. Once per header, at most 101 bytes.
private struct ProxyLine {
    var words: [String] = []

    init(_ line: Span<UInt8>) {
        var word: [UInt8] = []
        for index in 6..<line.count {
            if line[index] == UInt8(ascii: " ") {
                words.append(String(decoding: word, as: UTF8.self))
                word = []
            } else {
                word.append(line[index])
            }
        }
        words.append(String(decoding: word, as: UTF8.self))
    }
}

// Version 2: binary.
extension ProxyHeader {
    private static func readBinary(_ bytes: Span<UInt8>) throws(ProxyFault) -> ProxyReading {
        for index in 0..<min(bytes.count, signature.count) where bytes[index] != signature[index] { throw .noHeader }
        guard bytes.count >= fixedBytes else { return .needsMore }
        guard bytes[12] >> 4 == 2 else { throw .badVersion }
        let length = fixedBytes + Int(number(bytes, 14))
        guard length <= bytesMax else { throw .tooLong }
        let isLocal: Bool
        switch bytes[12] & 0x0F {
        case 0: isLocal = true
        case 1: isLocal = false
        default: throw .badCommand
        }
        // "Discard the protocol block including the family which is ignored."
        let block = isLocal ? Block.none : try block(of: bytes[13])
        guard length >= fixedBytes + block.bytes else { throw .addressesCut }
        guard bytes.count >= length else { return .needsMore }
        let header = bytes.extracting(0..<length)
        if block.bytes > 0 { try checkExtensions(header, from: fixedBytes + block.bytes) }
        return .header(origin(header, block), length: length)
    }

    /// What the family and the transport say lies behind the fixed part.
    private enum Block {
        case none, ipv4, ipv6, other(bytes: Int)

        var bytes: Int {
            switch self {
            case .none: 0
            case .ipv4: 12
            case .ipv6: 36
            case .other(let bytes): bytes
            }
        }
    }

    private static func block(of family: UInt8) throws(ProxyFault) -> Block {
        switch (family >> 4, family & 0x0F) {
        case (1, 1): .ipv4
        case (2, 1): .ipv6
        // Datagrams and Unix sockets: "automatically falls back to the UNSPEC mode".
        case (1, 2): .other(bytes: 12)
        case (2, 2): .other(bytes: 36)
        case (3, 1), (3, 2): .other(bytes: 216)
        // With either unspecified, how long the addresses are is unspecified too: all of it is skipped.
        case (0, 0...2), (1...3, 0): .none
        default: throw .badFamily
        }
    }

    /// Extensions are passed over, their checksum too; their bounds are those of the header, not of what was
    /// received with it (HAProxy 488ee7fb6: payload that came along was read as an extension).
    private static func checkExtensions(_ header: Span<UInt8>, from start: Int) throws(ProxyFault) {
        var offset = start
        while offset < header.count {
            guard offset + 3 <= header.count else { throw .extensionCut }
            offset += 3 + Int(number(header, offset + 1))
        }
        guard offset == header.count else { throw .extensionCut }
    }

    private static func origin(_ header: Span<UInt8>, _ block: Block) -> ProxyOrigin {
        switch block {
        case .none, .other: return .unknown
        case .ipv4:
            return .known(
                source: IPEndpoint(ipv4(header, 16), port: number(header, 24)),
                destination: IPEndpoint(ipv4(header, 20), port: number(header, 26)))
        case .ipv6:
            return .known(
                source: IPEndpoint(ipv6(header, 16), port: number(header, 48)),
                destination: IPEndpoint(ipv6(header, 32), port: number(header, 50)))
        }
    }

    private static func ipv4(_ bytes: Span<UInt8>, _ offset: Int) -> IPAddress {
        IPAddress(ipv4: UInt32(number(bytes, offset)) << 16 | UInt32(number(bytes, offset + 2)))
    }

    private static func ipv6(_ bytes: Span<UInt8>, _ offset: Int) -> IPAddress {
        IPAddress(ipv6High: half(bytes, offset), low: half(bytes, offset + 8))
    }

    private static func half(_ bytes: Span<UInt8>, _ offset: Int) -> UInt64 {
        var half: UInt64 = 0
        for index in offset..<offset + 8 { half = half << 8 | UInt64(bytes[index]) }
        return half
    }

    /// Two bytes in network order.
    private static func number(_ bytes: Span<UInt8>, _ offset: Int) -> UInt16 {
        UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
    }
}
