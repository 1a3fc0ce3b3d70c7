// What a backend answers to a probe, judged as it comes in, in as many pieces as it likes: sans-io.
import Model

/// Bounded: whoever talks without end is judged by what came first.
package protocol ProbeAnswer {
    /// More has come; the result once it is certain.
    mutating func take(_ bytes: [UInt8]) -> ProbeResult?
    /// The backend has ended, and nothing more will come.
    mutating func end() -> ProbeResult
    /// What came so far, for the operator; nil: nothing.
    var soFar: String? { get }
}

/// `expect` at the beginning of what the backend says, or somewhere in it.
package struct BannerAnswer: ProbeAnswer {
    /// Most that is searched.
    package static let bytesMax = 16 * 1024

    private let expected: [UInt8]
    private let match: BannerMatch
    private var received: [UInt8] = []

    package init(expect: String, match: BannerMatch) {
        expected = Array(expect.utf8)
        self.match = match
    }

    package mutating func take(_ bytes: [UInt8]) -> ProbeResult? {
        let searched = max(0, received.count - expected.count + 1)
        received += bytes.prefix(BannerAnswer.bytesMax - received.count)
        switch match {
        case .prefix:
            // The first byte that differs decides.
            guard expected.starts(with: received.prefix(expected.count)) else { return .failure(reason: "banner: \(wanted), got \(came)") }
            return received.count >= expected.count ? .success : nil
        case .contains:
            if received[searched...].holds(expected) { return .success }
            guard received.count >= BannerAnswer.bytesMax else { return nil }
            return .failure(reason: "banner: \(wanted), and the first \(received.count) bytes lack it: \(came)")
        }
    }

    package mutating func end() -> ProbeResult {
        guard !received.isEmpty else { return .failure(reason: "banner: \(wanted), and the backend ended without a word") }
        return .failure(reason: "banner: \(wanted), and the backend ended after \(came)")
    }

    package var soFar: String? { received.isEmpty ? nil : came }

    private var wanted: String { "expected '\(String(decoding: expected, as: UTF8.self).escapedForOneLine)'" }

    private var came: String { received.shown(bytesMax: expected.count + 20) }
}

extension Array where Element == UInt8 {
    /// In quotes, on one line, shortened.
    func shown(bytesMax: Int) -> String {
        "'\(String(decoding: prefix(bytesMax), as: UTF8.self).escapedForOneLine)'" + (count > bytesMax ? "..." : "")
    }
}

extension ArraySlice where Element == UInt8 {
    /// Whether `text`, which is not empty, stands somewhere in it.
    func holds(_ text: [UInt8]) -> Bool {
        guard let first = text.first else { return true }
        var rest = self
        while let start = rest.firstIndex(of: first) {
            rest = rest[start...]
            guard rest.count >= text.count else { return false }
            if rest.starts(with: text) { return true }
            rest = rest.dropFirst()
        }
        return false
    }
}
