// One line of a screen: pieces of text in styles, nothing in them that a terminal could take for an order.
import Model

enum ScreenStyle: Equatable {
    case plain, bold, faint, selected, alarm
    case good, warning, bad

    /// What a terminal is told; nil: nothing. Without colour only what is not one.
    func code(isColoured: Bool) -> String? {
        switch self {
        case .plain: nil
        case .bold: "1"
        case .faint: isColoured ? "2" : nil
        case .selected: "7"
        case .alarm: isColoured ? "1;31" : "1"
        case .good: isColoured ? "32" : nil
        case .warning: isColoured ? "33" : nil
        case .bad: isColoured ? "31" : nil
        }
    }
}

/// Printable ASCII only, so that a character is a column: whatever else a name or a reason holds is escaped as it comes in.
struct ScreenLine: Equatable {
    struct Piece: Equatable {
        var text: String
        var style: ScreenStyle
    }

    private(set) var pieces: [Piece] = []
    private(set) var width = 0

    static let empty = ScreenLine()

    init() {}

    init(_ text: String, _ style: ScreenStyle = .plain) { add(text, style) }

    mutating func add(_ text: String, _ style: ScreenStyle = .plain) {
        let safe = text.onScreen
        guard !safe.isEmpty else { return }
        pieces.append(Piece(text: safe, style: style))
        width += safe.utf8.count
    }

    var text: String { pieces.map(\.text).joined() }

    /// The first `columns` of it.
    func cut(to columns: Int) -> ScreenLine {
        guard width > columns else { return self }
        var line = ScreenLine()
        for piece in pieces where line.width < columns {
            line.add(String(decoding: piece.text.utf8.prefix(columns - line.width), as: UTF8.self), piece.style)
        }
        return line
    }

    /// One style from end to end.
    func filled(to columns: Int, _ style: ScreenStyle) -> ScreenLine {
        let short = cut(to: columns)
        return ScreenLine(short.text + String(repeating: " ", count: max(0, columns - short.width)), style)
    }

    func append(to bytes: inout [UInt8], isColoured: Bool) {
        for piece in pieces {
            let code = piece.style.code(isColoured: isColoured)
            if let code { bytes.append(contentsOf: "\u{1B}[\(code)m".utf8) }
            bytes.append(contentsOf: piece.text.utf8)
            if code != nil { bytes.append(contentsOf: "\u{1B}[0m".utf8) }
        }
    }
}

extension String {
    /// What is not printable ASCII as escapes.
    var onScreen: String { utf8.allSatisfy { (0x20...0x7E).contains($0) } ? self : escapedForOneLine }

    /// With blanks behind it, or its first part.
    func padded(to columns: Int) -> String {
        let count = utf8.count
        return count >= columns ? String(decoding: utf8.prefix(columns), as: UTF8.self) : self + String(repeating: " ", count: columns - count)
    }

    /// With blanks before it. A number is never cut: what is too long for its column stands out of it.
    func aligned(to columns: Int) -> String { String(repeating: " ", count: max(0, columns - utf8.count)) + self }

    /// A name in so many columns: its end tells it from its neighbours.
    func nameCut(to columns: Int) -> String {
        guard utf8.count > columns else { return self }
        guard columns > 4 else { return String(decoding: utf8.suffix(columns), as: UTF8.self) }
        return ".." + String(decoding: utf8.suffix(columns - 2), as: UTF8.self)
    }

    /// Broken between words into lines of so many columns at most.
    func wrapped(to columns: Int) -> [String] {
        let columns = max(10, columns)
        var lines: [String] = []
        var line = ""
        for word in onScreen.split(separator: " ") {
            var word = word
            if !line.isEmpty, line.utf8.count + 1 + word.utf8.count > columns {
                lines.append(line)
                line = ""
            }
            while word.utf8.count > columns {
                lines.append(String(word.prefix(columns)))
                word = word.dropFirst(columns)
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return line.isEmpty ? lines : lines + [line]
    }
}
