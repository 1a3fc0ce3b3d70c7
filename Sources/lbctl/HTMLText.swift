// Texts from outside as HTML and as SVG: nothing in them is markup.

enum HTMLText {
    static func escaped(_ text: String) -> String {
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
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// A table; cells are texts.
    static func table(_ head: [String], _ rows: [[String]], kind: String) -> String {
        let top = head.map { "<th scope=\"col\">\(escaped($0))</th>" }.joined()
        let body = rows.map { row in
            "<tr>" + row.enumerated().map { $0.offset == 0 ? "<th scope=\"row\">\(escaped($0.element))</th>" : "<td>\(escaped($0.element))</td>" }
                .joined() + "</tr>"
        }
        return "<div class=\"scroll\"><table class=\"\(kind)\"><thead><tr>\(top)</tr></thead><tbody>\n\(body.joined(separator: "\n"))\n</tbody></table></div>"
    }

    /// A number as SVG takes it: two digits after the point are a hundredth of a pixel.
    static func number(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let rest = abs(hundredths % 100)
        let whole = "\(hundredths < 0 && hundredths > -100 ? "-" : "")\(hundredths / 100)"
        return rest == 0 ? whole : "\(whole).\(rest < 10 ? "0" : "")\(rest)"
    }
}
