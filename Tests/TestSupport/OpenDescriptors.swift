// Which descriptors of this process are open, told apart by what they are: tests run side by side in one process, so
// their bare number says little.
import Foundation
import SystemCalls

package enum OpenDescriptors {
    /// Those that are open on the file.
    package static func count(of path: String) throws -> Int {
        try numbers().count { link(of: $0) == path }
    }

    /// Sockets of the listener's side of a port: listening, or accepted from it.
    package static func count(ofLocalPort port: UInt16) throws -> Int {
        try numbers().count { number in
            do { return try Sockets.localEndpoint(of: number).port == port } catch { return false }
        }
    }

    /// Sockets that are connected to a port.
    package static func count(ofRemotePort port: UInt16) throws -> Int {
        try numbers().count { Sockets.peerAddress(of: $0)?.port == port }
    }

    /// Sockets that are bound to an address, whatever their port.
    package static func count(ofLocalAddress address: UInt32) throws -> Int {
        try numbers().count { number in
            do {
                guard case .ipv4(address, _) = try Sockets.localEndpoint(of: number) else { return false }
                return true
            } catch {
                return false
            }
        }
    }

    /// Descriptors of children that have ended and were waited for.
    package static func countOfReapedChildren() throws -> Int {
        try numbers().count { number in
            do {
                return try String(contentsOfFile: "/proc/self/fdinfo/\(number)", encoding: .utf8).contains("Pid:\t-1\n")
            } catch {
                // Closed by another test meanwhile.
                return false
            }
        }
    }

    package static func numbers() throws -> [Int32] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { Int32($0) }
    }

    private static func link(of number: Int32) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink("/proc/self/fd/\(number)", &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }
}
