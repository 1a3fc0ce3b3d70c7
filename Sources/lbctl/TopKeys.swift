// Keys of a terminal from the bytes that it sends.

enum Key: Equatable {
    case up, down, pageUp, pageDown, first, last
    case enter, escape, tab, backTab, interrupt, suspend, redraw
    case character(Character)
}

/// Bytes in, keys out. An escape alone is a key, and the first byte of others: which, the next byte tells, or that none came.
struct KeyReader {
    private var pending: [UInt8] = []

    /// It ends with an escape that may be a key of its own.
    var awaitsMore: Bool { !pending.isEmpty }

    mutating func take(_ bytes: [UInt8]) -> [Key] {
        pending += bytes
        var keys: [Key] = []
        while let (key, length) = KeyReader.first(of: pending) {
            pending.removeFirst(length)
            if let key { keys.append(key) }
        }
        return keys
    }

    /// Nothing more came for a while: what is there is all.
    mutating func settle() -> [Key] {
        defer { pending = [] }
        return pending == [0x1B] ? [.escape] : []
    }

    /// The key (nil: one that means nothing here) and its length; nil where its end has not come yet.
    private static func first(of bytes: [UInt8]) -> (Key?, Int)? {
        guard let byte = bytes.first else { return nil }
        switch byte {
        case 0x1B: return sequence(bytes)
        case 0x0D, 0x0A: return (.enter, 1)
        case 0x09: return (.tab, 1)
        case 0x03: return (.interrupt, 1)
        case 0x1A: return (.suspend, 1)
        case 0x0C: return (.redraw, 1)
        case 0x08, 0x7F: return (.escape, 1)
        case 0x20: return (.pageDown, 1)
        case 0x21...0x7E: return (.character(Character(UnicodeScalar(byte))), 1)
        default: return (nil, 1)
        }
    }

    /// ESC [ … final, ESC O final; longer than any that there is: thrown away.
    private static func sequence(_ bytes: [UInt8]) -> (Key?, Int)? {
        guard bytes.count > 1 else { return nil }
        switch bytes[1] {
        case UInt8(ascii: "O"): return bytes.count > 2 ? (named(bytes[2], []), 3) : nil
        case UInt8(ascii: "["):
            guard let end = bytes[2...].firstIndex(where: { (0x40...0x7E).contains($0) }) else {
                return bytes.count > 16 ? (nil, bytes.count) : nil
            }
            return (named(bytes[end], bytes[2..<end]), end + 1)
        default: return (.escape, 1)
        }
    }

    private static func named(_ final: UInt8, _ parameters: ArraySlice<UInt8>) -> Key? {
        switch (final, String(decoding: parameters.prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self)) {
        case (UInt8(ascii: "A"), _): .up
        case (UInt8(ascii: "B"), _): .down
        case (UInt8(ascii: "Z"), _): .backTab
        case (UInt8(ascii: "H"), _), (UInt8(ascii: "~"), "1"), (UInt8(ascii: "~"), "7"): .first
        case (UInt8(ascii: "F"), _), (UInt8(ascii: "~"), "4"), (UInt8(ascii: "~"), "8"): .last
        case (UInt8(ascii: "~"), "5"): .pageUp
        case (UInt8(ascii: "~"), "6"): .pageDown
        case (UInt8(ascii: "M"), ""): .enter
        default: nil
        }
    }
}
