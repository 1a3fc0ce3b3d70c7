// Texts from outside as HTML and as SVG: nothing in them is markup.

package enum HTMLText {
    package static func escaped(_ text: String) -> String {
        guard !text.utf8.allSatisfy({ $0.isPlain }) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\n", "\t": result.unicodeScalars.append(scalar)
            // Others than these no document may hold.
            case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value): result += "\u{FFFD}"
            // Nor may a name turn round the order in which what stands beside it is read.
            case "\u{200E}", "\u{200F}", "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// A table; cells are texts.
    package static func table(_ head: [String], _ rows: [[String]], kind: String) -> String {
        let top = head.map { "<th scope=\"col\">\(escaped($0))</th>" }.joined()
        let body = rows.map { row in
            "<tr>" + row.enumerated().map { $0.offset == 0 ? "<th scope=\"row\">\(escaped($0.element))</th>" : "<td>\(escaped($0.element))</td>" }
                .joined() + "</tr>"
        }
        return "<div class=\"scroll\"><table class=\"\(kind)\"><thead><tr>\(top)</tr></thead><tbody>\n\(body.joined(separator: "\n"))\n</tbody></table></div>"
    }

    /// A number as SVG takes it: two digits after the point are a hundredth of a pixel.
    package static func number(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let rest = abs(hundredths % 100)
        let whole = "\(hundredths < 0 && hundredths > -100 ? "-" : "")\(hundredths / 100)"
        return rest == 0 ? whole : "\(whole).\(rest < 10 ? "0" : "")\(rest)"
    }
}

extension UInt8 {
    /// Letters, digits and what stands in most names, numbers and sentences.
    fileprivate var isPlain: Bool {
        switch self {
        case 0x28...0x3B, 0x3D, 0x3F...0x7E, 0x20, 0x21, 0x23...0x25: true
        default: false
        }
    }
}
