// SipHash-2-4 (J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012), with a key that is given.
//
// Named and fixed, unlike Swift's own Hasher, whose key is another in every process: balancers must agree.

package struct SipHash: Sendable {
    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64

    /// The key's two words, little-endian as in the paper.
    package struct Key: Sendable {
        let low: UInt64
        let high: UInt64

        package init(low: UInt64, high: UInt64) {
            self.low = low
            self.high = high
        }

        /// Sixteen ASCII characters.
        package init(_ text: StaticString) {
            precondition(text.utf8CodeUnitCount == 16, "a key has 16 bytes")
            let bytes = Array(text.description.utf8)
            self.init(low: word(bytes, at: 0, count: 8), high: word(bytes, at: 8, count: 8))
        }
    }

    package static func hash(_ bytes: [UInt8], key: Key) -> UInt64 {
        var state = SipHash(key)
        let whole = bytes.count & ~7
        for offset in stride(from: 0, to: whole, by: 8) { state.absorb(word(bytes, at: offset, count: 8)) }
        state.absorb(word(bytes, at: whole, count: bytes.count - whole) | UInt64(bytes.count & 255) << 56)
        return state.finish()
    }

    /// The same for 4 bytes and for 16, as little-endian words: addresses, without an array.
    package static func hash(word: UInt32, key: Key) -> UInt64 {
        var state = SipHash(key)
        state.absorb(UInt64(word) | 4 << 56)
        return state.finish()
    }

    package static func hash(low: UInt64, high: UInt64, key: Key) -> UInt64 {
        var state = SipHash(key)
        state.absorb(low)
        state.absorb(high)
        state.absorb(16 << 56)
        return state.finish()
    }

    private init(_ key: Key) {
        v0 = key.low ^ 0x736f_6d65_7073_6575
        v1 = key.high ^ 0x646f_7261_6e64_6f6d
        v2 = key.low ^ 0x6c79_6765_6e65_7261
        v3 = key.high ^ 0x7465_6462_7974_6573
    }

    private mutating func absorb(_ word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    private mutating func finish() -> UInt64 {
        v2 ^= 0xff
        for _ in 0..<4 { round() }
        return v0 ^ v1 ^ v2 ^ v3
    }

    private mutating func round() {
        v0 &+= v1
        v1 = v1.rotatedLeft(13) ^ v0
        v0 = v0.rotatedLeft(32)
        v2 &+= v3
        v3 = v3.rotatedLeft(16) ^ v2
        v0 &+= v3
        v3 = v3.rotatedLeft(21) ^ v0
        v2 &+= v1
        v1 = v1.rotatedLeft(17) ^ v2
        v2 = v2.rotatedLeft(32)
    }
}

/// Up to 8 bytes as a little-endian word.
private func word(_ bytes: [UInt8], at offset: Int, count: Int) -> UInt64 {
    (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
}

extension UInt64 {
    fileprivate func rotatedLeft(_ count: UInt64) -> UInt64 { self << count | self >> (64 - count) }
}
