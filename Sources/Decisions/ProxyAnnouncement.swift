// Writing the PROXY protocol's header, version 1 or 2: whom a connection comes from, told to a backend. Pure.
import Model

/// A header's bytes, without a heap of their own.
package struct ProxyAnnouncement: Sendable {
    /// No header that we write is longer: see `ProxyHeader.lineBytesMax`.
    package static let bytesMax = 107
    private var bytes = InlineArray<107, UInt8>(repeating: 0)
    package private(set) var count = 0

    /// No header at all.
    package init() {}

    /// Of an unknown origin version 1 says UNKNOWN. Version 2 says LOCAL as HAProxy does, which every receiver must
    /// accept; PROXY with an unspecified family it is free to reject.
    package init(_ origin: ProxyOrigin, as version: SendProxy) {
        switch version {
        case .none: return
        case .v1: appendLine(origin)
        case .v2: appendBinary(origin)
        }
    }

    package subscript(_ index: Int) -> UInt8 {
        precondition(index < count, "a header ends where it ends")
        return bytes[index]
    }

    private mutating func append(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }

    private mutating func append(_ text: String) {
        for byte in text.utf8 { append(byte) }
    }

    /// In network order.
    private mutating func append<Number: FixedWidthInteger>(_ number: Number) {
        var shift = Number.bitWidth
        while shift > 0 {
            shift -= 8
            append(UInt8(truncatingIfNeeded: number >> Number(shift)))
        }
    }

    private mutating func appendLine(_ origin: ProxyOrigin) {
        switch origin {
        case .unknown: append("PROXY UNKNOWN\r\n")
        case .known(let source, let destination):
            append(source.address.family == .ipv4 ? "PROXY TCP4 " : "PROXY TCP6 ")
            append("\(source.address) \(destination.address) \(source.port) \(destination.port)\r\n")
        }
    }

    private mutating func appendBinary(_ origin: ProxyOrigin) {
        for index in ProxyHeader.signature.indices { append(ProxyHeader.signature[index]) }
        switch origin {
        case .unknown:
            append(UInt8(0x20))
            append(UInt8(0x00))
            append(UInt16(0))
        case .known(let source, let destination):
            append(UInt8(0x21))
            append(UInt8(source.address.family == .ipv4 ? 0x11 : 0x21))
            append(UInt16(source.address.family == .ipv4 ? 12 : 36))
            append(source.address)
            append(destination.address)
            append(source.port)
            append(destination.port)
        }
    }

    private mutating func append(_ address: IPAddress) {
        switch address.family {
        case .ipv4: append(UInt32(truncatingIfNeeded: address.low))
        case .ipv6:
            append(address.high)
            append(address.low)
        }
    }
}
