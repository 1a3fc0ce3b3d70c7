// Names of listeners, pools and backends: what a person types and every log line repeats.

/// Why a text cannot be a name.
package struct NameError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

/// A name as written in the configuration: 1 to 64 of `A-Z a-z 0-9 . _ -`, beginning with a letter or a digit.
package protocol Name: Hashable, Comparable, Sendable, CustomStringConvertible {
    var text: String { get }
    init(unchecked text: String)
}

extension Name {
    package init(_ text: String) throws(NameError) {
        let bytes = Array(text.utf8)
        guard let first = bytes.first else { throw NameError(description: "a name must not be empty") }
        guard bytes.count <= 64 else {
            throw NameError(description: "a name has at most 64 characters, this one has \(bytes.count)")
        }
        guard first.isNameLetterOrDigit else {
            throw NameError(description: "a name begins with a letter or a digit")
        }
        guard bytes.allSatisfy({ $0.isNameLetterOrDigit || $0 == 0x2E || $0 == 0x5F || $0 == 0x2D }) else {
            throw NameError(description: "a name consists of letters, digits, '.', '_' and '-'")
        }
        self.init(unchecked: text)
    }

    package var description: String { text }
    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }
}

extension UInt8 {
    fileprivate var isNameLetterOrDigit: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }
}

package struct ListenerName: Name {
    package let text: String
    package init(unchecked text: String) { self.text = text }
}

package struct PoolName: Name {
    package let text: String
    package init(unchecked text: String) { self.text = text }
}

package struct BackendName: Name {
    package let text: String
    package init(unchecked text: String) { self.text = text }
}

/// One backend among all pools, written `POOL/BACKEND`.
package struct BackendReference: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let pool: PoolName
    package let backend: BackendName

    package init(pool: PoolName, backend: BackendName) {
        self.pool = pool
        self.backend = backend
    }

    package init(_ text: String) throws(NameError) {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), maxSplits: 2, omittingEmptySubsequences: false).map { Substring($0) }
        guard parts.count == 2 else {
            guard parts.count == 1, BackendReference.isName(text) else {
                throw NameError(description: "'\(text.escapedForOneLine)' is not a backend: write POOL/BACKEND")
            }
            throw NameError(description: "'\(text)' names no backend: write \(text)/NAME")
        }
        self.init(pool: try PoolName(String(parts[0])), backend: try BackendName(String(parts[1])))
    }

    private static func isName(_ text: String) -> Bool {
        do throws(NameError) { _ = try PoolName(text) } catch { return false }
        return true
    }

    package var description: String { "\(pool)/\(backend)" }

    package static func < (left: Self, right: Self) -> Bool {
        (left.pool, left.backend) < (right.pool, right.backend)
    }
}
