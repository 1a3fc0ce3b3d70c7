// An IP address as plain memory: copied, compared and looked up per connection without reference counting.

@frozen package struct IPAddress: Hashable, BitwiseCopyable, Sendable, CustomStringConvertible {
    @frozen package enum Family: UInt8, Sendable { case ipv4, ipv6 }

    package let family: Family
    /// First and last 64 bits of an IPv6 address, most significant first. IPv4: the last 32 bits of `low`.
    package let high: UInt64
    package let low: UInt64

    @inlinable package init(ipv4 address: UInt32) {
        (family, high, low) = (.ipv4, 0, UInt64(address))
    }

    @inlinable package init(ipv6High high: UInt64, low: UInt64) {
        (family, self.high, self.low) = (.ipv6, high, low)
    }

    /// Nil for a Unix socket's path.
    package init?(_ endpoint: Endpoint) {
        switch endpoint {
        case .ipv4(let address, _): self.init(ipv4: address)
        case .ipv6(let groups, _):
            let half = { (part: Range<Int>) in groups.groups[part].reduce(UInt64(0)) { $0 << 16 | UInt64($1) } }
            self.init(ipv6High: half(0..<4), low: half(4..<8))
        case .unix: return nil
        }
    }

    /// Reads `127.0.0.1` or `::1`, without brackets, port or zone.
    package init?(_ text: String) {
        do throws(EndpointError) {
            self.init(try Endpoint(text.utf8.contains(UInt8(ascii: ":")) ? "[\(text)]:0" : "\(text):0"))
        } catch {
            return nil
        }
    }

    package var description: String { endpoint(port: 0).host }

    package func endpoint(port: UInt16) -> Endpoint {
        switch family {
        case .ipv4: .ipv4(UInt32(truncatingIfNeeded: low), port: port)
        case .ipv6:
            .ipv6(
                IPv6Groups(groups: [high, low].flatMap { half in
                    [48, 32, 16, 0].map { UInt16(truncatingIfNeeded: half >> UInt64($0)) }
                }), port: port)
        }
    }

    /// `::ffff:10.0.0.1` (RFC 4291, 2.5.5.2) is 10.0.0.1: whoever lists the one means the other.
    @inlinable package var unmapped: IPAddress {
        switch family {
        case .ipv4: self
        case .ipv6: high == 0 && low >> 32 == 0xFFFF ? IPAddress(ipv4: UInt32(truncatingIfNeeded: low)) : self
        }
    }
}

extension IPAddress {
    /// One that a host can have and that names it alone: not every address, no group, not the broadcast, and no
    /// link-local one, which needs a zone beside it.
    package var isOneHosts: Bool {
        switch family {
        case .ipv4: low != 0 && low >> 28 < 0xE
        case .ipv6: (high != 0 || low != 0) && high >> 56 != 0xFF && high >> 54 != 0xFE80 >> 6
        }
    }

    /// The first address of its network: all bits behind the prefix are 0. A prefix as its family has it.
    package func start(ofPrefix prefix: Int) -> IPAddress {
        // Shifts may be by more than the width: nothing is left then.
        switch family {
        case .ipv4: IPAddress(ipv4: UInt32(truncatingIfNeeded: low) & UInt32.max << UInt32(32 - prefix))
        case .ipv6:
            IPAddress(ipv6High: high & UInt64.max << UInt64(max(0, 64 - prefix)), low: low & UInt64.max << UInt64(128 - max(64, prefix)))
        }
    }
}

/// An address and a port, as plain memory as well.
@frozen package struct IPEndpoint: Hashable, BitwiseCopyable, Sendable, CustomStringConvertible {
    package let address: IPAddress
    package let port: UInt16

    @inlinable package init(_ address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// Nil for a Unix socket's path.
    package init?(_ endpoint: Endpoint) {
        guard let address = IPAddress(endpoint), let port = endpoint.port else { return nil }
        self.init(address, port: port)
    }

    package var description: String { address.endpoint(port: port).description }
}
