// A document as YAML text: a key a line, lists in brackets, quotes where a text would mean something else without.

extension ConfigurationDocument {
    /// The lines of a file that reads back as this document.
    package var lines: [String] {
        guard !root.entries.isEmpty else { return ["{}"] }
        return root.entries.enumerated().flatMap { index, entry in
            // Sections stand apart.
            (index > 0 && !entry.value.entries.isEmpty ? [""] : []) + entry.lines(indent: 0)
        }
    }

    package var yaml: String { lines.map { $0 + "\n" }.joined() }
}

extension YamlNode.Entry {
    fileprivate func lines(indent: Int) -> [String] {
        let head = String(repeating: " ", count: indent) + key.yamlKey + ":"
        guard case .mapping(let entries) = value.content, !entries.isEmpty else { return ["\(head) \(value.flowText)"] }
        return [head] + entries.flatMap { $0.lines(indent: indent + 2) }
    }
}

extension YamlNode {
    /// On one line.
    var flowText: String {
        switch content {
        case .scalar(let text, let quoted): quoted ? text.yamlQuoted : text
        case .sequence(let items): "[" + items.map(\.flowText).joined(separator: ", ") + "]"
        case .mapping(let entries):
            entries.isEmpty ? "{}" : "{ " + entries.map { "\($0.key.yamlKey): \($0.value.flowText)" }.joined(separator: ", ") + " }"
        }
    }
}

extension String {
    fileprivate var yamlKey: String { isPlainYaml ? self : yamlQuoted }

    /// Reads back as itself without quotes, in a list too. Narrower than YAML, which is hard to predict.
    var isPlainYaml: Bool {
        guard let first = utf8.first, first.isYamlLetterOrDigit || first == UInt8(ascii: "/"), utf8.last != UInt8(ascii: ":") else { return false }
        return utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "@"),
                UInt8(ascii: "+"), UInt8(ascii: "="): true
            default: byte.isYamlLetterOrDigit
            }
        }
    }

    /// In double quotes, with escapes for all that an editor or YAML's reader would not keep.
    fileprivate var yamlQuoted: String {
        var result = "\""
        for scalar in unicodeScalars {
            switch scalar.value {
            case 0x22: result += "\\\""
            case 0x5C: result += "\\\\"
            case 0x0A: result += "\\n"
            case 0x0D: result += "\\r"
            case 0x09: result += "\\t"
            case 0..<0x20, 0x7F..<0xA0: result += "\\x" + scalar.hexadecimal(2)
            case 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF: result += "\\u" + scalar.hexadecimal(4)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

extension Unicode.Scalar {
    fileprivate func hexadecimal(_ digits: Int) -> String {
        let text = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
}

extension UInt8 {
    fileprivate var isYamlLetterOrDigit: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }
}
