// A network of addresses, written 10.0.0.0/8, 2001:db8::/32 or as a single address.

/// Why a text is no network, in words that say what would be right.
package struct NetworkError: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(description: String) { self.description = description }
}

@frozen package struct Network: Hashable, BitwiseCopyable, Sendable, CustomStringConvertible {
    /// Its first address: the host bits are 0.
    package let base: IPAddress
    package let prefix: Int
    /// The bits that every address of the network has in common.
    @usableFromInline let highMask: UInt64
    @usableFromInline let lowMask: UInt64

    /// Reads `ADDRESS/PREFIX`, or a single address.
    package init(_ text: String) throws(NetworkError) {
        let shown = "'\(text.escapedForOneLine)'"
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else {
            throw NetworkError(description: "\(shown) is no network: write ADDRESS/PREFIX such as 10.0.0.0/8 or 2001:db8::/32, or one address")
        }
        let bits = switch address.family {
        case .ipv4: 32
        case .ipv6: 128
        }
        var prefix = bits
        if parts.count == 2 {
            // Digits only: Int would take a sign too.
            guard (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                parts[1].utf8.count == 1 || parts[1].utf8.first != 0x30, let written = Int(parts[1]), written <= bits
            else { throw NetworkError(description: "\(shown) has no good prefix: write a whole number from 0 to \(bits) after the '/'") }
            prefix = written
        }
        try self.init(address, prefix: prefix, shown: shown)
    }

    package static let everyIPv4 = Network(everything: IPAddress(ipv4: 0))
    package static let everyIPv6 = Network(everything: IPAddress(ipv6High: 0, low: 0))

    /// `zero`: the family's first address.
    private init(everything zero: IPAddress) {
        base = zero
        prefix = 0
        highMask = 0
        lowMask = 0
    }

    private init(_ address: IPAddress, prefix: Int, shown: String) throws(NetworkError) {
        // An IPv4 address lies in the last 32 bits, those before are 0 in all of them. Shifts in Swift may be by
        // as much as the width, and more.
        switch address.family {
        case .ipv4: (highMask, lowMask) = (0, ~(UInt64(UInt32.max) >> UInt64(prefix)) & UInt64(UInt32.max))
        case .ipv6: (highMask, lowMask) = (~(UInt64.max >> UInt64(prefix)), ~(UInt64.max >> UInt64(max(0, prefix - 64))))
        }
        let high = address.high & highMask
        let low = address.low & lowMask
        self.prefix = prefix
        base = switch address.family {
        case .ipv4: IPAddress(ipv4: UInt32(truncatingIfNeeded: low))
        case .ipv6: IPAddress(ipv6High: high, low: low)
        }
        // Somebody meant another prefix, or one host: which of them, only they know.
        guard base == address else {
            throw NetworkError(description: "\(shown) names a host and a network at once: write \(base)/\(prefix) for the network, or \(address) for the host")
        }
        guard address.family == .ipv4 || prefix < 96 || base.unmapped == base else {
            throw NetworkError(description: "\(shown) is an IPv4 network in IPv6's clothes and would match nothing: write \(base.unmapped)/\(prefix - 96)")
        }
    }

    /// Most networks in one list of the configuration.
    package static let listMax = 64

    /// Whether it holds every address of its family.
    package var isEverything: Bool { prefix == 0 }

    /// Takes the address as it is: see `IPAddress.unmapped`.
    @inlinable package func contains(_ address: IPAddress) -> Bool {
        address.family == base.family && address.high & highMask == base.high && address.low & lowMask == base.low
    }

    package var description: String { "\(base)/\(prefix)" }
}
