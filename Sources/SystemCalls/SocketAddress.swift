// An endpoint in the kernel's form, and back.
// Invariant: a pointer is lent to one call, and none is kept.
import CLinux
import Glibc
import Model

/// A socket address as plain memory: copied into routing blocks, read by connect() without translation.
package struct SocketAddress: BitwiseCopyable, Sendable {
    package var storage: sockaddr_storage
    package var length: socklen_t

    package init() {
        storage = sockaddr_storage()
        length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    }

    package init(_ endpoint: Endpoint) {
        self.init()
        switch endpoint {
        case .ipv4(let address, let port):
            var form = sockaddr_in()
            form.sin_family = sa_family_t(AF_INET)
            form.sin_port = port.bigEndian
            form.sin_addr.s_addr = address.bigEndian
            fill(with: form, length: MemoryLayout<sockaddr_in>.size)
        case .ipv6(let groups, let port):
            var form = sockaddr_in6()
            form.sin6_family = sa_family_t(AF_INET6)
            form.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &form.sin6_addr) { bytes in
                for (index, group) in groups.groups.enumerated() {
                    bytes[2 * index] = UInt8(group >> 8)
                    bytes[2 * index + 1] = UInt8(group & 255)
                }
            }
            fill(with: form, length: MemoryLayout<sockaddr_in6>.size)
        case .unix(let path):
            var form = sockaddr_un()
            form.sun_family = sa_family_t(AF_UNIX)
            // Endpoint bounds the path to sun_path less its terminator; the rest is zero already.
            withUnsafeMutableBytes(of: &form.sun_path) { $0.copyBytes(from: path.utf8) }
            fill(with: form, length: MemoryLayout<sockaddr_un>.size)
        }
    }

    private mutating func fill<Form>(with form: Form, length: Int) {
        withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: form, as: Form.self) }
        self.length = socklen_t(length)
    }

    @inlinable package var family: Int32 { Int32(storage.ss_family) }

    /// The endpoint; a Unix peer without a name reads as an empty path. Nil for other families.
    package var endpoint: Endpoint? {
        withUnsafeBytes(of: storage) { bytes in
            switch family {
            case AF_INET:
                let form = bytes.load(as: sockaddr_in.self)
                return .ipv4(UInt32(bigEndian: form.sin_addr.s_addr), port: UInt16(bigEndian: form.sin_port))
            case AF_INET6:
                let form = bytes.load(as: sockaddr_in6.self)
                let groups = withUnsafeBytes(of: form.sin6_addr) { address in
                    (0..<8).map { UInt16(address[2 * $0]) << 8 | UInt16(address[2 * $0 + 1]) }
                }
                return .ipv6(IPv6Groups(groups: groups), port: UInt16(bigEndian: form.sin6_port))
            case AF_UNIX:
                let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
                let path = bytes[offset..<max(offset, Int(length))].prefix { $0 != 0 }
                return .unix(path: String(decoding: path, as: UTF8.self))
            default:
                return nil
            }
        }
    }

    /// The address and port, without a heap allocation; nil for a Unix socket and other families.
    @inlinable package var ip: IPEndpoint? {
        withUnsafeBytes(of: storage) { bytes in
            switch family {
            case AF_INET:
                let form = bytes.load(as: sockaddr_in.self)
                return IPEndpoint(IPAddress(ipv4: UInt32(bigEndian: form.sin_addr.s_addr)), port: UInt16(bigEndian: form.sin_port))
            case AF_INET6:
                let form = bytes.load(as: sockaddr_in6.self)
                let (high, low) = withUnsafeBytes(of: form.sin6_addr) {
                    (UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)), UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
                }
                return IPEndpoint(IPAddress(ipv6High: high, low: low), port: UInt16(bigEndian: form.sin6_port))
            default:
                return nil
            }
        }
    }

    /// Calls `body` with the address as bind() and connect() take it.
    @inlinable package func withPointer<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}
