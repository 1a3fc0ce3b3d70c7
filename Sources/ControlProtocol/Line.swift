// Lines of the control protocol: words quoted as in a shell in, status and data lines out.

/// Why a line is not a request, in words for whoever typed it.
package struct LineError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

package enum RequestLine {
    /// A request has at most so many bytes, its newline not counted.
    package static let bytesMax = 64 * 1024

    /// Splits at blanks. '…' is literal, "…" knows \" and \\, a backslash outside quotes takes the next character.
    package static func words(_ line: [UInt8]) throws(LineError) -> [String] {
        guard line.count <= bytesMax else { throw LineError(description: "a line has at most \(bytesMax) bytes") }
        var words: [String] = []
        var word: [UInt8] = []
        // Quotes make a word even where nothing stands between them.
        var isInWord = false
        var index = 0
        while index < line.count {
            let byte = line[index]
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"):
                if isInWord { words.append(try text(word)) }
                word = []
                isInWord = false
            case UInt8(ascii: "'"), UInt8(ascii: "\""):
                let quoted = try quoted(line, from: index)
                word += quoted.bytes
                isInWord = true
                index = quoted.end
            case UInt8(ascii: "\\"):
                index += 1
                guard index < line.count else { throw LineError(description: "the line ends with a lone backslash") }
                try checkPlain(line, index)
                word.append(line[index])
                isInWord = true
            default:
                let end = plainEnd(line, from: index)
                if end == index { try checkPlain(line, index) }
                // At once: one by one a long line would take its time.
                word += line[index..<end]
                isInWord = true
                index = end - 1
            }
            index += 1
        }
        if isInWord { words.append(try text(word)) }
        return words
    }

    /// Where the first byte stands that is a blank, a quote, a backslash or a control character.
    private static func plainEnd(_ line: [UInt8], from start: Int) -> Int {
        var index = start
        while index < line.count {
            let byte = line[index]
            guard byte > 0x20, byte != 0x7F, byte != 0x22, byte != 0x27, byte != 0x5C else { break }
            index += 1
        }
        return index
    }

    private static func checkPlain(_ line: [UInt8], _ index: Int) throws(LineError) {
        guard line[index] >= 0x20, line[index] != 0x7F else {
            throw LineError(description: "byte \(index + 1) is a control character (\(line[index])): a request is plain text")
        }
    }

    /// The bytes between the quote at `start` and its partner at `end`.
    private static func quoted(_ line: [UInt8], from start: Int) throws(LineError) -> (bytes: [UInt8], end: Int) {
        let quote = line[start]
        var bytes: [UInt8] = []
        var index = start + 1
        while index < line.count, line[index] != quote {
            let end = plainEnd(line, from: index)
            bytes += line[index..<end]
            index = end
            guard index < line.count, line[index] != quote else { break }
            if quote == UInt8(ascii: "\""), line[index] == UInt8(ascii: "\\"), index + 1 < line.count { index += 1 }
            try checkPlain(line, index)
            bytes.append(line[index])
            index += 1
        }
        guard index < line.count else {
            throw LineError(description: "the quote \(Character(UnicodeScalar(quote))) at byte \(start + 1) is never closed")
        }
        return (bytes, index)
    }

    private static func text(_ bytes: [UInt8]) throws(LineError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw LineError(description: "the line is not UTF-8")
        }
        return text
    }

    /// The word as it has to be typed so that `words` reads it back.
    package static func quoted(_ word: String) -> String {
        let plain = word.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "\\"): false
            default: true
            }
        }
        guard word.isEmpty || !plain else { return word }
        return "\"" + word.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}

extension String {
    /// `replacing` lives in _StringProcessing's regex machinery; this is the plain one.
    fileprivate func replacing(_ character: Character, with text: String) -> String {
        reduce(into: "") { result, next in
            if next == character { result += text } else { result.append(next) }
        }
    }
}

/// One line of a reply.
package enum ReplyLine: Equatable, Sendable {
    case data(String)
    case ok
    case failure(Failure)

    /// As sent, without the newline. A data line that looks like a status line, or like an escaped one,
    /// gets a space in front.
    package var text: String {
        switch self {
        case .data(let text):
            switch text.utf8.first {
            case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: " "): " " + text
            default: text
            }
        case .ok: "+ok"
        case .failure(let failure): "-\(failure.code.rawValue) \(failure.message)"
        }
    }

    /// The bytes as sent. A line never holds a second newline, whatever went into it.
    package func append(to bytes: inout [UInt8]) {
        let start = bytes.count
        bytes.append(contentsOf: text.utf8)
        for index in start..<bytes.count where bytes[index] == 0x0A || bytes[index] == 0x0D { bytes[index] = UInt8(ascii: " ") }
        bytes.append(0x0A)
    }

    /// Reads what `text` wrote; nil for a status line that no version of the protocol has.
    package init?(_ line: String) {
        switch line.utf8.first {
        case UInt8(ascii: "+"):
            guard line == "+ok" else { return nil }
            self = .ok
        case UInt8(ascii: "-"):
            let parts = line.dropFirst().split(separator: " ", maxSplits: 1)
            guard let number = parts.first.flatMap({ Int32($0) }), let code = ExitCode(rawValue: number) else { return nil }
            self = .failure(Failure(code, parts.count == 2 ? String(parts[1]) : ""))
        case UInt8(ascii: " "):
            self = .data(String(line.dropFirst()))
        default:
            self = .data(line)
        }
    }
}

/// What went wrong with a command, as the reply's CODE and as lbctl's exit status.
package enum ExitCode: Int32, Sendable {
    case done = 0
    case failed = 1
    case deadlinePassed = 3
    /// Refused because it would not be safe.
    case refused = 4
    case noAnswer = 5
    case badUsage = 64
}

package struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
    package let code: ExitCode
    /// One line.
    package let message: String

    package init(_ code: ExitCode, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
