// Random bytes to send, and digests to compare what arrived.
import Glibc
import SystemCalls
import Testing

enum Content {
    /// Bytes that nobody can guess, so that a loss, a repetition and an exchange all show.
    static func random(_ count: Int) throws -> [UInt8] {
        let source = try Files.open("/dev/urandom", O_RDONLY)
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { buffer in
            var filled = 0
            while filled < count {
                let more = read(source.number, buffer.baseAddress! + filled, count - filled)
                guard more > 0 else { throw SystemError("read", errno, on: "/dev/urandom") }
                filled += more
            }
        }
        return bytes
    }

    /// Whether `content` begins with these bytes.
    static func isPrefix(_ bytes: [UInt8], of content: [UInt8]) -> Bool {
        bytes.count <= content.count && memcmp(bytes, content, bytes.count) == 0
    }

    /// SHA-256 in hexadecimal, by the distribution's sha256sum.
    static func sha256(_ bytes: [UInt8], _ lab: Lab, _ name: String) throws -> String {
        let end = try lab.run(["sha256sum", try lab.write(name, bytes)])
        guard end.status == 0, let digest = end.output.split(separator: " ").first else { throw HarnessError("\(end)") }
        return String(digest)
    }
}
