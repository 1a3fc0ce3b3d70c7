// Blanks comments and string literals, so that a rule about code does not stumble over prose.

struct CodeScanner {
    private let text: [UInt8]
    private var result: [UInt8] = []
    private var index = 0

    static func code(of text: String) -> String {
        var scanner = CodeScanner(text: Array(text.utf8))
        scanner.scan()
        return String(decoding: scanner.result, as: UTF8.self)
    }

    private init(text: [UInt8]) { self.text = text }

    private func isAt(_ word: StaticString) -> Bool {
        word.withUTF8Buffer { text[index...].starts(with: $0) }
    }

    private mutating func blank(_ count: Int = 1) {
        for _ in 0..<count where index < text.count {
            result.append(text[index] == 0x0A ? 0x0A : 0x20)
            index += 1
        }
    }

    private mutating func scan() {
        while index < text.count {
            guard [0x22, 0x23, 0x2F].contains(text[index]) else {
                result.append(text[index])
                index += 1
                continue
            }
            if isAt("//") {
                while index < text.count, text[index] != 0x0A { blank() }
            } else if isAt("/*") {
                blankBlock()
            } else if isAt("\"") || isAt("#\"") {
                blankString()
            } else {
                result.append(text[index])
                index += 1
            }
        }
    }

    private mutating func blankBlock() {
        var depth = 0
        repeat {
            if isAt("/*") { depth += 1; blank(2) } else if isAt("*/") { depth -= 1; blank(2) } else { blank() }
        } while depth > 0 && index < text.count
    }

    /// The quotes stay, so that what was a string still looks like a value.
    private mutating func blankString() {
        let isRaw = isAt("#")
        if isRaw { blank() }
        let isLong = isAt("\"\"\"")
        blank(isLong ? 3 : 1)
        while index < text.count {
            if !isRaw, isAt("\\(") {
                blankInterpolation()
            } else if !isRaw, isAt("\\") {
                blank(2)
            } else if isLong ? isAt("\"\"\"") : isAt("\"") {
                blank(isLong ? 3 : 1)
                if isRaw { blank() }
                return
            } else if !isLong, text[index] == 0x0A {
                return
            } else {
                blank()
            }
        }
    }

    /// Code inside a string is blanked too, but its own strings must not end the outer one.
    private mutating func blankInterpolation() {
        blank(2)
        var depth = 1
        while depth > 0, index < text.count {
            if isAt("\"") { blankString(); continue }
            if isAt("(") { depth += 1 }
            if isAt(")") { depth -= 1 }
            blank()
        }
    }
}
