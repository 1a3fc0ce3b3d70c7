// Where a socket listens or connects to: IPv4, IPv6 or a Unix socket's path.

/// Why a text is not an endpoint.
package struct EndpointError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

package enum Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// The address in host byte order: 127.0.0.1 is 0x7F00_0001.
    case ipv4(UInt32, port: UInt16)
    /// The eight groups of the address, first group first.
    case ipv6(IPv6Groups, port: UInt16)
    case unix(path: String)

    /// Longest path of a Unix socket in bytes: `sun_path` less its terminator.
    package static let unixPathBytesMax = 107

    /// Reads `127.0.0.1:80`, `[::1]:80` or `unix:PATH`.
    package init(_ text: String) throws(EndpointError) {
        if text.hasPrefix("unix:") {
            self = .unix(path: try Endpoint.checkedPath(String(text.dropFirst(5))))
            return
        }
        if text.hasPrefix("[") {
            guard let bracket = text.lastIndex(of: "]"),
                let groups = IPv6Groups(String(text[text.index(after: text.startIndex)..<bracket]))
            else { throw EndpointError(description: "'\(text.escapedForOneLine)': write an IPv6 endpoint as [ADDRESS]:PORT") }
            self = .ipv6(groups, port: try Endpoint.port(text[text.index(after: bracket)...], of: text))
            return
        }
        guard let colon = text.lastIndex(of: ":"), !text[..<colon].contains(":") else {
            throw EndpointError(description: "'\(text.escapedForOneLine)' is no endpoint: write ADDRESS:PORT, [IPV6]:PORT or unix:PATH")
        }
        guard let address = parseIPv4(text[..<colon]) else {
            throw EndpointError(description: "'\(String(text[..<colon]).escapedForOneLine)' is no IPv4 address; host names are not looked up: write the number")
        }
        self = .ipv4(address, port: try Endpoint.port(text[colon...], of: text))
    }

    package var description: String {
        switch self {
        case .ipv4(let address, let port): "\(Endpoint.dotted(address)):\(port)"
        case .ipv6(let groups, let port): "[\(groups)]:\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// The address alone, as `{host}` stands for in a restart command; a Unix socket's path.
    package var host: String {
        switch self {
        case .ipv4(let address, _): Endpoint.dotted(address)
        case .ipv6(let groups, _): groups.description
        case .unix(let path): path
        }
    }

    package var port: UInt16? {
        switch self {
        case .ipv4(_, let port), .ipv6(_, let port): port
        case .unix: nil
        }
    }

    private static func dotted(_ address: UInt32) -> String {
        "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
    }

    private static func checkedPath(_ path: String) throws(EndpointError) -> String {
        guard !path.isEmpty else { throw EndpointError(description: "unix: needs a path after it") }
        guard path.utf8.count <= unixPathBytesMax else {
            throw EndpointError(description: "a Unix socket's path has at most \(unixPathBytesMax) bytes, this one has \(path.utf8.count)")
        }
        guard !path.utf8.contains(0) else { throw EndpointError(description: "a path cannot hold a NUL byte") }
        return path
    }

    /// `rest` begins with the colon.
    private static func port(_ rest: Substring, of text: String) throws(EndpointError) -> UInt16 {
        let digits = rest.dropFirst()
        guard rest.first == ":", !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else {
            throw EndpointError(description: "'\(text.escapedForOneLine)' has no port: write ADDRESS:PORT")
        }
        guard let port = UInt16(digits) else {
            throw EndpointError(description: "port \(String(digits).escapedForOneLine) is out of range: a port is 0 to 65535")
        }
        return port
    }
}

private func parseIPv4(_ text: Substring) -> UInt32? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var address: UInt32 = 0
    for part in parts {
        guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            part.count == 1 || part.first != "0", let byte = UInt8(part)
        else { return nil }
        address = address << 8 | UInt32(byte)
    }
    return address
}

/// The eight 16-bit groups of an IPv6 address; text after RFC 4291 in, RFC 5952 out. No zone.
package struct IPv6Groups: Hashable, Sendable, CustomStringConvertible {
    package let groups: [UInt16]

    /// Takes exactly eight groups.
    package init(groups: [UInt16]) {
        precondition(groups.count == 8, "an IPv6 address has eight groups")
        self.groups = groups
    }

    package init?(_ text: String) {
        let halves = text.split(separator: "::", omittingEmptySubsequences: false)
        let isAbbreviated = halves.count == 2
        guard halves.count <= 2, let head = IPv6Groups.groups(of: halves[0], mayEndInIPv4: !isAbbreviated) else { return nil }
        guard isAbbreviated else {
            guard head.count == 8 else { return nil }
            groups = head
            return
        }
        guard let tail = IPv6Groups.groups(of: halves[1], mayEndInIPv4: true), head.count + tail.count <= 7 else { return nil }
        groups = head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
    }

    /// `mayEndInIPv4`: the text ends the address, whose last 32 bits may be written as IPv4.
    private static func groups(of text: Substring, mayEndInIPv4: Bool) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var result: [UInt16] = []
        for (index, part) in parts.enumerated() {
            if mayEndInIPv4, index == parts.count - 1, let ipv4 = parseIPv4(part) {
                result += [UInt16(ipv4 >> 16), UInt16(ipv4 & 0xFFFF)]
                continue
            }
            // Digits only: UInt16 would take a sign too.
            guard (1...4).contains(part.utf8.count), part.allSatisfy({ $0.isASCII && $0.isHexDigit }),
                let group = UInt16(part, radix: 16)
            else { return nil }
            result.append(group)
        }
        return result
    }

    package var description: String {
        var longest = 0..<0
        var index = 0
        while index < 8 {
            var end = index
            while end < 8, groups[end] == 0 { end += 1 }
            if end - index > max(1, longest.count) { longest = index..<end }
            index = max(end, index + 1)
        }
        let text = { (part: ArraySlice<UInt16>) in part.map { String($0, radix: 16) }.joined(separator: ":") }
        guard !longest.isEmpty else { return text(groups[...]) }
        return text(groups[..<longest.lowerBound]) + "::" + text(groups[longest.upperBound...])
    }
}
